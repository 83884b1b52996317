"""Accuracy and macro F1 with their intervals: numbers in, numbers out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and the ends of its interval."""

    value: float
    lower: float
    upper: float


def wilson(right: float, rows: float, z: float) -> Interval:
    """Share right / rows with the score interval of Wilson (Probable inference, 1927).

    Args:
        right: rows that count; need not be whole.
        rows: over 0; effective rows (`clustering.design_effect`) where they come in clusters.
        z: standard normal quantile of the confidence, on each side.

    """
    share = right / rows
    centre = share + z**2 / (2 * rows)
    reach = z * math.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    scale = 1 + z**2 / rows
    return Interval(
        share,
        max(0.0, min(share, (centre - reach) / scale)),
        min(1.0, max(share, (centre + reach) / scale)),
    )


def difference(first: Interval, second: Interval) -> Interval:
    """Difference of two shares, first - second, with the interval of Newcombe's square-and-add method.

    It takes the ends of two independent intervals of one confidence and keeps that confidence
    (Newcombe, Interval estimation for the difference between independent proportions, 1998,
    method 10).
    """
    value = first.value - second.value
    return Interval(
        value,
        value - math.hypot(first.value - first.lower, second.upper - second.value),
        value + math.hypot(first.upper - first.value, second.value - second.lower),
    )


def macro_f1(confusion: NDArray[np.int64]) -> tuple[float, float]:
    """Macro F1 of a confusion matrix, and the variance of one row's part in it.

    F1 of class k is 2 c_kk / (row k + column k), and the macro average is over the classes that
    occur in truth or predictions, as on the holdout. The variance is the delta method's
    (Takahashi and others, Confidence interval for micro-averaged F1 and macro-averaged F1 scores,
    2022): divide it by the number of rows. It is taken with half a row added to each cell, so
    that a score of 0 or 1 has an interval too.

    Args:
        confusion: (classes, classes) rows by true and predicted class, at least one row.

    """
    occurring = confusion.sum(axis=0) + confusion.sum(axis=1) > 0
    value, _ = _f1(confusion.astype(np.float64), occurring)
    smooth = confusion.astype(np.float64) + 0.5
    _, gradient = _f1(smooth, occurring)
    shares = smooth / smooth.sum()
    mean = float((shares * gradient).sum())
    return value, float((shares * (gradient - mean) ** 2).sum())


def _f1(
    counts: NDArray[np.float64], occurring: NDArray[np.bool_]
) -> tuple[float, NDArray[np.float64]]:
    """Macro F1 over some classes, and its derivative by the share of each cell."""
    shares = counts / counts.sum()
    size = shares.sum(axis=0) + shares.sum(axis=1)
    size = np.where(size > 0, size, 1.0)
    scores = 2 * np.diag(shares) / size
    weight = occurring / occurring.sum()
    slope = -scores / size * weight
    gradient = slope[:, None] + slope[None, :] + np.diag(2 / size * weight)
    return float((scores * weight).sum()), gradient
