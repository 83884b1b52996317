"""How much less a window proves because its rows come in clusters. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from housing_monitoring.measures.statistics import chi_squared_quantile, smoothed_shares

MOST_BLOCKS = 1024
"""Blocks that a window is cut into at most, to see whether its rows come in clusters."""

FEWEST_BLOCKS = 8
"""Fewer than this tell too little of how much they differ."""

LEAST_EFFECTIVE_ROWS = 10
"""However alike neighbours are, a window is worth so many independent rows."""

_CLUSTERED = 2.33
"""Standard normal quantile: blocks that differ less than this are taken for independent rows."""

_UNCERTAINTY = 1.5
"""Standard errors of the effect itself that are added to it."""


def design_effect(blocks: NDArray[np.int64], reference: Sequence[float] | None = None) -> float:
    """How many times the variance of independent rows the shares of these bins have; 1 at least.

    Rows that come together are alike: neighbouring listings in one request, one client's
    favourite district for a while. Their shares then stray further from the reference's than
    those of as many independent rows, and n rows are worth n / effect.

    The window is cut into K blocks of s rows in the order of time. The effect is the generalised
    one of Rao and Scott (On chi-squared tests for multiway contingency tables, 1984): the variance
    of the bins' counts in a block over that of s independent rows, sum over bins of v / r against
    s sum over bins of w (1 - w) / r, for bins of share w in the window and r in the reference. The
    variance v is that of successive differences, sum (c' - c)^2 / (2 (K - 1)) over neighbouring
    blocks (von Neumann and others, The mean square successive difference, 1941): a shift that sets
    in within the window is one step among K and adds little, so it is not explained away; a shift
    of the whole window adds nothing.

    It is taken for blocks of 1, 2, 4, ... times the smallest size, as clusters may be of any
    length, and the largest counts of those that chance does not explain: with independent rows
    the effect times its degrees of freedom is about chi-squared, 2/3 (K - 1) of them for each bin
    that weighs (Satterthwaite, 1946). Clusters that reach over an edge make the blocks on both
    sides alike, by a share that halves as blocks double: so 2 effect(2s) - effect(s) is what
    blocks without end would show.

    Few blocks show little of long clusters in a short window. So it is also taken from how alike
    neighbours are, as if clusters ended by chance (a Markov chain, as clients take turns): with a
    correlation c of neighbouring blocks, (1 + c) / (1 - c) times the effect within blocks.

    An effect that is seen in n / effect clusters is itself known to about sqrt(2 effect / n) of
    its size, and 1.5 times that is added.

    Args:
        blocks: (blocks, bins) rows in each; neighbours in time are neighbours here.
        reference: rows of each bin in the reference; the window's own shares stand for it
            where there is none.

    """
    rows = int(blocks.sum())
    seen = blocks.sum(axis=0) > 0
    if rows == 0 or seen.sum() < 2 or len(blocks) < FEWEST_BLOCKS:
        return 1.0
    counts = blocks[:, seen].astype(np.float64)
    window = counts.sum(axis=0) / rows
    expected = window if reference is None else smoothed_shares(reference)[seen]
    independent = window * (1 - window) / expected
    bins = float(independent.sum() ** 2 / (independent**2).sum())
    # Blocks may differ by a row, which is no difference of theirs. In units of independent rows:
    strayed = counts - counts.sum(axis=1, keepdims=True) * window
    strayed /= np.sqrt(expected * independent.sum())
    effect = max(_effect_of_neighbours(strayed, rows, bins), _effect_of_blocks(strayed, rows, bins))
    if effect > 1:
        effect *= 1 + _UNCERTAINTY * math.sqrt(2 * effect / rows)
    return max(1.0, min(effect, rows / LEAST_EFFECTIVE_ROWS))


def _effect_of_blocks(strayed: NDArray[np.float64], rows: int, bins: float) -> float:
    """The largest effect over blocks of all sizes; 1 where chance explains them."""
    effect, of_half = 1.0, None
    while len(strayed) >= FEWEST_BLOCKS:
        steps = np.diff(strayed, axis=0)
        found = float((steps**2).sum()) / (2 * len(steps)) * len(strayed) / rows
        freedom = 2 / 3 * len(steps) * bins
        if found * freedom > chi_squared_quantile(freedom, _CLUSTERED):
            effect = max(effect, found, found if of_half is None else 2 * found - of_half)
        of_half = found
        strayed = strayed[: len(strayed) // 2 * 2]
        strayed = strayed[0::2] + strayed[1::2]
    return effect


def _effect_of_neighbours(strayed: NDArray[np.float64], rows: int, bins: float) -> float:
    """The effect by the correlation of neighbouring blocks; 1 where chance explains it."""
    steps = np.diff(strayed, axis=0)
    whole = float((strayed**2).sum()) / len(strayed)
    apart = float((steps**2).sum()) / (2 * len(steps))
    if whole == 0 or 1 - apart / whole < _CLUSTERED / math.sqrt(len(strayed) * bins):
        return 1.0
    within = whole * len(strayed) / rows
    return within * (2 * whole - apart) / apart if apart else math.inf
