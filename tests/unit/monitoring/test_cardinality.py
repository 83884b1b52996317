"""The cardinality ratio, across sizes of both sides."""

import math

import numpy as np
import pytest
from sklearn.utils import murmurhash3_32

from housing_core.api.spec import Thresholds
from housing_core.bundle import CategoricalProfile
from housing_core.drift_report import FeatureDrift
from housing_monitoring.alerts import find_alerts
from housing_monitoring.columns import CategoricalColumn
from housing_monitoring.measures.cardinality import Richness, richness
from housing_monitoring.measures.comparison import compare
from housing_monitoring.measures.measurements import levels, measure
from housing_monitoring.measures.performance import CONFIDENCE, Performance
from housing_monitoring.measures.statistics import quantile
from tests.windows import tally

Z = quantile(20)
STREETS = 20_000
ZIPF = 1 / np.arange(1, STREETS + 1)
ZIPF /= ZIPF.sum()


def profile_of(rows: int, random: np.random.Generator, kept: int = 200) -> CategoricalProfile:
    counts = random.multinomial(rows, ZIPF)
    seen = sorted(np.flatnonzero(counts), key=lambda street: -counts[street])
    return CategoricalProfile(
        rows=rows,
        missing=0,
        counts={f"street {s}": int(counts[s]) for s in seen[:kept]},
        other=int(sum(counts[s] for s in seen[kept:])),
        cardinality=len(seen),
        other_hashes=[murmurhash3_32(f"street {s}", positive=True) for s in seen[kept:]],
    )


def streets(rows: int, random: np.random.Generator) -> CategoricalColumn:
    codes = random.choice(STREETS, rows, p=ZIPF)
    return CategoricalColumn(tuple(f"street {s}" for s in range(STREETS)), codes)


def new_streets(rows: int, each: int) -> CategoricalColumn:
    codes = np.random.default_rng(1).permutation(rows) // each
    return CategoricalColumn(tuple(f"new {s}" for s in range(math.ceil(rows / each))), codes)


def alerts(feature: FeatureDrift) -> dict[str, str]:
    against = levels(Thresholds())
    nothing = Performance(confidence=CONFIDENCE, labels_needed=100)
    found = find_alerts(measure([feature], None, nothing, against, Z), against)
    return {alert.name: alert.severity for alert in found}


@pytest.mark.parametrize("reference", [500, 20_000])
@pytest.mark.parametrize("rows", [200, 1_000, 20_000, 200_000])
def test_windows_of_any_size_of_the_same_streets_have_no_more_of_them(
    reference: int, rows: int
) -> None:
    random = np.random.default_rng((reference, rows))
    feature = compare("street", tally(profile_of(reference, random), streets(rows, random)), Z)
    assert feature.cardinality_ratio is not None
    assert 1 <= feature.cardinality_ratio < 1.25
    assert "CardinalityRatio" not in alerts(feature)


@pytest.mark.parametrize(
    ("reference", "rows", "each"),
    [
        *((500, 200, 1), (500, 1_000, 1), (500, 20_000, 1)),
        *((20_000, 200, 1), (20_000, 200, 2), (20_000, 1_000, 1), (20_000, 20_000, 1)),
    ],
)
def test_a_window_in_new_streets_only_has_more_of_them_whatever_its_size(
    reference: int, rows: int, each: int
) -> None:
    profile = profile_of(reference, np.random.default_rng(reference))
    feature = compare("street", tally(profile, new_streets(rows, each)), Z)
    assert feature.cardinality_ratio is not None
    assert feature.cardinality_ratio > 1.3
    assert alerts(feature)["CardinalityRatio"] == "High"


@pytest.mark.parametrize("reference", [500, 20_000])
def test_few_new_streets_instead_of_many_are_new_though_not_more(reference: int) -> None:
    profile = profile_of(reference, np.random.default_rng(reference))
    feature = compare("street", tally(profile, new_streets(1_000, 10)), Z)
    assert feature.cardinality_ratio == 1.0
    assert alerts(feature) == {"PSI": "High", "NewCategories": "High"}


def test_a_sample_of_the_reference_has_as_many_categories_as_rarefaction_expects() -> None:
    random = np.random.default_rng(5)
    counts = random.multinomial(20_000, ZIPF)
    counts = np.sort(counts[counts > 0])[::-1]
    rows = np.repeat(np.arange(len(counts)), counts)
    for size in (200, 2_000, 20_000):
        drawn = [len(np.unique(random.choice(rows, size, replace=False))) for _ in range(30)]
        found = richness(counts.tolist(), 0, 0, 0, new=[], rows=size)
        assert found is not None
        assert found.expected == pytest.approx(np.mean(drawn), rel=0.02)
        kept = richness(
            counts[:200].tolist(), int(counts[200:].sum()), len(counts) - 200, 0, new=[], rows=size
        )
        assert kept is not None
        assert kept.expected == pytest.approx(found.expected, rel=0.1)


def test_as_many_new_categories_come_as_good_and_toulmin_expect() -> None:
    random = np.random.default_rng(6)
    for rows in (200, 2_000, 20_000):
        came, expected = [], []
        for _ in range(30):
            counts, window = random.multinomial(20_000, ZIPF), random.multinomial(rows, ZIPF)
            found = richness(
                counts[counts > 0].tolist(), 0, 0, 0, new=window[counts == 0], rows=rows
            )
            assert found is not None
            came.append(found.new)
            expected.append(found.new_expected)
        assert np.mean(expected) == pytest.approx(np.mean(came), rel=0.03)


@pytest.mark.parametrize(
    ("found", "effect", "ratio", "noise"),
    [
        (Richness(100, 10, 4, 0), 1, 1.06, 1 + (Z * 2 + (Z**2 - 1) / 6) / 100),
        (Richness(100, 10, 4, 3), 1, 1.06, 1 + (Z * math.sqrt(13) + (Z**2 - 1) / 6) / 100),
        (Richness(100, 10, 4, 0), 4, 1.06, 1 + (Z * 4 + 4 * (Z**2 - 1) / 6) / 100),
        (Richness(8, 3, 0, 0), 1, 1.375, 1 + (Z**2 - 1) / 6 / 8),
        (Richness(100, 4, 10, 0), 1, 1.0, None),
    ],
)
def test_the_ratio_and_its_noise(
    found: Richness, effect: float, ratio: float, noise: float | None
) -> None:
    assert found.ratio == pytest.approx(ratio)
    if noise is not None:
        assert found.noise(Z, effect) == pytest.approx(noise)


def test_categories_that_the_profile_forgot_are_not_new() -> None:
    remembered = richness([50, 30], 20, 10, 0, new=[], rows=100)
    forgotten = richness([50, 30], 20, 10, 6, new=[2, 1, 1, 1, 1, 1], rows=100)
    assert remembered is not None
    assert forgotten is not None
    assert forgotten.new_expected - remembered.new_expected == pytest.approx(6)
    assert forgotten.ratio == 1.0


@pytest.mark.parametrize(("counts", "new", "rows"), [([], [5], 10), ([5], [], 0)])
def test_without_rows_there_is_no_ratio(counts: list[int], new: list[int], rows: int) -> None:
    assert richness(counts, 0, 0, 0, new=new, rows=rows) is None
