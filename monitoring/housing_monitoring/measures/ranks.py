"""Whether the bins of a feature confirm that its spread or skewness moved. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

_POLYNOMIALS = {2: lambda u: (3 * u**2 - 1) / 2, 3: lambda u: (5 * u**3 - 3 * u) / 2}
"""Legendre's, on -1 to 1."""


def rank_shift(
    reference: Sequence[float],
    window: Sequence[float],
    order: Literal[2, 3],
    effect: float = 1.0,
) -> float:
    """How many standard errors the ranks of a feature moved, in spread (2) or skewness (3).

    Moments hang on the farthest values: with heavy tails, as of Student's t with 3 degrees of
    freedom, one row decides the skewness of a window and no standard error of it holds. Ranks
    have no tails. A bin with share r of the reference and share c below it has the mean rank
    u = 2 c + r - 1, from -1 to 1, and the score s, Legendre's polynomial of that order of u. The
    shift is |sum (w - r) s| / sqrt(v (effect/n + 1/m)), with w the shares of the window and v the
    variance of s in the reference. These are the components of Neyman's smooth test (Neyman,
    Smooth test for goodness of fit, 1937) that stand for spread and for skewness (Rayner and
    Best, Smooth Tests of Goodness of Fit, 1989); without drift they are standard normal, whatever
    the distribution.

    Args:
        reference: rows of each bin of numbers, in their order, m in all.
        window: rows of each bin, n in all.
        order: 2 for spread, 3 for skewness.
        effect: `clustering.design_effect` of the window.

    Returns:
        0 where a side is empty or the bins cannot differ.

    """
    m, n = sum(reference), sum(window)
    if not (m and n):
        return 0.0
    r, w = np.asarray(reference, np.float64) / m, np.asarray(window, np.float64) / n
    scores = _POLYNOMIALS[order](2 * np.cumsum(r) - r - 1)
    variance = float(r @ (scores - r @ scores) ** 2)
    if variance <= 0:
        return 0.0
    return abs(float((w - r) @ scores)) / math.sqrt(variance * (effect / n + 1 / m))
