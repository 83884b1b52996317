"""Which rows are the same, and which side of the split each is on, for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from housing_core.cleaning import normalise_text
from housing_training.data.reading import cells

Hashes = np.ndarray[Any, np.dtype[np.uint64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]

RELISTED_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class RowHashes:
    """Two 64-bit hashes of each row.

    Attributes:
        identity: (rows,) of every content cell: equal for the same row, and what decides its side.
        features: (rows,) of every content cell but the target: equal for one home at two prices.

    """

    identity: Hashes
    features: Hashes


def hash_rows(frame: pd.DataFrame, columns: Iterable[str], target: str) -> RowHashes:
    """Hash the content of rows.

    The hash of a row is the sum of the hashes of its cells (BLAKE2b of column name and text),
    mixed. It therefore depends on neither the order of columns nor on other rows, and a column
    that is added later changes only the rows that have a value in it.

    Args:
        frame: `Listings.frame`.
        columns: the content columns, the target among them or not.
        target: the price column.

    """
    features = np.zeros(len(frame), np.uint64)
    for column in columns:
        if column != target:
            features += _cell_hashes(frame, column)
    return RowHashes(_mix(features + _cell_hashes(frame, target)), _mix(features))


def rows_digest(identity: Hashes) -> str:
    """32 hexadecimal digits of the content of rows, whatever their order and files."""
    return hashlib.sha256(np.sort(identity).tobytes()).hexdigest()[:32]


def first_of_each(identity: Hashes) -> Mask:
    """(rows,) whether no earlier row is the same."""
    kept = np.zeros(len(identity), bool)
    kept[np.unique(identity, return_index=True)[1]] = True
    return kept


def is_holdout(identity: Hashes, fraction: float) -> Mask:
    """(rows,) whether a row is kept for evaluation; a smaller fraction keeps a subset of the rows."""
    return identity / np.float64(2**64) < fraction


def group_hashes(frame: pd.DataFrame, column: str, identity: Hashes) -> Hashes:
    """(rows,) hash of each row's group, which decides its side; a row without one is its own group.

    Args:
        frame: `Listings.frame`.
        column: that names the group.
        identity: (rows,) of `RowHashes`.

    """
    groups = _cell_hashes(frame, column)
    return np.where(groups == 0, identity, _mix(groups))


def newest(times: np.ndarray[Any, np.dtype[np.float64]], fraction: float) -> Mask:
    """(rows,) the newest share of the rows; rows of one time stay together, the older side wins.

    Args:
        times: (rows,) rising with time; NaN for a row without one, which is never held out.
        fraction: share of the rows that is held out, at most.

    """
    known = np.sort(times[~np.isnan(times)])
    if len(known) == 0:
        return np.zeros(len(times), bool)
    cut = known[max(0, len(known) - 1 - int(fraction * len(known)))]
    held: Mask = times > cut
    return held


def relisted(features: Hashes, holdout: Mask) -> Mask:
    """(rows,) holdout rows that equal a row of the training part in all but the price.

    They are mostly one home listed again, whose class training would know by heart. Where they are
    more than a tenth of the holdout, the columns are too coarse to tell homes apart; such rows are
    then different homes, and none is marked.
    """
    found = holdout & np.isin(features, features[~holdout])
    if found.sum() > RELISTED_SHARE * holdout.sum():
        return np.zeros(len(found), bool)
    return found


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
