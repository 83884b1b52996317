"""The cardinality ratio at equal sample size. Pure.

The more rows, the more distinct categories: a window of ten times the reference's rows has streets
that the reference has not seen, though nothing changed. So both sides are compared in as many rows
as the smaller one has.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_RAREST = 10
"""Categories with more rows of the reference say nothing of unseen ones: their terms alternate."""


@dataclass(frozen=True, slots=True)
class Richness:
    """Distinct categories in a sample of R rows, the size of the smaller side.

    Attributes:
        expected: those that R rows of the reference have.
        new: those that R rows of the window have and the reference does not know.
        new_expected: the same, of rows like the reference's.
        error: standard error of `new_expected`.

    """

    expected: float
    new: float
    new_expected: float
    error: float

    @property
    def ratio(self) -> float:
        """Categories of reference and window together over the reference's; 1 at least."""
        return 1 + max(0.0, self.new - self.new_expected) / self.expected

    def noise(self, z: float, effect: float = 1.0) -> float:
        """What chance explains of `ratio`.

        The new categories are counted like rare events: their number has the variance
        effect x `new_expected` and the skewness of Poisson's, which adds effect (z^2 - 1) / 6 by
        Cornish and Fisher (1938); the error of `new_expected` adds its own variance.

        Args:
            z: `statistics.quantile` of the report.
            effect: `clustering.design_effect` of the window: categories come in clusters too.

        """
        reach = z * math.sqrt(effect * self.new_expected + self.error**2)
        return 1 + (reach + effect * (z**2 - 1) / 6) / self.expected


def richness(
    counts: Sequence[int],
    other_rows: int,
    other_categories: int,
    forgotten: int,
    *,
    new: Iterable[int],
    rows: int,
) -> Richness | None:
    """Distinct categories of both sides at the size R of the smaller one.

    Of m rows of the reference a sample of R has sum (1 - (1 - t)^c) distinct categories, t = R/m
    and c the rows of each: rarefaction (Hurlbert, The nonconcept of species diversity, 1971) with
    rows left out by chance (Coleman, On random placement and species-area relations, 1981), which
    agrees with Hurlbert's but for rounding. The window's new categories are rarefied likewise.

    R more rows of the same population have -sum (-t)^c categories that the m rows do not have
    (Good and Toulmin, The number of new species, and the increase in population coverage, when a
    sample is increased, 1956), with a variance of sum t^(2c) at most (Efron and Thisted,
    Estimating the number of unseen species, 1976); categories of more than 10 rows are left out
    of both. Their series holds for t up to 1, which is why the larger side is rarefied and not
    the smaller one extrapolated.

    Of the further categories only number C and rows are known. Their rows are taken as geometric,
    like in `statistics.unseen_rows`: with p = C / rows and q = 1 - p the sums above become
    C (1 - p (1 - t) / (1 - q (1 - t))), C p t / (1 + q t) and C p t^2 / (1 - q t^2). Those whose
    hash the profile has forgotten look new when they come again: as many of the first sum.

    Args:
        counts: rows of each of the frequent categories of the reference.
        other_rows: rows of all further categories together.
        other_categories: number of further categories.
        forgotten: how many of those are not known by hash.
        new: rows of each category of the window that is not known.
        rows: rows of the window that have a category, n.

    Returns:
        None when a side has no categories.

    """
    m = sum(counts) + other_rows
    if not (m and rows):
        return None
    share = min(1.0, rows / m)
    known = np.asarray(counts, np.float64)
    expected = _found(known, share)
    rare = known[known <= _RAREST]
    unseen = -float(((-share) ** rare).sum())
    variance = float((share ** (2 * rare)).sum())
    seen_again = 0.0
    if other_rows and other_categories:
        p = other_categories / other_rows
        q = 1 - p
        further = 1 - p * (1 - share) / (1 - q * (1 - share))
        expected += other_categories * further
        unseen += other_categories * p * share / (1 + q * share)
        variance += other_categories * p * share**2 / (1 - q * share**2)
        seen_again = forgotten * further
    return Richness(
        expected=expected,
        new=_found(np.fromiter(new, np.float64), min(1.0, m / rows)),
        new_expected=max(0.0, unseen) + seen_again,
        error=math.sqrt(variance),
    )


def _found(counts: NDArray[np.float64], share: float) -> float:
    """Distinct categories in a share of the rows."""
    return float((1 - (1 - share) ** counts).sum())
