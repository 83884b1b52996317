import math
from collections.abc import Sequence

import numpy as np
import pytest

from housing_monitoring.measures.statistics import (
    Moments,
    deviation_noise,
    kullback_leibler,
    mean_noise,
    moments,
    population_stability_index,
    quantile,
    share_noise,
    unseen_rows,
)

Z = quantile(20)


def test_the_index_follows_the_textbook_where_every_bin_is_well_filled() -> None:
    reference, window = [40_000, 40_000, 20_000], [5_000, 3_000, 2_000]
    r, w = np.array([0.4, 0.4, 0.2]), np.array([0.5, 0.3, 0.2])
    index = population_stability_index(reference, window, Z)
    assert index.plain == pytest.approx(float(((w - r) * np.log(w / r)).sum()), rel=0.01)
    assert index.expected == pytest.approx(2 * (1 / 10_000 + 1 / 100_000))
    assert index.value == pytest.approx(index.plain - index.expected)


def test_the_index_is_symmetric_and_the_divergence_is_not() -> None:
    one, other = [7_000, 2_000, 1_000], [2_000, 3_000, 5_000]
    there, back = (
        population_stability_index(*pair, Z).plain for pair in ((one, other), (other, one))
    )
    assert there == pytest.approx(back, rel=0.001)
    there, back = (kullback_leibler(*pair, Z).plain for pair in ((one, other), (other, one)))
    assert abs(there - back) > 0.03


def test_the_divergence_runs_from_the_window_to_the_reference_in_nats() -> None:
    found = kullback_leibler([50_000, 50_000], [9_000, 1_000], Z)
    assert found.plain == pytest.approx(0.9 * math.log(1.8) + 0.1 * math.log(0.2), rel=0.01)
    assert found.expected == pytest.approx((1 / 10_000 + 1 / 100_000) / 2)


@pytest.mark.parametrize("measure", [population_stability_index, kullback_leibler])
def test_equal_shares_are_no_drift(measure) -> None:
    assert measure([400, 400, 200], [40, 40, 20], Z).value == 0.0


@pytest.mark.parametrize(
    ("reference", "window"), [([10], [5]), ([], []), ([0, 0], [3, 4]), ([3, 4], [0, 0])]
)
def test_where_nothing_can_be_compared_nothing_drifts(reference, window) -> None:
    found = population_stability_index(reference, window, Z)
    assert (found.value, found.noise) == (0.0, 0.0)


def test_a_bin_that_only_the_window_has_makes_a_large_and_finite_index() -> None:
    index = population_stability_index([20_000, 0], [0, 200], Z)
    assert 5 < index.value < 30


@pytest.mark.parametrize("rows", [50, 200, 1_000, 5_000])
@pytest.mark.parametrize("bins", [2, 10, 40])
def test_the_expected_index_and_its_noise_hold_for_samples_of_one_population(
    rows: int, bins: int
) -> None:
    if rows / bins < 5:
        bins = rows // 5
    random = np.random.default_rng(7)
    shares = np.full(bins, 1 / bins)
    reference = random.multinomial(20_000, shares)
    found = [
        population_stability_index(reference.tolist(), window.tolist(), Z)
        for window in random.multinomial(rows, shares, size=1_000)
    ]
    mean = np.mean([index.plain for index in found])
    assert mean == pytest.approx(found[0].expected, rel=0.25)
    assert np.mean([index.value > index.noise for index in found]) <= 0.002


@pytest.mark.parametrize("share", [0.0, 0.0005, 0.01, 0.3, 0.99])
@pytest.mark.parametrize("rows", [50, 200, 5_000])
def test_a_share_strays_further_than_its_noise_once_in_many_thousand_windows(
    share: float, rows: int
) -> None:
    random = np.random.default_rng(11)
    reference = random.binomial(20_000, share, size=20_000) / 20_000
    window = random.binomial(rows, share, size=20_000) / rows
    noise = [share_noise(before, rows, 20_000, Z) for before in reference]
    assert np.mean(np.abs(window - reference) > noise) <= 0.0005


def test_more_features_need_more_evidence() -> None:
    assert quantile(1) == pytest.approx(3.09, abs=0.01)
    assert quantile(20) == pytest.approx(3.89, abs=0.01)
    assert quantile(0) == quantile(1)


def moments_of(rows: Sequence[float] | np.ndarray) -> Moments:
    return moments(np.asarray(rows, float), np.ones(len(rows), np.int64))


def test_moments_are_the_population_s() -> None:
    found = moments_of([1.0, 2.0, 3.0, 10.0])
    assert (found.rows, found.mean) == (4, 4.0)
    assert found.std == pytest.approx(math.sqrt(12.5))
    assert found.skewness == pytest.approx((-27 - 8 - 1 + 216) / 4 / 12.5**1.5)


def test_a_value_that_comes_several_times_weighs_as_much() -> None:
    found = moments(np.array([1.0, 10.0, 4.0]), np.array([3, 1, 0]))
    expected = moments_of([1.0, 1.0, 1.0, 10.0])
    assert (found.rows, found.mean, found.std) == (4, expected.mean, expected.std)
    assert found.skewness == pytest.approx(expected.skewness)


def test_equal_values_have_no_deviation() -> None:
    assert moments(np.array([0.1]), np.array([1_000_003])) == Moments(1_000_003, 0.1, 0.0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], Moments(0)),
        ([3.0, 3.0], Moments(2, 3.0, 0.0)),
        ([1e300, -1e300], Moments(2)),
    ],
)
def test_moments_that_do_not_exist_are_none(values, expected) -> None:
    assert moments_of(values) == expected


def test_one_absurd_value_is_no_shift_of_the_mean() -> None:
    random = np.random.default_rng(3)
    reference = moments_of(random.normal(100, 30, size=20_000))
    window = moments_of(np.append(random.normal(100, 30, size=199), 1e9))
    assert reference.mean is not None
    assert window.mean is not None
    assert reference.std is not None
    shift = abs(window.mean - reference.mean) / reference.std
    assert shift > 1_000
    assert shift < mean_noise(reference, window, Z)


def test_a_shift_by_half_a_deviation_shows_in_two_hundred_rows() -> None:
    reference, window = Moments(20_000, 100, 30, 0.0), Moments(200, 115, 30, 0.0)
    assert mean_noise(reference, window, Z) < 0.5


def test_the_deviation_of_a_column_with_a_freak_in_training_is_not_held_against_the_window() -> (
    None
):
    values = np.append(np.random.default_rng(5).normal(100, 30, size=20_000), 1e7)
    reference = moments_of(values)
    window = moments_of(values[:500])
    assert reference.std is not None
    assert window.std is not None
    assert reference.std / window.std > 1_000
    assert deviation_noise(reference, window, Z) > math.log(reference.std / window.std)


def test_noise_without_rows_is_boundless() -> None:
    nothing, something = Moments(0), Moments(100, 1.0, 1.0, 0.0)
    assert share_noise(0.1, 0, 100, Z) == math.inf
    assert mean_noise(something, nothing, Z) == math.inf
    assert deviation_noise(nothing, something, Z) == math.inf


def test_rows_of_unseen_categories_are_estimated_from_those_seen_once() -> None:
    random = np.random.default_rng(13)
    shares = 1 / np.arange(1, 2_001)
    shares /= shares.sum()
    seen = random.multinomial(20_000, shares)
    unseen_share = shares[seen == 0].sum()
    counts = sorted((int(count) for count in seen if count), reverse=True)
    whole = unseen_rows(counts, 0, 0)
    assert whole / 20_000 == pytest.approx(unseen_share, rel=0.35)
    hashed = unseen_rows(counts[:100], sum(counts[100:]), len(counts) - 100)
    assert hashed / 20_000 == pytest.approx(unseen_share, rel=1.0)
    further = np.sort(seen[seen > 0])[::-1][100:]
    forgotten_share = shares[(seen > 0) & (seen <= further[500])].sum()
    forgetful = unseen_rows(counts[:100], sum(counts[100:]), len(counts) - 100, len(further) - 500)
    assert forgetful / 20_000 > unseen_share + forgotten_share * 0.9


def test_addresses_that_are_nearly_all_different_let_expect_nearly_only_new_ones() -> None:
    assert unseen_rows([], 20_000, 19_500) / 20_000 == pytest.approx(0.95, abs=0.01)
