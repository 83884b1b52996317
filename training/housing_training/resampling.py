"""Rebalancing of the classes in the training part (seed 4.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import sklearn
from imblearn.over_sampling import SMOTE
from scipy import sparse

from housing_core.api.spec import Resampling
from housing_training.target import Classes

DISTANCES_MIB = 64
"""Memory for the distances between rows; scikit-learn would take 1 GiB, more than all the rest."""

NEIGHBOURS = 5
"""SMOTE's own default: synthetic rows lie between a row and one of its five nearest."""


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
    features: sparse.csr_matrix[Any], labels: Classes, settings: Resampling, seed: int
) -> tuple[sparse.csr_matrix[Any], Classes, list[str]]:
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
    plan = plan_oversampling(counts, settings.max_ratio)
    messages = [
        f"class {label} has one row, so SMOTE cannot make more of it"
        for label, count in enumerate(counts)
        if count == 1
    ]
    with sklearn.config_context(working_memory=DISTANCES_MIB):
        for neighbours, targets in _by_neighbours(plan, counts).items():
            features, labels = SMOTE(
                sampling_strategy=targets, k_neighbors=neighbours, random_state=seed
            ).fit_resample(features, labels)
    return features, labels, messages


def _by_neighbours(plan: dict[int, int], counts: Sequence[int]) -> dict[int, dict[int, int]]:
    """Classes by the number of neighbours that their rows can have."""
    groups: dict[int, dict[int, int]] = {}
    for label, rows in plan.items():
        groups.setdefault(min(NEIGHBOURS, counts[label] - 1), {})[label] = rows
    return groups
