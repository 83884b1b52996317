"""How far a score could be off by the luck of the holdout: bootstrap intervals, and DeLong's for AUC.

Resampling rows with replacement resamples the counts of the confusion matrix from a multinomial
distribution (Efron and Tibshirani 1993, 6), so that 1,000 resamples of any number of rows take
milliseconds. Rows are taken as independent: homes of one group are less so than this assumes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import norm, rankdata

from housing_core.bundle import Interval
from housing_training.data.target import Classes

RESAMPLES = 1000
LEVEL = 0.95

Floats = np.ndarray[Any, np.dtype[np.float64]]
Counts = np.ndarray[Any, Any]


def confusion_counts(truth: Classes, predicted: Classes, classes: int) -> Counts:
    """(classes, classes) rows of each true class (first) that were given each class (second)."""
    return np.bincount(truth * classes + predicted, minlength=classes**2).reshape(classes, classes)


def class_scores(matrices: Counts | list[list[int]]) -> dict[str, Floats]:
    """Precision, recall and F1 of each class; 0 where a class is neither predicted nor there.

    Args:
        matrices: (..., classes, classes) confusion counts.

    Returns:
        Each (..., classes).

    """
    matrices = np.asarray(matrices)
    right = np.diagonal(matrices, axis1=-2, axis2=-1)
    there, given = matrices.sum(axis=-1), matrices.sum(axis=-2)
    return {
        "precision": right / np.maximum(given, 1),
        "recall": right / np.maximum(there, 1),
        "f1": 2 * right / np.maximum(there + given, 1),
    }


def matrix_scores(matrices: Counts) -> dict[str, Floats]:
    """Accuracy and the macro averages, over the classes that occur in truth or predictions.

    Args:
        matrices: (..., classes, classes) confusion counts.

    Returns:
        Each (...).

    """
    occurs = matrices.sum(axis=-1) + matrices.sum(axis=-2) > 0
    by_class = class_scores(matrices)

    def macro(name: str) -> Floats:
        averages: Floats = (by_class[name] * occurs).sum(axis=-1) / occurs.sum(axis=-1)
        return averages

    right = np.diagonal(matrices, axis1=-2, axis2=-1).sum(axis=-1)
    return {
        "accuracy": right / matrices.sum(axis=(-2, -1)),
        "macro_f1": macro("f1"),
        "precision": macro("precision"),
        "recall": macro("recall"),
    }


def resampled(counts: Counts, seed: int) -> Counts:
    """(RESAMPLES, *counts.shape) counts of as many rows, drawn with replacement."""
    rows = int(counts.sum())
    drawn = np.random.default_rng(seed).multinomial(rows, counts.ravel() / rows, size=RESAMPLES)
    return drawn.reshape(RESAMPLES, *counts.shape)


def score_intervals(matrix: Counts, seed: int) -> dict[str, Interval]:
    """95 % percentile intervals of what `matrix_scores` gives, from the confusion counts."""
    return {
        name: percentiles(values) for name, values in matrix_scores(resampled(matrix, seed)).items()
    }


def class_intervals(matrix: Counts, seed: int) -> dict[str, list[Interval]]:
    """The same for what `class_scores` gives: name → one interval a class."""
    return {
        name: [percentiles(column) for column in values.T]
        for name, values in class_scores(resampled(matrix, seed)).items()
    }


def difference_interval(
    truth: Classes, first: Classes, second: Classes, classes: int, seed: int
) -> tuple[float, Interval]:
    """Macro F1 of one model minus that of another on the same rows, with its interval.

    Args:
        truth: (rows,) class index.
        first: (rows,) class index that the first model gives.
        second: (rows,) of the second.
        classes: number of classes.
        seed: of the resampling.

    """
    cells = np.bincount((truth * classes + first) * classes + second, minlength=classes**3)
    counts = cells.reshape(classes, classes, classes)

    def difference(counts: Counts) -> Floats:
        return (
            matrix_scores(counts.sum(axis=-1))["macro_f1"]
            - matrix_scores(counts.sum(axis=-2))["macro_f1"]
        )

    return float(difference(counts)), percentiles(difference(resampled(counts, seed)))


def ahead_interval(
    own: tuple[Classes, Classes],
    other: tuple[Classes, Classes],
    classes: tuple[int, int],
    seed: int,
) -> tuple[float, Interval]:
    """Macro F1 of one model minus another's where each has its own classes of the same rows.

    Args:
        own: (rows,) class index that is true, and the one that the first model gives.
        other: the same of the second.
        classes: number of classes of each.
        seed: of the resampling.

    """
    first, second = classes
    cells = np.ravel_multi_index((*own, *other), (first, first, second, second))
    # Most of up to ten thousand combinations never occur.
    occurring, counts = np.unique(cells, return_counts=True)
    sides = np.unravel_index(occurring, (first, first, second, second))

    def difference(counts: Counts) -> Floats:
        return _macro_f1_of(counts, sides[:2], first) - _macro_f1_of(counts, sides[2:], second)

    return float(difference(counts)), percentiles(difference(resampled(counts, seed)))


def _macro_f1_of(counts: Counts, pair: Sequence[Classes], classes: int) -> Floats:
    """Macro F1 of (..., combinations) rows that have this (true, given) pair of classes."""
    places = np.eye(classes**2, dtype=np.int64)[pair[0] * classes + pair[1]]
    return matrix_scores((counts @ places).reshape(*counts.shape[:-1], classes, classes))[
        "macro_f1"
    ]


def auc_interval(truth: Classes, probabilities: Floats) -> Interval | None:
    """95 % interval of the macro one-versus-rest ROC-AUC, by DeLong's variance (1988).

    Args:
        truth: (rows,) class index.
        probabilities: (rows, classes).

    Returns:
        None unless every class occurs, and some row is of another class.

    """
    classes = probabilities.shape[1]
    counts = np.bincount(truth, minlength=classes)
    if counts.min() == 0:
        return None
    # The part of each row in the mean over the classes; positives and negatives vary apart.
    areas = []
    parts = np.zeros((len(truth), classes))
    for label in range(classes) if classes > 2 else (1,):
        positive = truth == label
        values = probabilities[:, label]
        ranks = rankdata(values)
        above = ranks[positive] - rankdata(values[positive])
        below = ranks[~positive] - rankdata(values[~positive])
        negatives, positives = int((~positive).sum()), int(positive.sum())
        parts[positive, label] = above / negatives
        parts[~positive, label] = 1 - below / positives
        areas.append(float(parts[positive, label].mean()))
    area = float(np.mean(areas))
    influence = np.zeros(len(truth))
    for label in range(classes) if classes > 2 else (1,):
        positive = truth == label
        for side in (positive, ~positive):
            values = parts[side, label]
            influence[side] += (values - values.mean()) / side.sum() / len(areas)
    spread = float(norm.ppf(0.5 + LEVEL / 2) * np.sqrt(np.sum(influence**2)))
    return Interval(low=max(0.0, area - spread), high=min(1.0, area + spread))


def percentiles(values: Floats) -> Interval:
    """The middle 95 % of what resamples give."""
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(low=float(low), high=float(high))
