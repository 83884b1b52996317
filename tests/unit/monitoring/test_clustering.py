"""What windows are worth whose rows come in clusters of a known kind."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from housing_monitoring.measures.clustering import LEAST_EFFECTIVE_ROWS, MOST_BLOCKS, design_effect

SHARES = (0.4, 0.3, 0.15, 0.1, 0.05)
REFERENCE = [10_000 * share for share in SHARES]


def blocks_of(categories: NDArray[np.int64], bins: int = len(SHARES)) -> NDArray[np.int64]:
    """Rows by block and category, as a tally has them."""
    rows = len(categories)
    blocks = min(rows, MOST_BLOCKS)
    cells = bins * (np.arange(rows) * blocks // rows) + categories
    return np.bincount(cells, minlength=bins * blocks).reshape(blocks, bins)


def in_runs(rows: int, length: int, seed: int) -> NDArray[np.int64]:
    """Rows in runs of one category; the length of a run is geometric, with this mean."""
    random = np.random.default_rng(seed)
    lengths = random.geometric(1 / length, rows)
    return np.repeat(random.choice(len(SHARES), rows, p=SHARES), lengths)[:rows]


@pytest.mark.parametrize("rows", [50, 200, 1_000, 20_000])
def test_independent_rows_are_worth_what_they_are(rows: int) -> None:
    effects = [design_effect(blocks_of(in_runs(rows, 1, seed)), REFERENCE) for seed in range(50)]
    assert np.median(effects) == 1.0
    assert np.mean(effects) < 1.1


@pytest.mark.parametrize("rows", [1_000, 20_000])
@pytest.mark.parametrize("length", [2, 5, 20])
def test_runs_of_one_category_have_the_effect_of_their_lengths(rows: int, length: int) -> None:
    """A geometric length of mean m has E(length^2) / E(length) = 2 m - 1."""
    effects = [
        design_effect(blocks_of(in_runs(rows, length, seed)), REFERENCE) for seed in range(20)
    ]
    true = 2 * length - 1
    assert 0.9 * true < np.median(effects) < 2 * true
    assert min(effects) > 0.6 * true


def test_a_rare_category_that_comes_to_be_frequent_row_by_row_is_no_cluster() -> None:
    shares = [0.3, 0.2, 0.1, 0.1, 0.3]
    reference = [4_000, 3_000, 1_500, 1_500, 0]
    effects = [
        design_effect(
            blocks_of(np.random.default_rng(seed).choice(len(shares), 1_000, p=shares)), reference
        )
        for seed in range(50)
    ]
    assert np.median(effects) == 1.0
    assert max(effects) < 2


def test_a_shift_that_sets_in_within_the_window_is_not_taken_for_clusters() -> None:
    random = np.random.default_rng(0)
    before = random.choice(len(SHARES), 500, p=SHARES)
    after = random.choice(len(SHARES), 500, p=SHARES[::-1])
    effect = design_effect(blocks_of(np.concatenate([before, after])), REFERENCE)
    assert effect < 30


def test_a_window_is_worth_a_few_rows_however_alike_neighbours_are() -> None:
    halves = np.repeat([0, 1], 1_000)
    assert design_effect(blocks_of(halves), REFERENCE) == 2_000 / LEAST_EFFECTIVE_ROWS


def test_without_a_reference_the_windows_own_shares_count() -> None:
    effects = [design_effect(blocks_of(in_runs(1_000, 10, seed))) for seed in range(20)]
    assert 17 < np.median(effects) < 38


@pytest.mark.parametrize(
    "categories",
    [pytest.param([], id="no row"), pytest.param([1] * 40, id="one category"), [0, 1, 0, 2]],
)
def test_what_has_nothing_to_compare_is_taken_as_independent(categories: list[int]) -> None:
    counts = np.zeros((len(categories), len(SHARES)), np.int64)
    counts[np.arange(len(categories)), categories] = 1
    assert design_effect(counts, REFERENCE) == 1.0
