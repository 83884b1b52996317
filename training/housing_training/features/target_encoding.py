"""Typed columns → numbers: each category by what prices its rows had in the training part.

A category stands as three or more numbers: the mean rank of the price and the share of each class
but the lowest, drawn towards those of all rows where the category is rare (Micci-Barreca 2001).
Rows that a model learns from get the numbers of a table made without them (cross-fitting), or the
model would read its own answers. Columns of many categories, and crosses, go through the same hash
buckets as in the seed's recipe, so that the table is bounded whatever the data holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from housing_core.api.spec import Cross
from housing_training.data.columns import Columns
from housing_training.data.target import Classes, Prices
from housing_training.data.typed_rows import Codes, Floats, TypedRows
from housing_training.features.hashing import HashedInput, hash_column

SMOOTHING = 5.0
"""A category of this many rows stands half for itself and half for all rows."""

CROSS_FIT_FOLDS = 5

Table = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class TargetEncoder:
    """What was learned from the training part.

    The features stand in this order: the numeric columns, then `statistics` features for each
    categorical column, then for each hashed one.

    Attributes:
        fills: numeric column → what stands for a missing value; NaN to leave it missing.
        categories: categorical column → its categories, in the order of their rows in `table`.
        hashed: columns and crosses that go through hash buckets.
        buckets: number of buckets of the hasher.
        used: for each hashed input its buckets that occur, rising.
        table: (categories and used buckets of all inputs + 1, statistics); the last row is that
            of what was not seen.

    """

    fills: Mapping[str, float]
    categories: Mapping[str, tuple[str, ...]]
    hashed: tuple[HashedInput, ...]
    buckets: int
    used: tuple[Codes, ...]
    table: Table

    @property
    def statistics(self) -> int:
        """Numbers that stand for one category."""
        return int(self.table.shape[1])

    @property
    def inputs(self) -> int:
        """Number of inputs that are encoded by the table."""
        return len(self.categories) + len(self.hashed)

    @property
    def width(self) -> int:
        """Number of features."""
        return len(self.fills) + self.inputs * self.statistics

    def transform(self, rows: TypedRows) -> Floats:
        """Encode rows: (rows, width)."""
        return self._features(rows, self.table[self.positions(rows)])

    def positions(self, rows: TypedRows) -> Codes:
        """(rows, inputs) row of the table for each input."""
        unseen, start = len(self.table) - 1, 0
        found = np.empty((rows.rows, self.inputs), np.int64)
        for number, (name, categories) in enumerate(self.categories.items()):
            column = rows.texts[name]
            place = {category: start + i for i, category in enumerate(categories)}
            found[:, number] = np.array([place.get(v, unseen) for v in column.values])[column.codes]
            start += len(categories)
        for number, (hashed, used) in enumerate(zip(self.hashed, self.used, strict=True)):
            buckets = hash_column(hashed, rows, self.buckets)[0]
            at = np.minimum(np.searchsorted(used, buckets), len(used) - 1)
            found[:, len(self.categories) + number] = np.where(
                used[at] == buckets, start + at, unseen
            )
            start += len(used)
        return found

    def _features(self, rows: TypedRows, encoded: Floats) -> Floats:
        numbers = [
            np.where(np.isnan(rows.numbers[name]), np.float32(fill), rows.numbers[name])
            for name, fill in self.fills.items()
        ]
        return np.column_stack([*numbers, encoded.reshape(rows.rows, -1)]).astype(np.float32)


def fit_target_encoder(
    rows: TypedRows,
    *,
    columns: Columns,
    crosses: Sequence[Cross],
    buckets: int,
    prices: Prices,
    labels: Classes,
    classes: int,
    seed: int,
    fill_missing: bool,
    groups: np.ndarray[Any, Any] | None = None,
) -> tuple[TargetEncoder, Floats]:
    """Learn the encoding from the training part.

    Args:
        rows: of the training part.
        columns: the inputs.
        crosses: combinations that are encoded like columns.
        buckets: number of buckets of the hasher.
        prices: (rows,).
        labels: (rows,) class index.
        classes: number of classes.
        seed: of the folds of the cross-fitting.
        fill_missing: stand a missing number below the smallest one; else it stays NaN.
        groups: (rows,) rows of one group are never in each other's table, unless there is one
            group only; None for single rows.

    Returns:
        The encoder, and the cross-fitted features of `rows`: (rows, width).

    """
    hashed = (
        *(HashedInput(c.name, (c.name,)) for c in columns.inputs if c.kind == "HighCardinality"),
        # In the order in which the graph hashes them: it takes crosses of one size together.
        *(
            HashedInput(cross.name, tuple(cross.columns))
            for cross in sorted(crosses, key=lambda cross: len(cross.columns))
        ),
    )
    categories = {
        column.name: rows.texts[column.name].occurring()
        for column in columns.inputs
        if column.kind == "Categorical"
    }
    used = tuple(np.unique(hash_column(item, rows, buckets)[0]) for item in hashed)
    entries = sum(map(len, categories.values())) + sum(map(len, used))
    statistics = _statistics(prices, labels, classes)
    encoder = TargetEncoder(
        fills={
            name: _below_smallest(values) if fill_missing else float("nan")
            for name, values in rows.numbers.items()
        },
        categories=categories,
        hashed=hashed,
        buckets=buckets,
        used=used,
        table=np.zeros((entries + 1, statistics.shape[1]), np.float32),
    )
    positions = encoder.positions(rows)
    everything = np.ones(rows.rows, bool)
    encoder.table[:] = _table(positions, everything, statistics, entries)
    encoded = np.empty((*positions.shape, statistics.shape[1]), np.float32)
    folds = _folds(rows.rows, groups, seed)
    for fold in range(CROSS_FIT_FOLDS):
        held = folds == fold
        encoded[held] = _table(positions, ~held, statistics, entries)[positions[held]]
    return encoder, encoder._features(rows, encoded)


def _statistics(
    prices: Prices, labels: Classes, classes: int
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(rows, statistics) what is averaged: the price's rank from 0 to 1, and classes but the lowest."""
    _, which, counts = np.unique(prices, return_inverse=True, return_counts=True)
    ranks = ((np.cumsum(counts) - counts / 2) / len(prices))[which]
    higher = [labels >= label for label in range(1, classes)]
    return np.column_stack([ranks, *higher]).astype(np.float64)


def _table(
    positions: Codes, learned: np.ndarray[Any, Any], statistics: np.ndarray[Any, Any], entries: int
) -> Table:
    """(entries + 1, statistics) smoothed means over the learned rows; the last is of all of them."""
    base = statistics[learned].mean(axis=0)
    table = np.empty((entries + 1, statistics.shape[1]))
    inputs = positions.shape[1]
    at = positions[learned].ravel()
    counts = np.bincount(at, minlength=entries + 1)
    for number in range(statistics.shape[1]):
        sums = np.bincount(
            at, weights=np.repeat(statistics[learned, number], inputs), minlength=entries + 1
        )
        table[:, number] = (sums + SMOOTHING * base[number]) / (counts + SMOOTHING)
    table[entries] = base
    return table.astype(np.float32)


def _folds(rows: int, groups: np.ndarray[Any, Any] | None, seed: int) -> Codes:
    chance = np.random.default_rng(seed)
    if groups is None or len(np.unique(groups)) < 2:  # of one group no other makes a table
        return chance.permutation(rows) % CROSS_FIT_FOLDS
    distinct, which = np.unique(groups, return_inverse=True)
    found: Codes = (chance.permutation(len(distinct)) % CROSS_FIT_FOLDS)[which]
    return found


def _below_smallest(values: Floats) -> float:
    present = values[np.isfinite(values)]
    if len(present) == 0:
        return 0.0
    smallest = np.float32(present.min())
    return float(np.nextafter(smallest - np.float32(1), np.float32(-np.inf)))
