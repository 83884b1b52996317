"""The formulas of the drift report: numbers in, numbers out.

Every statistic comes with its *noise*: how far it may stray when nothing has changed, because the
window (n rows) and the reference (m rows) are samples. What strays no further is not drift, so a
small window is held to what it can show. All noises of one report use one quantile, by `quantile`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

FALSE_ALARMS_PER_REPORT = 0.001
"""How often chance alone may make one statistic pass its noise, over all features of a report."""


def quantile(features: int) -> float:
    """Standard normal quantile that a noise is measured in, for a report on this many features.

    One-sided, and Bonferroni's share for each feature: 3.9 for 20 features, 4.6 for 500.
    """
    return NormalDist().inv_cdf(1 - FALSE_ALARMS_PER_REPORT / max(features, 1))


@dataclass(frozen=True, slots=True)
class Divergence:
    """How far the shares of the window are from those of the reference.

    Attributes:
        plain: the textbook's formula.
        expected: what it shows on average when nothing has changed.
        noise: the most that chance adds to that.

    """

    plain: float
    expected: float
    noise: float

    @property
    def value(self) -> float:
        """The divergence without what sampling adds on average; 0 at least."""
        return max(0.0, self.plain - self.expected)


def population_stability_index(
    reference: Sequence[float], window: Sequence[float], z: float
) -> Divergence:
    """Population stability index of a feature over bins (seed 5.1).

    PSI = sum over bins of (w - r) ln(w / r), with r and w the shares of reference and window and
    the natural logarithm (Siddiqi, Credit Risk Scorecards, 2006, with the usual 0.25 for a
    significant shift). It is symmetric: swapping the sides changes nothing.

    When both sides are samples of one population, PSI / (1/n + 1/m) follows a chi-squared
    distribution with bins - 1 degrees of freedom (Yurdakul and Naranjo, Statistical properties of
    the population stability index, 2020). The expected value is therefore
    (bins - 1) (1/n + 1/m): for 200 rows in 40 bins 0.2, which the plain formula reports as drift.

    Args:
        reference: rows in each bin, m in all.
        window: rows in each bin, n in all.
        z: `quantile` of the report.

    """
    r, w = _smoothed(reference, window)
    plain = float(np.sum((w - r) * np.log(w / r)))
    unit = _unit(reference, window)
    return _divergence(plain, len(r) - 1, unit, z)


def kullback_leibler(reference: Sequence[float], window: Sequence[float], z: float) -> Divergence:
    """Kullback-Leibler divergence of the window's class shares from the reference's (seed 5.1).

    KL(w || r) = sum over classes of w ln(w / r), in nats. This direction asks how badly the
    reference's shares describe what is seen now, and 2n times it is the likelihood-ratio
    statistic of the window against the reference (Kullback, Information Theory and Statistics,
    1959); it is half of what the PSI of the same shares would be, to second order, and so is its
    expected value: (classes - 1) (1/n + 1/m) / 2.

    Args:
        reference: rows of each class, m in all.
        window: rows of each class, n in all.
        z: `quantile` of the report.

    """
    r, w = _smoothed(reference, window)
    plain = float(np.sum(w * np.log(w / r)))
    unit = _unit(reference, window) / 2
    return _divergence(plain, len(r) - 1, unit, z)


def _smoothed(
    reference: Sequence[float], window: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares without zeros, which a logarithm does not take.

    The reference gets half a row in each bin (Jeffreys' prior). The window gets as many rows in
    all, spread as the reference is, so that bins that are rare in both do not count.
    """
    bins = len(reference)
    r = (np.asarray(reference, dtype=np.float64) + 0.5) / (sum(reference) + bins / 2)
    w = (np.asarray(window, dtype=np.float64) + r * bins / 2) / (sum(window) + bins / 2)
    return r, w


def _unit(reference: Sequence[float], window: Sequence[float]) -> float:
    """1/n + 1/m; 0 where a side is empty and nothing can be compared."""
    m, n = sum(reference), sum(window)
    return 1 / n + 1 / m if n and m else 0.0


def _divergence(plain: float, freedom: int, unit: float, z: float) -> Divergence:
    """Reads `plain / unit` as chi-squared with so many degrees of freedom."""
    if freedom == 0 or unit == 0:
        return Divergence(0.0, 0.0, 0.0)
    # Wilson and Hilferty's quantile, 1931.
    spread = 2 / (9 * freedom)
    critical = freedom * (1 - spread + z * math.sqrt(spread)) ** 3 * unit
    expected = freedom * unit
    return Divergence(plain, expected, critical - expected)


def share_noise(share: float, n: float, m: float, z: float) -> float:
    """Noise of a share: how far that of n rows may be from `share`, measured on m rows.

    The binomial's normal quantile with its first Cornish-Fisher term for skewness, which keeps
    rare things honest: one row of 50 is 2 %, whatever the share.
    """
    if n == 0 or m == 0:
        return math.inf
    deviation = math.sqrt(share * (1 - share) * (1 / n + 1 / m))
    return z * deviation + (z**2 - 1) * abs(1 - 2 * share) / (6 * n)


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean, standard deviation and skewness of the present values; None where there are too few."""

    rows: int
    mean: float | None = None
    std: float | None = None
    skewness: float | None = None


def moments(values: NDArray[np.float64]) -> Moments:
    """Moments of finite values, (rows,); population formulas, skewness = E(x - mean)^3 / std^3."""
    if len(values) == 0:
        return Moments(0)
    with np.errstate(over="ignore", invalid="ignore"):
        mean, std = float(values.mean()), float(values.std())
        if not (math.isfinite(mean) and math.isfinite(std)):
            return Moments(len(values))
        if std == 0:
            return Moments(len(values), mean, std)
        skewness = float((((values - mean) / std) ** 3).mean())
    return Moments(len(values), mean, std, skewness)


def mean_noise(reference: Moments, window: Moments, z: float) -> float:
    """Noise of (mean of the window - mean of the reference) / std of the reference.

    The standard error uses the larger of both deviations, so that one absurd value, which moves
    mean and deviation alike, is no shift.
    """
    if not (reference.std and reference.rows and window.rows) or window.std is None:
        return math.inf
    ratio = max(1.0, window.std / reference.std)
    return z * ratio * math.sqrt(1 / window.rows + 1 / reference.rows)


def deviation_noise(reference: Moments, window: Moments, z: float) -> float:
    """Noise of ln(std of the window / std of the reference).

    Its variance is (kurtosis - 1) / 4 (1/n + 1/m). The kurtosis is taken from the larger
    skewness, as 3 + 1.5 skewness^2, which is exact for the gamma family.
    """
    if not (reference.rows and window.rows):
        return math.inf
    skewness = max(abs(reference.skewness or 0.0), abs(window.skewness or 0.0))
    kurtosis = 3 + 1.5 * skewness**2
    return z * math.sqrt((kurtosis - 1) / 4 * (1 / window.rows + 1 / reference.rows))


def skewness_noise(reference: Moments, window: Moments, z: float) -> float:
    """Noise of the difference of the skewnesses.

    For a normal feature its variance is 6 (1/n + 1/m); a skewed one strays further, which is
    allowed for by a factor (1 + skewness^2) on the deviation. In simulations that is enough for
    the gamma family; with tails as heavy as the log-normal's a few in a hundred large windows pass
    it, so nothing grave should hang on it.
    """
    if not (reference.rows and window.rows):
        return math.inf
    widening = 1 + (reference.skewness or 0.0) ** 2
    return z * widening * math.sqrt(6 * (1 / window.rows + 1 / reference.rows))


def unseen_rows(
    counts: Sequence[int], other_rows: int, other_categories: int, forgotten: int = 0
) -> float:
    """Rows among the reference's that stand for categories it does not know.

    Good's and Turing's estimate for those that it has not seen: as many rows as there are
    categories seen once (Good, The population frequencies of species, 1953). Of the further
    categories only the sum is known; their sizes are taken as geometric, of which
    categories^2 / rows are single. The forgotten ones add their rows: being the rarest, they have
    the average of the further ones at most.

    Args:
        counts: rows of each of the frequent categories.
        other_rows: rows of all further categories together.
        other_categories: number of further categories.
        forgotten: how many of those, the rarest, are not known by name or hash.

    """
    single = float(sum(1 for count in counts if count == 1))
    if other_rows > 0 and other_categories > 0:
        single += other_categories**2 / other_rows
        single += forgotten * other_rows / other_categories
    return single
