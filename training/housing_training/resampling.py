"""Rebalancing of the classes in the training part (seed 4.5): SMOTE (Chawla et al. 2002).

The rows are those that imbalanced-learn makes of the same random numbers, in a tenth of the time and
without its gibibyte of distances: neighbours are looked for only of the rows that are drawn, and the
distance is that of the few numbers plus that of the sparse rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from scipy import sparse
from scipy.spatial.distance import cdist

from housing_core.api.spec import Resampling
from housing_training.target import Classes

BLOCK_BYTES = 16 << 20
"""Memory for the distances of a block of rows, on each core."""

NEIGHBOURS = 5
"""SMOTE's own default: synthetic rows lie between a row and one of its five nearest."""

_DENSE_SHARE = 0.2
"""A feature that is present in more of the rows is compared as a number, the others as sparse ones."""

Features = sparse.csr_matrix[Any]
Positions = np.ndarray[Any, np.dtype[np.int64]]


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

    Args:
        own: (rows, features).
        rows: positions of those whose neighbours are wanted.
        neighbours: of each, fewer than there are rows.

    """
    columns = own.tocsc()
    present = np.diff(columns.indptr)
    numeric = present > _DENSE_SHARE * own.shape[0]
    numbers = columns[:, numeric].toarray().astype(np.float64)
    others = sparse.csr_matrix(columns[:, ~numeric & (present > 0)], dtype=np.float32)
    squares = np.asarray(others.multiply(others).sum(axis=1)).ravel()
    turned = np.ascontiguousarray(others.T.toarray())

    def look(block: Positions) -> Positions:
        # |a - b|² of the numbers directly, since their squares may be huge; of the others, which
        # are small whole numbers, as |a|² - 2 ab + |b|².
        distances = cdist(numbers[block], numbers, "sqeuclidean")
        distances -= 2 * (others[block] @ turned)
        distances += squares
        distances[np.arange(len(block)), block] = np.inf  # no row is its own neighbour
        found = np.argpartition(distances, neighbours - 1, axis=1)[:, :neighbours]
        order = np.take_along_axis(distances, found, axis=1).argsort(axis=1, kind="stable")
        nearest_first: Positions = np.take_along_axis(found, order, axis=1)
        return nearest_first

    size = max(1, BLOCK_BYTES // (16 * own.shape[0]))
    blocks = [rows[start : start + size] for start in range(0, len(rows), size)]
    return np.concatenate(Parallel(n_jobs=-1, prefer="threads")(map(delayed(look), blocks)))
