"""Spearman's rank correlation, and how far it could be off by the luck of the rows it is of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from housing_core.bundle import Interval
from housing_training.evaluation.intervals import RESAMPLES, percentiles

Floats = np.ndarray[Any, np.dtype[np.float64]]


def rank_correlation(first: Floats, second: Floats) -> float | None:
    """Spearman's rank correlation, -1 to 1; None where one side is constant.

    Args:
        first, second: (rows,).

    """
    once = np.ones(len(first))
    found = _correlation(_Ordered.of(first).ranks(once), _Ordered.of(second).ranks(once), once)
    return None if np.isnan(found) else found


def rank_intervals(found: Sequence[Floats], prices: Floats, seed: int) -> list[Interval | None]:
    """95 % percentile intervals of the rank correlations of models with the prices.

    A resample only says how often each row is drawn: ranks are then sums of these numbers in an
    order that is known, so that none is sorted anew.

    Args:
        found: (rows,) a number that should rise with the price, of each model.
        prices: (rows,).
        seed: of the resampling; every model answers the same resamples.

    Returns:
        None for a model whose rank correlation is None.

    """
    chance, rows = np.random.default_rng(seed), len(prices)
    models, truth = [_Ordered.of(values) for values in found], _Ordered.of(prices)
    values = np.full((len(models), RESAMPLES), np.nan)
    for number in range(RESAMPLES):
        times = np.bincount(chance.integers(rows, size=rows), minlength=rows).astype(np.float64)
        true_ranks = truth.ranks(times)
        values[:, number] = [_correlation(each.ranks(times), true_ranks, times) for each in models]
    known = [each[~np.isnan(each)] for each in values]
    return [percentiles(each) if len(each) else None for each in known]


@dataclass(frozen=True)
class _Ordered:
    """Values of which only the order counts.

    Attributes:
        places: (rows,) of each row's value among the distinct ones.
        distinct: how many.

    """

    places: np.ndarray[Any, np.dtype[np.int64]]
    distinct: int

    @classmethod
    def of(cls, values: Floats) -> _Ordered:
        distinct, places = np.unique(values, return_inverse=True)
        return cls(places, len(distinct))

    def ranks(self, times: Floats) -> Floats:
        """(rows,) ranks around 0 where each row is there so many times; equal values share theirs."""
        there = np.bincount(self.places, times, self.distinct)
        ranks: Floats = (np.cumsum(there) - (there + times.sum()) / 2)[self.places]
        return ranks


def _correlation(first: Floats, second: Floats, times: Floats) -> float:
    """Of ranks around 0 of rows that are there so many times; NaN where one side is constant."""

    def total(left: Floats, right: Floats) -> float:
        # By einsum and not `@`, whose threads take longer to meet than such sums take.
        return float(np.einsum("i,i,i->", times, left, right))

    spreads = total(first, first) * total(second, second)
    return total(first, second) / spreads**0.5 if spreads > 0 else np.nan
