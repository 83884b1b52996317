"""The trees of a bundle, walked by a small library of our own (`serving/native`).

ONNX Runtime's operator follows one row through one tree at a time, in nodes several times as large.
What comes before the trees stays with ONNX Runtime; what comes behind them is a few lines.
"""

from __future__ import annotations

import ctypes
import platform
import threading
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from housing_core.bundle import TREES_FILE, BundleError

BLOCK_ROWS = 32
"""As in trees.c."""

_AHEAD = 8
"""Nodes that trees.c reads at once, the last of them perhaps behind the end."""

LIBRARY = Path(__file__).parents[1] / "native" / f"trees-{platform.machine()}.so"

_NODE = np.dtype([("column", np.uint16), ("least", np.uint16), ("jump", np.int32)])
_ARRAYS: Mapping[str, type] = {
    "roots": np.int32,
    "first_sums": np.int32,
    "leaf_values": np.float64,
    "thresholds": np.float64,
    "threshold_starts": np.int32,
    "sources": np.int32,
    "missing_over": np.uint8,
}


class _Trees(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("nodes", *_ARRAYS, "zero_ranks")),
        ("divisor", ctypes.c_double),
        *((name, ctypes.c_int32) for name in ("trees", "width", "sums", "columns")),
    ]


class _Room(threading.local):
    """What the library works in; each thread has its own."""

    def __init__(self, trees: int, columns: int, *, sparse: bool) -> None:
        self._arrays: list[NDArray[Any]] = [
            *([np.zeros(columns, np.float32)] if sparse else []),
            np.empty(BLOCK_ROWS * columns, np.uint16),
            np.empty(BLOCK_ROWS * trees, np.int32),
        ]
        self.pointers = [_pointer(array) for array in self._arrays]


class Trees:
    """All trees of a model; several threads may ask.

    Attributes:
        is_sparse: whether a row is given as positions and values, or else as all features.
        classes: how many it tells apart.

    """

    def __init__(self, content: Mapping[str, NDArray[Any]], library: ctypes.CDLL) -> None:
        """Check that no walk can leave the arrays.

        Args:
            content: what `trees.npz` holds.

        Raises:
            BundleError: when one could, or an array is missing.

        """
        try:
            parts: dict[str, NDArray[Any]] = {
                name: np.ascontiguousarray(content[name], kind) for name, kind in _ARRAYS.items()
            }
            nodes = _nodes(content)
            self.is_sparse = bool(content["is_sparse"])
            divisor = float(content["divisor"])
            _check(nodes[: 1 - _AHEAD], parts)
            self.classes = int(parts["first_sums"].max()) + parts["leaf_values"].shape[1]
            self._baseline = _row(content, "baseline", self.classes)
            shifts = _row(content, "calibration_shifts", self.classes)
            self._factors = None if shifts is None else np.exp(shifts - shifts.max())
            if self._factors is not None:
                self._scale = float(content["calibration_scale"])
                self._floor = float(content["calibration_floor"])
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise BundleError(f"{TREES_FILE} does not hold trees: {error}") from error
        trees, columns = len(parts["roots"]), len(parts["sources"])
        self._features = int(parts["sources"].max()) + 1
        starts = parts["threshold_starts"]
        zero_ranks = [
            np.searchsorted(parts["thresholds"][start:end], 0.0) for start, end in pairwise(starts)
        ]
        self._arrays = [nodes, *parts.values(), np.array(zero_ranks, np.uint16)]  # kept alive
        self._trees = _Trees(
            *(array.ctypes.data for array in self._arrays),
            divisor,
            *(trees, parts["leaf_values"].shape[1], self.classes, columns),
        )
        self._reference = ctypes.byref(self._trees)
        self._room = _Room(trees, columns, sparse=self.is_sparse)
        self._answer = library.answer_positions if self.is_sparse else library.answer_features

    def answer(
        self, given: Sequence[NDArray[Any]]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Classify rows.

        Args:
            given: positions, (rows, count) int64, and values, (rows, count) float32, when
                `is_sparse`; else features, (rows, features) float32.

        Returns:
            Class of each row, and probabilities, (rows, classes).

        Raises:
            BundleError: when the rows do not fit the trees.

        """
        sums = self._sums(given)
        if self._baseline is not None:
            sums = _softmax(sums + self._baseline)
        labels = sums.argmax(axis=1)
        if self._factors is not None:
            # As `Calibration.apply` of training, whose softmax has the logarithms of these.
            sums = np.maximum(sums, self._floor) ** self._scale * self._factors
            sums /= sums.sum(axis=1, keepdims=True)
        return labels, sums.astype(np.float32)

    def _sums(self, given: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
        rows, count = given[0].shape
        kinds = (np.int64, np.float32) if self.is_sparse else (np.float32,)
        arrays = [
            np.ascontiguousarray(values, kind) for values, kind in zip(given, kinds, strict=True)
        ]
        if arrays[-1].shape != (rows, count) or not (self.is_sparse or count >= self._features):
            raise BundleError(f"{TREES_FILE} does not fit rows of {count} features")
        sums = np.empty((rows, self.classes))
        wrong = self._answer(
            self._reference,
            *map(_pointer, arrays),
            ctypes.c_int64(rows),
            ctypes.c_int64(count),
            *self._room.pointers,
            _pointer(sums),
        )
        if wrong:
            raise BundleError(f"{TREES_FILE} has no place for what a row is given")
        return sums


def open_library() -> ctypes.CDLL | None:
    """The library; None where it was not built, or not for this machine."""
    try:
        return ctypes.CDLL(str(LIBRARY))
    except OSError:
        return None


def read_trees(path: Path, library: ctypes.CDLL) -> Trees:
    """Read the trees of a bundle.

    Raises:
        BundleError: when the file cannot be read or does not hold trees.

    """
    try:
        with np.load(path, allow_pickle=False) as content:
            arrays = dict(content)
    except Exception as error:  # zipfile's, zlib's and numpy's errors share no narrower class
        raise BundleError(f"{path.name} cannot be read: {error}") from error
    return Trees(arrays, library)


def _pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    exponents = np.exp(values - values.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = exponents / exponents.sum(axis=1, keepdims=True)
    return shares


def _nodes(content: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """The nodes as trees.c has them: with the least rank that jumps, which in leaves is any."""
    count = len(content["jumps"])
    nodes = np.empty(count + _AHEAD - 1, _NODE)
    nodes[count:] = 0
    there = nodes[:count]
    there["column"], there["jump"] = content["columns"], content["jumps"]
    there["least"] = content["ranks"] + np.uint16(1)
    there["least"][there["jump"] < 0] = 0
    return nodes


def _row(
    content: Mapping[str, NDArray[Any]], name: str, classes: int
) -> NDArray[np.float64] | None:
    """One number a class, where there are any."""
    if name not in content:
        return None
    values = np.asarray(content[name], np.float64)
    if values.shape != (classes,):
        raise ValueError(f"{name} has the shape {values.shape} for {classes} classes")
    return values


def _check(nodes: NDArray[Any], parts: Mapping[str, NDArray[Any]]) -> None:
    """Every walk goes forward and ends at a leaf, and every number stands for something."""
    columns, trees = len(parts["sources"]), len(parts["roots"])
    leaves, width = parts["leaf_values"].shape
    starts, jumps = parts["threshold_starts"], nodes["jump"].astype(np.int64)
    inner = np.flatnonzero(jumps >= 0)
    roots, first_sums = parts["roots"], parts["first_sums"]
    right = {
        "columns": columns > 0 and len(starts) == columns + 1 == len(parts["missing_over"]) + 1,
        "sources": (parts["sources"] >= 0).all(),
        "thresholds": starts[0] == 0
        and starts[-1] == len(parts["thresholds"])
        and (np.diff(starts) >= 0).all(),
        "nodes": len(nodes) > 0 and jumps[-1] < 0 and (nodes["column"] < columns).all(),
        "jumps": (jumps[inner] > 0).all() and (inner + jumps[inner] < len(nodes)).all(),
        "leaves": width > 0 and (-1 - jumps[jumps < 0] < leaves).all(),
        "roots": trees > 0 and (roots >= 0).all() and (roots < len(nodes)).all(),
        "sums": len(first_sums) == trees and (first_sums >= 0).all(),
    }
    wrong = [name for name, holds in right.items() if not holds]
    if wrong:
        raise ValueError(f"its {wrong[0]} are damaged")
