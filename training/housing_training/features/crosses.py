"""Feature crosses (seed 4.2): the spec's, or sensible ones when it leaves them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from housing_core.api.spec import Column, Cross
from housing_training.data.columns import Columns
from housing_training.data.reading import list_columns
from housing_training.data.typed_rows import Codes
from housing_training.errors import InvalidDataError

PARTNERS = 2
"""Crosses of the place with other categories: as many as the seed has."""

PLACE_CATEGORIES = 8
"""Fewest categories of a column that parts the listings finely enough to be crossed."""

PARTNER_CATEGORIES = 3
NESTED = 0.5
"""A column lies inside another when knowing it removes half of the errors of guessing the other."""

DETERMINED = 0.99
"""Joining adds nothing when the inner column alone gives the outer one away."""


def check_crosses(
    crosses: Sequence[Cross], names: Sequence[str], overrides: Sequence[Column]
) -> dict[str, str]:
    """Columns that the spec's crosses combine → name of the (first) cross.

    Raises:
        InvalidDataError: for a column that is not there, is ignored or is set to Numeric, or a
            cross that is named like a column.

    """
    kinds = {override.name: override.kind for override in overrides}
    crossed: dict[str, str] = {}
    for cross in crosses:
        if cross.name in names:
            raise InvalidDataError(
                f"dataset.crosses: {cross.name!r} is the name of a column too; rename the cross"
            )
        for column in cross.columns:
            if column not in names:
                raise InvalidDataError(
                    f"dataset.crosses: {cross.name!r} combines {column!r}, which is not in the "
                    f"data; its columns are {list_columns(names)}"
                )
            if kinds.get(column) in ("Ignored", "Numeric"):
                raise InvalidDataError(
                    f"dataset.crosses: {cross.name!r} combines {column!r}, which dataset.columns "
                    f"sets to {kinds[column]}; set it to Categorical or take it out of the cross"
                )
            crossed.setdefault(column, cross.name)
    return crossed


def infer_crosses(
    columns: Columns, codes: Mapping[str, Codes], prices: np.ndarray[Any, Any]
) -> list[Cross]:
    """Crosses in the spirit of the seed, from the training part.

    1. An address: where a column lies inside others (a quarter in its district, in its city),
       they are joined, because quarters of different districts share names.
    2. The place (the finest of those outer columns, or else the column that says most about the
       price) with each of the two columns that have most categories of the rest, as the seed's
       district with heating type and with floor.

    Args:
        columns: the inputs.
        codes: name → (rows,) category of each row, for the columns that are not numeric.
        prices: (rows,).

    """
    sizes = {name: len(np.unique(values)) for name, values in codes.items()}
    small = [c.name for c in columns.inputs if c.kind == "Categorical"]
    inner, outer = _hierarchy(codes, sizes, small)
    taken = {*(column.name for column in columns.inputs), *columns.ignored}
    crosses: list[Cross] = []
    if inner and not _determined(codes[inner], codes[outer[-1]]):
        crosses.append(_cross([*outer, inner], taken))
    places = [name for name in small if sizes[name] >= PLACE_CATEGORIES]
    if not places:
        return crosses
    ranks = np.argsort(np.argsort(prices)).astype(np.float64)
    place = outer[-1] if outer else max(places, key=lambda name: _explained(codes[name], ranks))
    partners = sorted(
        (
            name
            for name in small
            if name not in (*outer, inner, place) and sizes[name] >= PARTNER_CATEGORIES
        ),
        key=lambda name: -sizes[name],
    )
    crosses += [_cross([place, partner], taken) for partner in partners[:PARTNERS]]
    return crosses


def _hierarchy(
    codes: Mapping[str, Codes], sizes: Mapping[str, int], small: Sequence[str]
) -> tuple[str | None, list[str]]:
    """The finest column that lies inside others, and those from coarse to fine; at most three."""
    best: tuple[str | None, list[str]] = (None, [])
    for inner in sorted(codes, key=lambda name: sizes[name]):
        outer = [
            name
            for name in small
            if name != inner
            and 2 <= sizes[name] <= sizes[inner] / 2
            and _nesting(codes[inner], codes[name]) >= NESTED
        ]
        if any(sizes[name] >= PLACE_CATEGORIES for name in outer):
            best = (inner, sorted(outer, key=lambda name: sizes[name])[-3:])
    return best


def _nesting(inner: Codes, outer: Codes) -> float:
    """Goodman and Kruskal's lambda, with each row guessed from the other rows of its category.

    Leaving the row itself out keeps a column of many rare categories from looking like a key.
    0 when most categories occur once.
    """
    table = _table(inner, outer)
    totals = table.sum(axis=1)
    others = int((totals - 1).sum())
    if others < len(inner) / 2:
        return 0.0
    right = (table.max(axis=1) - 1).sum() / others
    base = table.sum(axis=0).max() / len(inner)
    return float((right - base) / (1 - base)) if base < 1 else 0.0


def _explained(codes: Codes, ranks: np.ndarray[Any, Any]) -> float:
    """Share of the ranks' variance that lies between the categories (eta squared)."""
    counts = np.bincount(codes)
    means = np.bincount(codes, weights=ranks) / np.maximum(counts, 1)
    return float(np.sum(counts * (means - ranks.mean()) ** 2) / max(float(ranks.var()), 1e-12))


def _determined(inner: Codes, outer: Codes) -> bool:
    return bool(_table(inner, outer).max(axis=1).sum() >= DETERMINED * len(inner))


def _table(inner: Codes, outer: Codes) -> np.ndarray[Any, np.dtype[np.int64]]:
    rows, columns = int(inner.max()) + 1, int(outer.max()) + 1
    table = np.bincount(inner * columns + outer, minlength=rows * columns).reshape(rows, columns)
    present: np.ndarray[Any, np.dtype[np.int64]] = table[table.sum(axis=1) > 0]
    return present


def _cross(names: list[str], taken: set[str]) -> Cross:
    name = "_".join(names)[:120]
    while name in taken:
        name += "_"
    return Cross(name=name, columns=names)
