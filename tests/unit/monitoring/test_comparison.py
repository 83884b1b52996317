import numpy as np
import pytest
from sklearn.utils import murmurhash3_32

from housing_core.bundle import CategoricalProfile, FeatureProfile, NumericProfile
from housing_core.drift_report import FeatureDrift
from housing_monitoring.columns import CategoricalColumn, NumericColumn
from housing_monitoring.measures.comparison import compare as compare_tally
from housing_monitoring.measures.statistics import quantile
from tests import windows
from tests.windows import Column, tally

Z = quantile(20)

AREA = NumericProfile(
    rows=10_000,
    missing=1_000,
    edges=[50.0, 100.0, 150.0],
    counts=[3_000, 3_000, 2_990, 10],
    mean=90.0,
    std=40.0,
    skewness=0.5,
    minimum=20.0,
    maximum=900.0,
)
DISTRICT = CategoricalProfile(
    rows=10_000,
    missing=500,
    counts={"Kadıköy": 5_000, "Şile": 4_000, "Adalar": 100},
    other=400,
    cardinality=43,
    other_hashes=[murmurhash3_32(f"rare {i}", positive=True) for i in range(40)],
)


def compare(name: str, profile: FeatureProfile, column: Column, z: float) -> FeatureDrift:
    return compare_tally(name, tally(profile, column), z)


def numbers(*values: float) -> NumericColumn:
    return windows.numbers(np.array(values))


def categories(rows: dict[str, int], missing: int = 0) -> CategoricalColumn:
    codes = np.repeat(np.arange(len(rows)), list(rows.values()))
    return CategoricalColumn(tuple(rows), np.append(codes, np.full(missing, -1)))


def test_a_value_on_an_edge_belongs_to_the_bin_below_it() -> None:
    column = numbers(*([50.0] * 300), *([100.0] * 300), *([150.0] * 300), *([150.5] * 100))
    feature = compare("area", AREA, column, Z)
    assert [(b.label, b.window) for b in feature.bins] == [
        ("≤ 50", 300),
        ("50 – 100", 300),
        ("> 100", 400),
        ("(missing)", 0),
    ]


def test_bins_that_expect_few_rows_are_joined_with_their_neighbour() -> None:
    few = compare("area", AREA, numbers(*np.linspace(20, 149, 20)), Z)
    assert [b.label for b in few.bins] == ["≤ 50", "50 – 100", "> 100", "(missing)"]
    many = compare("area", AREA, numbers(*np.linspace(20, 149, 10_000)), Z)
    assert [b.label for b in many.bins] == ["≤ 50", "50 – 100", "100 – 150", "> 150", "(missing)"]
    assert [b.reference for b in many.bins] == [3_000, 3_000, 2_990, 10, 1_000]


def test_a_column_that_vanished_has_moved_as_far_as_it_can() -> None:
    feature = compare("area", AREA, numbers(*([np.nan] * 200)), Z)
    assert (feature.missing_share_reference, feature.missing_share_window) == (0.1, 1.0)
    assert feature.psi is not None
    assert feature.psi > 3
    assert (feature.mean_window, feature.std_window, feature.out_of_range_share) == (
        None,
        None,
        None,
    )


def test_a_feature_that_training_never_saw_filled_is_compared_by_its_filling() -> None:
    never = NumericProfile(
        rows=10_000,
        missing=10_000,
        edges=[],
        counts=[0],
        mean=None,
        std=None,
        skewness=None,
        minimum=None,
        maximum=None,
    )
    assert compare("area", never, numbers(*([np.nan] * 200)), Z).psi == 0
    filled = compare("area", never, numbers(*([5.0] * 200)), Z)
    assert filled.psi is not None
    assert filled.psi > 3


def test_values_outside_the_range_of_training_are_counted() -> None:
    feature = compare("area", AREA, numbers(10.0, 20.0, 900.0, 901.0), Z)
    assert feature.out_of_range_share == 0.5


def test_rare_and_new_categories_have_bins_of_their_own() -> None:
    column = categories({"Kadıköy": 100, "Adalar": 5, "rare 1": 6, "Foça": 7, "Urla": 1}, 3)
    feature = compare("district", DISTRICT, column, Z)
    assert [(b.label, b.window) for b in feature.bins] == [
        ("Kadıköy", 100),
        ("Şile", 0),
        ("(41 rare ones)", 11),
        ("(new)", 8),
        ("(missing)", 3),
    ]
    assert sum(b.reference for b in feature.bins) == 10_000
    assert feature.new_categories == {"Foça": 7, "Urla": 1}
    assert feature.new_share == pytest.approx(8 / 122)
    assert feature.new_share_expected == pytest.approx(40**2 / 400 / 10_000)


@pytest.mark.parametrize(
    "text", ["a", "ab", "abc", "abcd", "Kadıköy", "Çekmeköy Mahallesi", "日本", "x" * 1_000]
)
def test_a_rare_category_is_known_by_the_hash_that_training_made_of_it(text: str) -> None:
    hashes = [murmurhash3_32(text.encode(), seed=0, positive=True)]
    profile = CategoricalProfile(
        rows=100, missing=0, counts={"often": 90}, other=10, cardinality=2, other_hashes=hashes
    )
    feature = compare("street", profile, categories({text: 7, f"{text}!": 1}), Z)
    assert [b.window for b in feature.bins if b.kind == "Rare"] == [7]
    assert feature.new_categories == {f"{text}!": 1}


def test_categories_that_the_profile_forgot_are_expected_among_the_new_ones() -> None:
    forgetful = DISTRICT.model_copy(update={"other_hashes": DISTRICT.other_hashes[:10]})
    feature = compare("district", forgetful, categories({"Kadıköy": 96, "rare 39": 4}), Z)
    assert feature.new_share == pytest.approx(0.04)
    assert feature.new_share_expected == pytest.approx((4 + 300) / 10_000)
    assert feature.new_categories_found == 1.0
    assert feature.new_categories_expected == pytest.approx(2.9, abs=0.1)
    assert feature.cardinality_ratio == 1.0
    assert [(b.label, b.reference, b.window) for b in feature.bins] == [
        ("Kadıköy", 5_000, 96),
        ("Şile", 4_000, 0),
        ("(41 rare ones)", 196, 0),
        ("(new)", 304, 4),
        ("(missing)", 500, 0),
    ]


def test_another_city_in_a_column_with_one_category_is_drift() -> None:
    city = CategoricalProfile(rows=20_000, missing=0, counts={"İstanbul": 20_000}, cardinality=1)
    assert compare("city", city, categories({"İstanbul": 200}), Z).psi == 0
    moved = compare("city", city, categories({"İzmir": 200}), Z)
    assert moved.psi is not None
    assert moved.psi > 5
    assert moved.cardinality_ratio == 2.0
