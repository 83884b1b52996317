"""Which rows a version learned from, so that a later one can tell them among its own."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from housing_core.api.spec import Dataset
from housing_training.data.columns import content_columns
from housing_training.data.preparation import Rows
from housing_training.data.reading import Listings
from housing_training.data.splitting import Hashes, Mask, hash_rows

LEARNED_ARTIFACT = "learned.npz"
"""In each run, as `LearnedRows.to_bytes` writes it."""


@dataclass(frozen=True)
class LearnedRows:
    """The training part of a version, whatever rule had dealt the sides.

    Attributes:
        identity: sorted hashes of its rows.
        columns: whose cells were hashed; another spec may hash others.
        target: the price column then.

    """

    identity: Hashes
    columns: Sequence[str]
    target: str

    @classmethod
    def of(cls, rows: Rows, dataset: Dataset) -> LearnedRows:
        """Those of a dataset that was prepared."""
        target = dataset.target.column
        columns = content_columns(list(rows.listings.frame.columns), target, dataset.columns)
        return cls(rows.identity[rows.training], columns, target)

    def among(self, listings: Listings) -> Mask:
        """(rows,) whether a row was learned from; all of them when that cannot be told.

        It cannot when a column is gone from the data: no row has the hash then that it had.
        """
        frame = listings.frame
        if not {*self.columns, self.target} <= set(frame.columns):
            return np.ones(len(frame), bool)
        hashes = hash_rows(frame, self.columns, self.target).identity
        found: Mask = np.isin(hashes, self.identity)
        return found

    def to_bytes(self) -> bytes:
        """For `from_bytes`: NumPy's own format."""
        content = io.BytesIO()
        np.savez(
            content,
            identity=np.sort(self.identity),
            columns=np.array(self.columns, dtype=np.str_),
            target=np.array(self.target),
        )
        return content.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> LearnedRows:
        """What `to_bytes` wrote."""
        with np.load(io.BytesIO(content), allow_pickle=False) as found:
            return cls(found["identity"], found["columns"].tolist(), str(found["target"]))
