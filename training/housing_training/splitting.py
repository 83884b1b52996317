"""Which rows are the same, and which side of the split each is on, for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from housing_core.cleaning import normalise_text
from housing_training.reading import cells

Hashes = np.ndarray[Any, np.dtype[np.uint64]]


@dataclass(frozen=True, slots=True)
class RowHashes:
    """Two 64-bit hashes of each row.

    Attributes:
        identity: (rows,) of every content cell; equal for the same row.
        side: (rows,) of every content cell but the target, so that one home that was listed at
            two prices is never on both sides.

    """

    identity: Hashes
    side: Hashes


def hash_rows(frame: pd.DataFrame, columns: Iterable[str], target: str) -> RowHashes:
    """Hash the content of rows.

    The hash of a row is the sum of the hashes of its cells (BLAKE2b of column name and text),
    mixed. It therefore depends on neither the order of columns nor on other rows, and a column
    that is added later changes only the rows that have a value in it.

    Args:
        frame: `Listings.frame`.
        columns: the content columns, the target among them or not.
        target: the column that decides nothing about the side.

    """
    side = np.zeros(len(frame), np.uint64)
    for column in columns:
        if column != target:
            side += _cell_hashes(frame, column)
    return RowHashes(identity=_mix(side + _cell_hashes(frame, target)), side=_mix(side))


def first_of_each(identity: Hashes) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """(rows,) whether no earlier row is the same."""
    kept = np.zeros(len(identity), bool)
    kept[np.unique(identity, return_index=True)[1]] = True
    return kept


def is_holdout(side: Hashes, fraction: float) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """(rows,) whether a row is kept for evaluation; a smaller fraction keeps a subset of the rows."""
    return side / np.float64(2**64) < fraction


def _cell_hashes(frame: pd.DataFrame, column: str) -> Hashes:
    column_cells = cells(frame, column)
    hashes = np.zeros(len(column_cells.texts) + 1, np.uint64)  # the last stands for no text
    for position, text in enumerate(column_cells.texts):
        content = normalise_text(text)
        if content:
            cell = f"{column}\x1f{content}".encode("utf-8", "surrogatepass")
            hashes[position] = int.from_bytes(hashlib.blake2b(cell, digest_size=8).digest())
    found: Hashes = hashes[column_cells.codes]
    return found


def _mix(value: Hashes) -> Hashes:
    """The finaliser of splitmix64: every bit of the sum decides about every bit of the hash."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
