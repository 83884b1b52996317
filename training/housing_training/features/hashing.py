"""Typed columns → the forest's feature matrix: numbers, one-hot categories and hash buckets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import murmurhash3_32

from housing_core.api.spec import Cross
from housing_training.data.columns import Columns
from housing_training.data.typed_rows import Codes, Floats, TypedRows

CROSS_SEPARATOR = "\x1f"
"""Between the values of a cross: a character that no listing holds."""


@dataclass(frozen=True, slots=True)
class HashedInput:
    """A column or a cross whose text `name=value` is hashed, as scikit-learn's FeatureHasher does."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Encoder:
    """What was learned from the training part. The features stand in the order of the attributes.

    Attributes:
        medians: numeric column → its median, which stands for a missing value.
        indicators: numeric columns with missing values; each has a feature that says "missing".
        categories: categorical column → its categories, one feature each; others have none.
        hashed: what is hashed into the buckets; all share them.
        buckets: number of buckets of the hasher.
        used: buckets that occur in the training part, in `fewest_rows` or more; rising, one feature each.

    """

    medians: Mapping[str, float]
    indicators: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    hashed: tuple[HashedInput, ...]
    buckets: int
    used: Codes

    @property
    def width(self) -> int:
        """Number of features."""
        return self.first_bucket + len(self.used)

    @property
    def full_width(self) -> int:
        """Number of features with the buckets that are empty."""
        return self.first_bucket + self.buckets

    @property
    def first_bucket(self) -> int:
        """Position of the first feature that is a bucket."""
        return (
            len(self.medians)
            + len(self.indicators)
            + sum(len(categories) for categories in self.categories.values())
        )

    def names(self) -> list[str]:
        """(width,) a name for each feature, for people."""
        return [
            *self.medians,
            *(f"{name} is missing" for name in self.indicators),
            *(f"{name}={value}" for name, values in self.categories.items() for value in values),
            *(f"bucket {bucket}" for bucket in self.used),
        ]

    def transform(self, rows: TypedRows) -> sparse.csr_matrix[Any]:
        """Encode rows: (rows, width), float32."""
        parts: list[tuple[Codes, Codes, Floats]] = []
        position = 0
        every = np.arange(rows.rows)
        for name, median in self.medians.items():
            values = rows.numbers[name]
            filled = np.where(np.isnan(values), np.float32(median), values)
            parts.append((every, np.full(rows.rows, position), filled))
            position += 1
        for name in self.indicators:
            at = np.flatnonzero(np.isnan(rows.numbers[name]))
            parts.append((at, np.full(len(at), position), np.ones(len(at), np.float32)))
            position += 1
        for name, categories in self.categories.items():
            column = rows.texts[name]
            place = {category: position + i for i, category in enumerate(categories)}
            places = np.array([place.get(value, -1) for value in column.values])[column.codes]
            at = np.flatnonzero(places >= 0)
            parts.append((at, places[at], np.ones(len(at), np.float32)))
            position += len(categories)
        table = np.full(self.buckets, -1)
        table[self.used] = position + np.arange(len(self.used))
        for hashed in self.hashed:
            bucket, sign = hash_column(hashed, rows, self.buckets)
            at = np.flatnonzero(table[bucket] >= 0)
            parts.append((at, table[bucket[at]], sign[at]))
        row, column_, value = (np.concatenate(items) for items in zip(*parts, strict=True))
        # Entries at the same place are added up, as the hasher does.
        matrix = sparse.csr_matrix(
            (value.astype(np.float32), (row, column_)), shape=(rows.rows, self.width)
        )
        matrix.sum_duplicates()
        return matrix


def fit_encoder(
    rows: TypedRows, columns: Columns, crosses: Sequence[Cross], buckets: int
) -> Encoder:
    """Learn the encoding from the training part."""
    medians, indicators = {}, []
    for name, values in rows.numbers.items():
        missing = np.isnan(values)
        median = float(np.median(values[~missing])) if not missing.all() else 0.0
        medians[name] = median if math.isfinite(median) else 0.0
        if missing.any():
            indicators.append(name)
    categories = {
        column.name: rows.texts[column.name].occurring()
        for column in columns.inputs
        if column.kind == "Categorical"
    }
    hashed = (
        *(HashedInput(c.name, (c.name,)) for c in columns.inputs if c.kind == "HighCardinality"),
        *(HashedInput(cross.name, tuple(cross.columns)) for cross in crosses),
    )
    counts = np.zeros(buckets, np.int64)
    for item in hashed:
        counts += np.bincount(hash_column(item, rows, buckets)[0], minlength=buckets)
    used = np.flatnonzero(counts >= fewest_rows(rows.rows))
    return Encoder(medians, tuple(indicators), categories, hashed, buckets, used)


def fewest_rows(rows: int) -> int:
    """In how many of the rows a bucket must occur to be a feature: one in 5,000, five at most.

    A split at a rarer one parts a few rows from thousands, and a fifth of the buckets are so.
    """
    return min(5, math.ceil(rows / 5_000))


def hash_column(hashed: HashedInput, rows: TypedRows, buckets: int) -> tuple[Codes, Floats]:
    """Bucket and sign of each row, by the rule of scikit-learn's FeatureHasher.

    Bucket: |murmurhash3_32(text)| modulo the number of buckets; sign: that of the hash.
    """
    combined = rows.texts[hashed.columns[0]].codes
    texts = list(rows.texts[hashed.columns[0]].values)
    for name in hashed.columns[1:]:
        column = rows.texts[name]
        pairs, combined = np.unique(
            combined * len(column.values) + column.codes, return_inverse=True
        )
        texts = [
            texts[pair // len(column.values)]
            + CROSS_SEPARATOR
            + column.values[pair % len(column.values)]
            for pair in pairs
        ]
    hashes = np.array(
        [murmurhash3_32(f"{hashed.name}={text}".encode(), seed=0) for text in texts], np.int64
    )
    bucket = np.abs(hashes) % buckets
    sign = np.where(hashes < 0, -1, 1).astype(np.float32)
    return bucket[combined], sign[combined]
