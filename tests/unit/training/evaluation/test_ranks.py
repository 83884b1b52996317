"""Rank correlation by hand-made ranks, and its intervals against the plain way of making them."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from housing_training.evaluation.ranks import rank_correlation, rank_intervals


def made_up(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Expected classes, of which many are equal, and prices that rise with them more often than not."""
    chance = np.random.default_rng(seed)
    quality = chance.normal(0, 1, rows)
    expected = np.round(np.clip(1 + quality / 2 + chance.normal(0, 0.3, rows), 0, 2), 2)
    return expected, np.round(np.exp(quality + chance.normal(0, 0.5, rows)) * 20) * 50_000


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([1, 2, 3], [10, 20, 1000], 1),
        ([1, 2, 3], [3, 2, 1], -1),
        ([1, 1, 2, 2], [1, 2, 3, 4], 0.894427),
        ([1, 1, 1], [1, 2, 3], None),
        ([1], [1], None),
        ([], [], None),
    ],
)
def test_rank_correlation_is_spearmans(
    first: list[float], second: list[float], expected: float | None
) -> None:
    found = rank_correlation(np.array(first, float), np.array(second, float))
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-6))


def test_equal_values_share_their_rank_as_in_scipy() -> None:
    expected, prices = made_up(500, 1)
    assert rank_correlation(expected, prices) == pytest.approx(spearmanr(expected, prices)[0])


def test_intervals_are_those_of_resampled_rows() -> None:
    expected, prices = made_up(400, 2)
    chance = np.random.default_rng(3)
    drawn = [chance.integers(0, 400, 400) for _ in range(1000)]
    plain = np.quantile([spearmanr(expected[at], prices[at])[0] for at in drawn], [0.025, 0.975])
    (found,) = rank_intervals([expected], prices, seed=4)
    assert found is not None
    assert [found.low, found.high] == pytest.approx(plain, abs=0.005)


def test_nineteen_of_twenty_intervals_hold_the_true_correlation() -> None:
    expected, prices = made_up(200_000, 5)
    true = rank_correlation(expected, prices)
    held = 0
    for number in range(200):
        part = slice(number * 300, (number + 1) * 300)
        (found,) = rank_intervals([expected[part]], prices[part], seed=6)
        assert found is not None
        held += found.low <= true <= found.high
    assert 180 <= held <= 198


def test_models_answer_the_same_resamples_and_the_seed_says_which() -> None:
    expected, prices = made_up(300, 8)
    first, second = rank_intervals([expected, expected * 2], prices, seed=1)
    assert first == second == rank_intervals([expected], prices, seed=1)[0]
    assert first != rank_intervals([expected], prices, seed=2)[0]


def test_a_model_that_always_says_the_same_has_no_interval() -> None:
    expected, prices = made_up(50, 9)
    constant, other = rank_intervals([np.ones(50), expected], prices, seed=1)
    assert constant is None
    assert other is not None
