"""Rebalancing of the classes in the training part (seed 4.5): SMOTE (Chawla et al. 2002).

The rows are those that imbalanced-learn makes of the same random numbers, in a tenth of the time and
without its gibibyte of distances: neighbours are looked for only of the rows that are drawn, among
those that are near in one number, and the distance is that of the few numbers plus that of the
sparse rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from scipy import sparse
from scipy.spatial.distance import cdist

from housing_core.api.spec import Resampling
from housing_training.data.target import Classes

BLOCK_ROWS = 64
"""Rows whose neighbours are looked for together."""

STEP_ROWS = 512
"""Rows that they are held against at a time."""

NEIGHBOURS = 5
"""SMOTE's own default: synthetic rows lie between a row and one of its five nearest."""

_DENSE_SHARE = 0.2
"""A feature that is present in more of the rows is compared as a number, the others as sparse ones."""

Features = sparse.csr_matrix[Any]
Positions = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]

_NONE: Positions = np.empty(0, np.int64)


def plan_oversampling(counts: Sequence[int], max_ratio: float) -> dict[int, int]:
    """How many rows each class shall have: those of the largest, at most `max_ratio` × its own.

    Classes that stay as they are, and classes of one row, which has no neighbour, are left out.
    """
    largest = max(counts)
    plan = {label: min(largest, int(max_ratio * count)) for label, count in enumerate(counts)}
    return {
        label: rows for label, rows in plan.items() if counts[label] > 1 and rows > counts[label]
    }


def resample(
    features: Features, labels: Classes, settings: Resampling, seed: int
) -> tuple[Features, Classes, list[str]]:
    """Add synthetic rows to the smaller classes.

    Args:
        features: (rows, features) of the training part.
        labels: (rows,).
        settings: method and limit.
        seed: of the choice of rows and neighbours.

    Returns:
        Features and labels with the synthetic rows last, and messages.

    """
    if settings.method == "None":
        return features, labels, []
    counts = np.bincount(labels).tolist()
    messages = [
        f"class {label} has one row, so SMOTE cannot make more of it"
        for label, count in enumerate(counts)
        if count == 1
    ]
    more, names = [features], [labels]
    for label, rows in plan_oversampling(counts, settings.max_ratio).items():
        own = features[np.flatnonzero(labels == label)]
        more.append(synthetic_rows(own, rows - counts[label], seed))
        names.append(np.full(rows - counts[label], label, labels.dtype))
    return sparse.vstack(more, format="csr"), np.concatenate(names), messages


def synthetic_rows(own: Features, count: int, seed: int) -> Features:
    """Rows between a row of a class and one of its nearest.

    Args:
        own: (rows, features) of the class, two rows or more.
        count: of the rows to make.
        seed: of the choice; the same as that of imbalanced-learn's `random_state`.

    """
    neighbours = min(NEIGHBOURS, own.shape[0] - 1)
    chance = np.random.RandomState(seed)
    drawn = chance.randint(0, own.shape[0] * neighbours, count)
    steps = chance.uniform(size=count)
    base, which = np.divmod(drawn, neighbours)
    rows, at = np.unique(base, return_inverse=True)
    towards = own[nearest(own, rows, neighbours)[at, which]]
    made = own[base] + sparse.diags_array(steps).tocsr() @ (towards - own[base])
    return sparse.csr_matrix(made.astype(own.dtype))


def nearest(own: Features, rows: Positions, neighbours: int) -> Positions:
    """(len(rows), neighbours) positions of the rows that are nearest to `rows`, nearest first.

    Exact: the class is ordered by the number that varies most, and each row is held against others
    from its own place outwards, until that number alone is further away than what was found.

    Args:
        own: (rows, features).
        rows: distinct positions of those whose neighbours are wanted.
        neighbours: of each, fewer than there are rows.

    """
    columns = own.tocsc()
    present = np.diff(columns.indptr)
    numeric = present > _DENSE_SHARE * own.shape[0]
    numbers = columns[:, numeric].toarray().astype(np.float64)
    first = np.zeros(own.shape[0])
    if numeric.any():
        first = numbers[:, np.ptp(np.quantile(numbers, [0.1, 0.9], axis=0), axis=0).argmax()]
    order = np.argsort(first, kind="stable")
    others = sparse.csr_matrix(columns[:, ~numeric & (present > 0)], dtype=np.float32)
    ordered = _Ordered(first[order], numbers[order], others[order])
    is_wanted = np.zeros(own.shape[0], bool)
    is_wanted[rows] = True
    wanted = np.flatnonzero(is_wanted[order])
    blocks = [wanted[start : start + BLOCK_ROWS] for start in range(0, len(wanted), BLOCK_ROWS)]
    look = delayed(ordered.nearest)
    found = Parallel(n_jobs=-1, prefer="threads")(look(block, neighbours) for block in blocks)
    nearest_of = np.empty((own.shape[0], neighbours), np.int64)
    nearest_of[order[wanted]] = order[np.concatenate(found)]
    return nearest_of[rows]


@dataclass(frozen=True)
class _Ordered:
    """The rows of a class in the order of one of their numbers.

    Attributes:
        first: (rows,) that number, rising.
        numbers: (rows, numbers), `first` among them.
        others: (rows, other features), small whole numbers, most of them zero.

    """

    first: Floats
    numbers: Floats
    others: Features

    def nearest(self, block: Positions, neighbours: int) -> Positions:
        """(len(block), neighbours) the nearest of rows that stand close to each other."""
        squares = np.full((len(block), neighbours), np.inf)
        found = np.zeros((len(block), neighbours), np.int64)
        rows = len(self.first)
        low = high = int(block[len(block) // 2])
        while True:
            # What the first number alone adds to the distance of all rows from here on.
            below = above = _NONE
            if low > 0:
                gap = np.maximum(self.first[block] - self.first[low - 1], 0)
                below = np.flatnonzero(gap**2 < squares[:, -1])
            if high < rows:
                gap = np.maximum(self.first[high] - self.first[block], 0)
                above = np.flatnonzero(gap**2 < squares[:, -1])
            if not len(below) and not len(above):
                return found
            for which, start, end in (
                (below, max(0, low - STEP_ROWS), low),
                (above, high, min(rows, high + STEP_ROWS)),
            ):
                if len(which):
                    distances = self._distances(block[which], start, end)
                    _keep_nearest(squares, found, which, distances, start)
            low = max(0, low - STEP_ROWS) if len(below) else low
            high = min(rows, high + STEP_ROWS) if len(above) else high

    def _distances(self, block: Positions, start: int, end: int) -> Floats:
        """(len(block), end - start) squared distances; of a row to itself infinite.

        |a - b|² of the numbers directly, since their squares may be huge; of the others, which are
        small whole numbers, as |a|² - 2 ab + |b|².
        """
        own, compared = self.others[block], self.others[start:end]
        distances = cdist(self.numbers[block], self.numbers[start:end], "sqeuclidean")
        distances -= 2 * (compared @ own.T.toarray()).T
        distances += _squares(own)[:, np.newaxis] + _squares(compared)
        itself = np.flatnonzero((start <= block) & (block < end))
        distances[itself, block[itself] - start] = np.inf
        return distances


def _squares(rows: Features) -> Floats:
    return np.asarray(rows.multiply(rows).sum(axis=1), np.float64).ravel()


def _keep_nearest(
    squares: Floats, found: Positions, which: Positions, distances: Floats, start: int
) -> None:
    """Let rows that are nearer take the places of those in `squares` and `found`."""
    neighbours = squares.shape[1]
    every = np.hstack([squares[which], distances])
    at = np.broadcast_to(np.arange(start, start + distances.shape[1]), distances.shape)
    places = np.hstack([found[which], at])
    nearest = np.argpartition(every, neighbours - 1, axis=1)[:, :neighbours]
    order = np.take_along_axis(every, nearest, axis=1).argsort(axis=1, kind="stable")
    nearest = np.take_along_axis(nearest, order, axis=1)
    squares[which] = np.take_along_axis(every, nearest, axis=1)
    found[which] = np.take_along_axis(places, nearest, axis=1)
