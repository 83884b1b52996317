"""What `inputs.onnx` computes, of few rows: a call of a graph takes longer than their few lookups."""

from __future__ import annotations

from math import isnan
from pathlib import Path

import mmh3
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from housing_core import listed_inputs
from housing_core.bundle import LISTED_FILE, BundleError
from housing_serving.inference.encoding import Columns

FEW_ROWS = 8
"""Of more, the graph takes less time."""


class ListedInputs:
    """The positions and values that a forest over hashed features is given."""

    def __init__(self, listed: listed_inputs.ListedInputs) -> None:
        """Look up the signs.

        Raises:
            BundleError: when a position is none.

        """
        try:
            self._read(listed)
        except IndexError as error:
            raise BundleError(f"{LISTED_FILE} has a position without a sign") from error

    def _read(self, listed: listed_inputs.ListedInputs) -> None:
        def signed(position: int) -> tuple[int, int]:
            return position, listed.signs[position]

        self._numbers = [
            (number.input, number.median, *signed(number.position)) for number in listed.numbers
        ]
        self._indicators = [
            (number.input, *signed(number.missing_position))
            for number in listed.numbers
            if number.missing_position is not None
        ]
        self._categories = [
            (category.input, {text: signed(at) for text, at in category.positions.items()})
            for category in listed.categories
        ]
        self._hashes = [(f"{item.name}=", item.inputs) for item in listed.hashes]
        self._buckets = {bucket: signed(at) for bucket, at in listed.bucket_positions.items()}
        self._count = listed.buckets
        self._separator = listed.separator
        self._unseen = signed(listed.unseen)

    def of(self, columns: Columns) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Positions and values, each of shape (rows, count), as `inputs.onnx` gives them."""
        where: list[int] = []
        what: list[float] = []
        for name, median, at, sign in self._numbers:
            for value in columns[name]:
                where.append(at)
                what.append(sign * (median if isnan(value) else value))
        for name, at, sign in self._indicators:
            for value in columns[name]:
                where.append(at)
                what.append(sign if isnan(value) else 0)
        for name, places in self._categories:
            for value in columns[name]:
                at, sign = places.get(value, self._unseen)
                where.append(at)
                what.append(sign)
        for name, parts in self._hashes:
            for texts in zip(*(columns[part] for part in parts), strict=True):
                number = mmh3.hash(name + self._separator.join(texts))
                at, sign = self._buckets.get(abs(number) % self._count, self._unseen)
                where.append(at)
                what.append(-sign if number < 0 else sign)
        # One list for each feature, which the trees want for each row.
        rows = len(next(iter(columns.values())))
        return (
            np.array(where, np.int64).reshape(-1, rows).T,
            np.array(what, np.float32).reshape(-1, rows).T,
        )


def read_listed_inputs(folder: Path) -> ListedInputs | None:
    """The lists of a bundle; None where it has none.

    Raises:
        BundleError: when they cannot be read.

    """
    path = folder / LISTED_FILE
    if not path.exists():
        return None
    try:
        listed = listed_inputs.ListedInputs.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise BundleError(f"{path.name} cannot be read: {error}") from error
    return ListedInputs(listed)
