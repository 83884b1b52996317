"""The checks of numbers, on distributions with ordinary and with heavy tails."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from housing_core.api.spec import Thresholds
from housing_monitoring.alerts import find_alerts
from housing_monitoring.measures.comparison import compare
from housing_monitoring.measures.measurements import levels, measure
from housing_monitoring.measures.performance import CONFIDENCE, Performance
from housing_monitoring.measures.ranks import rank_shift
from housing_monitoring.measures.statistics import out_of_range_noise, quantile
from housing_training.evaluation.profile import numeric_profile
from tests.windows import numbers, tally

Z = quantile(20)
Draw = Callable[[np.random.Generator, int], np.ndarray]
FAMILIES: dict[str, Draw] = {
    "normal": lambda random, rows: random.normal(size=rows),
    "laplace": lambda random, rows: random.laplace(size=rows),
    "t(3)": lambda random, rows: random.standard_t(3, size=rows),
    "log-normal": lambda random, rows: random.lognormal(size=rows),
    "pareto": lambda random, rows: random.pareto(2.5, size=rows),
    "rooms": lambda random, rows: random.poisson(2, size=rows).astype(float),
}
NOTHING = Performance(confidence=CONFIDENCE, labels_needed=100)
LEVELS = levels(Thresholds())


def alerts(reference: np.ndarray, window: np.ndarray) -> set[str]:
    feature = compare("x", tally(numeric_profile(reference), numbers(window)), Z)
    found = find_alerts(measure([feature], None, NOTHING, LEVELS, Z), LEVELS)
    return {alert.name for alert in found}


@pytest.mark.parametrize("rows", [200, 1_000, 5_000])
@pytest.mark.parametrize("family", FAMILIES)
def test_no_check_sees_a_change_where_there_is_none(family: str, rows: int) -> None:
    draw, random = FAMILIES[family], np.random.default_rng(17)
    found = Counter(
        name for _ in range(60) for name in alerts(draw(random, 20_000), draw(random, rows))
    )
    assert found == {}


@pytest.mark.parametrize("rows", [1_000, 5_000])
def test_a_shape_that_changed_is_seen(rows: int) -> None:
    random = np.random.default_rng(18)
    for _ in range(20):
        usual = random.normal(size=20_000)
        assert "SkewnessShift" in alerts(usual, random.exponential(size=rows) - 1)
        assert "StandardDeviationShift" in alerts(usual, 1.7 * random.normal(size=rows))
        assert "StandardDeviationShift" in alerts(usual, 0.6 * random.normal(size=rows))


def test_one_far_value_is_no_change_of_the_shape() -> None:
    random = np.random.default_rng(19)
    usual, now = random.normal(size=20_000), random.normal(size=5_000)
    assert alerts(usual, np.append(now, 1e6)) == set()
    assert alerts(np.append(usual, 1e6), now) == set()


@pytest.mark.parametrize("reference", [50, 200, 2_000, 20_000])
@pytest.mark.parametrize("rows", [200, 5_000])
def test_values_outside_the_range_of_a_small_training_are_no_news(
    reference: int, rows: int
) -> None:
    random = np.random.default_rng(20)
    # What the range of m values leaves outside follows a beta distribution.
    outside = random.beta(2, reference - 1, 20_000)
    found = random.binomial(rows, outside) / rows
    assert np.mean(found > out_of_range_noise(rows, reference, Z)) <= 0.0005
    assert found.mean() == pytest.approx(2 / (reference + 1), rel=0.05)


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("shares", [(0.2,) * 5, (0.7, 0.1, 0.1, 0.1), (0.97, 0.03), (0.05,) * 20])
def test_ranks_stray_like_the_standard_normal(order, shares: tuple[float, ...]) -> None:
    random = np.random.default_rng(21)
    reference = random.multinomial(2_000, shares, size=2_000)
    window = random.multinomial(300, shares, size=2_000)
    found = np.array([rank_shift(r, w, order) for r, w in zip(reference, window, strict=True)])
    assert np.mean(found**2) == pytest.approx(1, abs=0.12)
    assert np.mean(found > Z) <= 0.001


@pytest.mark.parametrize(
    ("reference", "window"), [([], []), ([0, 0], [1, 2]), ([1, 2], [0, 0]), ([5], [3])]
)
def test_ranks_that_cannot_differ_have_not_moved(reference: list[int], window: list[int]) -> None:
    assert rank_shift(reference, window, 3) == 0.0
