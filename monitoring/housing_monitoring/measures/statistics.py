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
        value: the formula for as many independent rows as the window is worth, less `expected`;
            0 at least.
        noise: the most that chance explains of `value`.

    """

    plain: float
    expected: float
    value: float
    noise: float


def population_stability_index(
    reference: Sequence[float], window: Sequence[float], z: float, effect: float = 1.0
) -> Divergence:
    """Population stability index of a feature over bins (seed 5.1).

    PSI = sum over bins of (w - r) ln(w / r), with r and w the shares of reference and window and
    the natural logarithm (Siddiqi, Credit Risk Scorecards, 2006, with the usual 0.25 for a
    significant shift). It is symmetric: swapping the sides changes nothing. Both sides are
    smoothed, since a logarithm takes no zero: r = (rows + 1/2) / (m + bins/2), which is Jeffreys'
    prior, and w = (rows / effect + r bins/2) / (n / effect + bins/2).

    When both sides are samples of one population, PSI / (1/n + 1/m) follows a chi-squared
    distribution with bins - 1 degrees of freedom (Yurdakul and Naranjo, Statistical properties of
    the population stability index, 2020). The expected value is therefore
    (bins - 1) (1/n + 1/m): for 200 rows in 40 bins 0.2, which the plain formula reports as drift.
    The noise is the quantile at z of that chi-squared (`chi_squared_quantile`) times (1/n + 1/m),
    less the expected value. Rows in clusters count for n / effect in all of it.

    Args:
        reference: rows in each bin, m in all.
        window: rows in each bin, n in all.
        z: `quantile` of the report.
        effect: `clustering.design_effect` of the window; its rows count for n / effect.

    """
    plain = _index(*_smoothed(reference, window, 1.0))
    found = _index(*_smoothed(reference, window, effect)) if effect > 1 else plain
    return _divergence(plain, found, len(reference) - 1, _unit(reference, window, effect), z)


def kullback_leibler(
    reference: Sequence[float], window: Sequence[float], z: float, effect: float = 1.0
) -> Divergence:
    """Kullback-Leibler divergence of the window's class shares from the reference's (seed 5.1).

    KL(w || r) = sum over classes of w ln(w / r), in nats. This direction asks how badly the
    reference's shares describe what is seen now, and 2n times it is the likelihood-ratio
    statistic of the window against the reference (Kullback, Information Theory and Statistics,
    1959); it is half of what the PSI of the same shares would be, to second order, and so is its
    expected value: (classes - 1) (1/n + 1/m) / 2. Smoothing, noise and clusters are those of the
    PSI.

    Args:
        reference: rows of each class, m in all.
        window: rows of each class, n in all.
        z: `quantile` of the report.
        effect: `clustering.design_effect` of the window; its rows count for n / effect.

    """
    plain = _entropy(*_smoothed(reference, window, 1.0))
    found = _entropy(*_smoothed(reference, window, effect)) if effect > 1 else plain
    return _divergence(plain, found, len(reference) - 1, _unit(reference, window, effect) / 2, z)


def _index(r: NDArray[np.float64], w: NDArray[np.float64]) -> float:
    return float(np.sum((w - r) * np.log(w / r)))


def _entropy(r: NDArray[np.float64], w: NDArray[np.float64]) -> float:
    return float(np.sum(w * np.log(w / r)))


def _smoothed(
    reference: Sequence[float], window: Sequence[float], effect: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares without zeros, which a logarithm does not take.

    The reference gets half a row in each bin (Jeffreys' prior). The window, of n / effect rows,
    gets as many rows in all, spread as the reference is, so that bins that are rare in both do
    not count.
    """
    bins = len(reference)
    r = smoothed_shares(reference)
    counts = np.asarray(window, dtype=np.float64) / effect
    w = (counts + r * bins / 2) / (counts.sum() + bins / 2)
    return r, w


def smoothed_shares(counts: Sequence[float]) -> NDArray[np.float64]:
    """Shares of bins, with half a row more in each (Jeffreys' prior): none is zero."""
    return (np.asarray(counts, dtype=np.float64) + 0.5) / (sum(counts) + len(counts) / 2)


def _unit(reference: Sequence[float], window: Sequence[float], effect: float) -> float:
    """effect/n + 1/m; 0 where a side is empty and nothing can be compared."""
    m, n = sum(reference), sum(window)
    return effect / n + 1 / m if n and m else 0.0


def _divergence(plain: float, found: float, freedom: int, unit: float, z: float) -> Divergence:
    """Reads `found / unit` as chi-squared with so many degrees of freedom."""
    if freedom == 0 or unit == 0:
        return Divergence(0.0, 0.0, 0.0, 0.0)
    expected = freedom * unit
    return Divergence(
        plain,
        expected,
        value=max(0.0, found - expected),
        noise=chi_squared_quantile(freedom, z) * unit - expected,
    )


def share_noise(share: float, n: float, m: float, z: float) -> float:
    """Noise of a share: how far that of n rows may be from `share`, measured on m rows.

    Of the shares of missing values, of new categories and of predicted classes:
    z sqrt(share (1 - share) (1/n + 1/m)) + (z^2 - 1) |1 - 2 share| / (6 n). The first term is the
    normal quantile of the difference of two binomial shares, the second the first Cornish-Fisher
    term for the skewness of the window's (Cornish and Fisher, Moments and cumulants in the
    specification of distributions, 1938), which keeps rare things honest: one row of 50 is 2 %,
    whatever the share.

    Args:
        share: 0 to 1, of the reference.
        n: rows of the window; effective ones where they come in clusters.
        m: rows of the reference.
        z: `quantile` of the report.

    """
    if n == 0 or m == 0:
        return math.inf
    deviation = math.sqrt(share * (1 - share) * (1 / n + 1 / m))
    return z * deviation + (z**2 - 1) * abs(1 - 2 * share) / (6 * n)


def out_of_range_noise(n: float, m: float, z: float) -> float:
    """Noise of the share of n values outside the range of m values of the same population.

    That share is 2 / (m + 1) on average, whatever the distribution, and follows a beta
    distribution with 2 and m - 1 (Wilks, Determination of sample sizes for setting tolerance
    limits, 1941): nearly a gamma with shape 2, whose skewness adds (z^2 - 1) / (3 m) by Cornish
    and Fisher to the expected share and its `share_noise`. A reference of 100 rows lets 12 % of
    the values be outside, one of 20,000 rows next to none.
    """
    if n == 0 or m == 0:
        return math.inf
    share = min(1.0, 2 / (m + 1))
    return share + share_noise(share, n, m, z) + (z**2 - 1) / (3 * m)


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean, standard deviation and skewness of the present values; None where there are too few.

    Attributes:
        rows: present values; not whole where they are effective ones.

    """

    rows: float
    mean: float | None = None
    std: float | None = None
    skewness: float | None = None

    def joined(self, other: Moments) -> Moments:
        """Moments of the rows of both.

        By Pébay's formulas (Formulas for robust, one-pass parallel computation of covariances and
        arbitrary-order statistical moments, 2008).
        """
        if not (self.rows and other.rows):
            return self if self.rows else other
        rows = self.rows + other.rows
        if self.mean is None or other.mean is None or self.std is None or other.std is None:
            return Moments(rows)
        first, second = self.rows / rows, other.rows / rows
        with np.errstate(over="ignore", invalid="ignore"):
            apart = np.float64(other.mean) - self.mean
            mean = self.mean + apart * second
            squares = first * np.float64(self.std) ** 2 + second * np.float64(other.std) ** 2
            variance = squares + first * second * apart**2
            cubes = (
                first * (self.skewness or 0.0) * np.float64(self.std) ** 3
                + second * (other.skewness or 0.0) * np.float64(other.std) ** 3
                + first * second * (first - second) * apart**3
                + 3 * first * second * apart * (other.std**2 - self.std**2)
            )
            std = math.sqrt(variance) if math.isfinite(variance) else math.inf
            if not (math.isfinite(mean) and math.isfinite(std)):
                return Moments(rows)
            skewness = float(cubes / np.float64(std) ** 3) if std else math.nan
        return Moments(rows, float(mean), std, skewness if math.isfinite(skewness) else None)


def moments(values: NDArray[np.float64], counts: NDArray[np.int64]) -> Moments:
    """Moments of finite values that come so many times; population formulas.

    The skewness is E(x - mean)^3 / std^3.

    Args:
        values: (values,).
        counts: (values,); how many rows have each.

    """
    rows = int(counts.sum())
    if rows == 0:
        return Moments(0)
    with np.errstate(over="ignore", invalid="ignore"):
        # From one of them on, so that equal values have no deviation.
        mean = float(values[0] + (counts * (values - values[0])).sum() / rows)
        std = float(np.sqrt((counts * (values - mean) ** 2).sum() / rows))
        if not (math.isfinite(mean) and math.isfinite(std)):
            return Moments(rows)
        if std == 0:
            return Moments(rows, mean, std)
        skewness = float((counts * ((values - mean) / std) ** 3).sum() / rows)
    return Moments(rows, mean, std, skewness)


def mean_noise(reference: Moments, window: Moments, z: float) -> float:
    """Noise of (mean of the window - mean of the reference) / std of the reference.

    z times the standard error of a difference of two means, sqrt(1/n + 1/m) by the central limit
    theorem, in deviations of the reference (Welch, The significance of the difference between two
    means when the population variances are unequal, 1938). The standard error uses the larger of both deviations, so that one absurd value, which moves
    mean and deviation alike, is no shift.
    """
    if not (reference.std and reference.rows and window.rows) or window.std is None:
        return math.inf
    ratio = max(1.0, window.std / reference.std)
    return z * ratio * math.sqrt(1 / window.rows + 1 / reference.rows)


def deviation_noise(reference: Moments, window: Moments, z: float) -> float:
    """Noise of ln(std of the window / std of the reference).

    z times its standard error: the variance of ln(std) of n rows is (kurtosis - 1) / (4 n) by the
    delta method (Cramér, Mathematical Methods of Statistics, 1946, 27.7), so here
    (kurtosis - 1) / 4 (1/n + 1/m). The kurtosis is taken from the larger skewness, as
    3 + 1.5 skewness^2, which is exact for the gamma family. Tails that are heavy on both sides
    have a larger one, so a shift counts only where the ranks confirm it (`ranks.rank_shift`).
    """
    if not (reference.rows and window.rows):
        return math.inf
    skewness = max(abs(reference.skewness or 0.0), abs(window.skewness or 0.0))
    kurtosis = 3 + 1.5 * skewness**2
    return z * math.sqrt((kurtosis - 1) / 4 * (1 / window.rows + 1 / reference.rows))


def skewness_noise(reference: Moments, window: Moments, z: float) -> float:
    """Noise of the difference of the skewnesses E(x - mean)^3 / std^3 of window and reference.

    z times its standard error: sqrt(6 (1/n + 1/m)) for a normal feature (Fisher, The moments of
    the distribution for normal samples of measures of departure from normality, 1930), times
    1 + skewness^2, as a skewed one strays further; in simulations that is enough for the gamma
    family. Where the tails are heavy one value decides the skewness and no standard error holds,
    so a shift counts only where the ranks confirm it (`ranks.rank_shift`).
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


def chi_squared_quantile(freedom: float, z: float) -> float:
    """Quantile of chi-squared with `freedom` over 0, at the normal's quantile z.

    Wilson and Hilferty's approximation (The distribution of chi-square, 1931).
    """
    spread = 2 / (9 * freedom)
    return freedom * float((1 - spread + z * math.sqrt(spread)) ** 3)
