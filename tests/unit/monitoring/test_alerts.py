"""Alerts and the verdict that they lead to, from measurements written down by hand."""

from typing import Any

import pytest

from housing_core.api.spec import Thresholds
from housing_core.api.status import DriftAlert
from housing_core.drift_report import Bin, FeatureDrift, Performance, Score
from housing_monitoring.alerts import find_alerts as alerts_of
from housing_monitoring.measures.measurements import ClassDrift, levels, measure
from housing_monitoring.measures.performance import CONFIDENCE
from housing_monitoring.measures.statistics import Divergence, kullback_leibler, quantile
from housing_monitoring.verdict import decide

Z = quantile(20)
THRESHOLDS = Thresholds()
ROWS: dict[str, Any] = {"rows_reference": 20_000, "rows_window": 1_000}


def find_alerts(
    features: list[FeatureDrift],
    classes: ClassDrift | None,
    performance: Performance,
    thresholds: Thresholds,
    z: float,
) -> list[DriftAlert]:
    against = levels(thresholds)
    return alerts_of(measure(features, classes, performance, against, z), against)


def ranges(*window: int) -> list[Bin]:
    """Bins that are equally full in the reference."""
    rows = ROWS["rows_reference"] // len(window)
    return [Bin(kind="Range", label="", reference=rows, window=now) for now in window]


WIDER, NARROWER = ranges(340, 160, 160, 340), ranges(160, 340, 340, 160)
LOPSIDED = ranges(150, 350, 150, 350)


def number(**measured: Any) -> FeatureDrift:
    base: dict[str, Any] = {
        "bins": ranges(250, 250, 250, 250),
        "psi": 0.0,
        "psi_noise": 0.03,
        "missing_share_reference": 0.05,
        "missing_share_window": 0.05,
        "mean_reference": 100.0,
        "mean_window": 100.0,
        "std_reference": 30.0,
        "std_window": 30.0,
        "skewness_reference": 0.0,
        "skewness_window": 0.0,
        "out_of_range_share": 0.0,
    }
    return FeatureDrift(name="area", kind="Numeric", **(ROWS | base | measured))


def category(**measured: Any) -> FeatureDrift:
    base: dict[str, Any] = {
        "psi": 0.0,
        "psi_noise": 0.03,
        "missing_share_reference": 0.0,
        "missing_share_window": 0.0,
        "new_share": 0.0,
        "new_share_expected": 0.0,
        "cardinality_ratio": 1.0,
        "categories_expected": 30.0,
        "new_categories_found": 0.0,
        "new_categories_expected": 0.0,
        "new_categories_expected_error": 0.0,
    }
    return FeatureDrift(name="district", kind="Categorical", **(ROWS | base | measured))


def classes(low: int, medium: int, high: int) -> ClassDrift:
    rows = low + medium + high
    shares = {"Low": low / rows, "Medium": medium / rows, "High": high / rows}
    return ClassDrift(
        divergence=kullback_leibler([2_000, 2_000, 1_000], [low, medium, high], Z),
        reference={"Low": 0.4, "Medium": 0.4, "High": 0.2},
        window=shares,
        reference_rows=5_000,
        window_rows=rows,
    )


STEADY = classes(400, 400, 200)
UNLABELLED = Performance(confidence=CONFIDENCE, labels_needed=100)


def score(value: float, drop: float, reach: float) -> Score:
    """A score that fell by `drop`, which chance explains up to `reach`."""
    return Score(
        value=value,
        lower=value - reach,
        upper=value + reach,
        reference=value + drop,
        drop=drop,
        drop_lower=drop - reach,
        drop_upper=drop + reach,
        drop_supported=drop - reach * 1.96 / 3.09,
    )


def performance(labels: int = 500, **scores: Score) -> Performance:
    return UNLABELLED.model_copy(update={"labels": labels, **scores})


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        (number(), []),
        (number(psi=0.26), [("PSI", "High")]),
        (number(psi=0.25), [("PSI", "Medium")]),
        (number(psi=0.11), [("PSI", "Medium")]),
        (number(psi=0.26, psi_noise=0.3), []),
        (number(psi=None), []),
        (number(mean_window=109.0), [("MeanShift", "Medium")]),
        (number(mean_window=69.0), [("MeanShift", "High")]),
        (number(mean_window=107.0), []),
        (number(mean_window=109.0, rows_window=100), []),
        (number(mean_window=None, std_window=None, skewness_window=None), []),
        (number(std_reference=0.0, std_window=0.0, skewness_reference=None), []),
        (number(std_window=50.0, bins=WIDER), [("StandardDeviationShift", "Medium")]),
        (number(std_window=15.0, bins=NARROWER), [("StandardDeviationShift", "Medium")]),
        (number(std_window=50.0), []),
        (number(skewness_window=1.2, bins=LOPSIDED), [("SkewnessShift", "Low")]),
        (number(skewness_window=1.2), []),
        (number(skewness_window=1.2, bins=WIDER), []),
        (number(missing_share_window=0.12), [("MissingShare", "Medium")]),
        (number(missing_share_window=0.3), [("MissingShare", "High")]),
        (number(missing_share_window=0.0), []),
        (number(missing_share_window=0.12, rows_window=50), []),
        (number(out_of_range_share=0.02), [("OutOfRange", "Low")]),
        (number(out_of_range_share=0.02, rows_reference=400), []),
        (category(), []),
        (category(new_share=0.05), [("NewCategories", "Medium")]),
        (category(new_share=0.3), [("NewCategories", "High")]),
        (category(new_share=0.95, new_share_expected=0.94), []),
        (category(new_share=None, new_share_expected=None), []),
        (category(categories_expected=None), []),
        (category(new_share=0.002, new_categories_found=10.0), [("CardinalityRatio", "Low")]),
        (
            category(new_share=0.05, new_categories_found=10.0),
            [("CardinalityRatio", "High"), ("NewCategories", "Medium")],
        ),
        (category(new_share=0.05, new_categories_found=9.0), [("NewCategories", "Medium")]),
        (category(new_categories_found=20.0, new_categories_expected=12.0), []),
        (category(new_categories_found=22.0, new_categories_expected_error=6.0), []),
        (category(new_categories_found=10.0, design_effect=5.0), []),
    ],
)
def test_what_moved_is_an_alert(feature: FeatureDrift, expected: list[tuple[str, str]]) -> None:
    found = find_alerts([feature], STEADY, UNLABELLED, THRESHOLDS, Z)
    assert [(alert.name, alert.severity) for alert in found] == expected


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [
        (STEADY, []),
        (classes(500, 300, 200), [("ClassShare", "Medium"), ("ClassShare", "Medium")]),
        (classes(80, 75, 45), []),
        (
            classes(100, 300, 600),
            [("PredictionDrift", "High"), ("ClassShare", "Medium")]
            + [("ClassShare", "Medium")] * 2,
        ),
        (None, []),
    ],
)
def test_predictions_that_moved_are_alerts(predicted, expected) -> None:
    found = find_alerts([], predicted, UNLABELLED, THRESHOLDS, Z)
    assert [(alert.name, alert.severity) for alert in found] == expected


def test_an_alert_says_what_it_was_held_against() -> None:
    (alert,) = find_alerts([number(psi=0.5, psi_noise=0.3)], STEADY, UNLABELLED, THRESHOLDS, Z)
    assert (alert.feature, alert.value, alert.threshold) == ("area", 0.5, 0.3)


def test_names_and_messages_fit_into_the_status() -> None:
    feature = number(psi=3.0).model_copy(update={"name": "x" * 3_000})
    (alert,) = find_alerts([feature], STEADY, UNLABELLED, THRESHOLDS, Z)
    assert alert.feature is not None
    assert len(alert.feature) == len(alert.message) == 1_024


@pytest.mark.parametrize(
    ("features", "predicted", "verdict"),
    [
        ([number(), category()], STEADY, "Stable"),
        ([number(psi=0.251)], STEADY, "Drift"),
        ([number(psi=0.25)], STEADY, "Stable"),
        ([number(psi=0.3, psi_noise=0.31)], STEADY, "Stable"),
        ([number()], classes(100, 300, 600), "Drift"),
        ([category(new_share=0.3)], STEADY, "Stable"),
        ([category(new_share=0.3), number(missing_share_window=0.4)], STEADY, "Drift"),
        ([category(new_share=0.05), number(missing_share_window=0.1)], STEADY, "Stable"),
        ([], None, "Stable"),
    ],
)
def test_the_verdict_follows_the_rule_of_the_seed(features, predicted, verdict) -> None:
    found = find_alerts(features, predicted, UNLABELLED, THRESHOLDS, Z)
    assert decide(features, predicted, UNLABELLED, found, THRESHOLDS).name == verdict


@pytest.mark.parametrize(
    ("thresholds", "verdict"),
    [
        (Thresholds(psi=0.5), "Stable"),
        (Thresholds(psi=0.2), "Drift"),
        (Thresholds(psi=0.5, high_severity_alerts=1), "Stable"),
    ],
)
def test_the_thresholds_are_the_user_s(thresholds: Thresholds, verdict: str) -> None:
    features = [number(psi=0.3)]
    found = find_alerts(features, STEADY, UNLABELLED, thresholds, Z)
    assert decide(features, STEADY, UNLABELLED, found, thresholds).name == verdict


def test_the_reason_holds_the_numbers() -> None:
    features = [number(psi=0.12), category(psi=0.4)]
    found = find_alerts(features, STEADY, UNLABELLED, THRESHOLDS, Z)
    assert decide(features, STEADY, UNLABELLED, found, THRESHOLDS).reason == (
        "PSI of district 0.400 > 0.25; prediction drift 0.000 <= 0.15; high-severity alerts 1 < 2; "
        "accuracy not judged by 0 labels, 100 are needed"
    )


def test_the_reason_tells_when_few_rows_raised_the_limit() -> None:
    features = [number(psi=0.3, psi_noise=0.42)]
    drift = ClassDrift(Divergence(0.2, 0.0, 0.2, 0.1), {}, {}, 5_000, 50)
    assert decide(features, drift, UNLABELLED, [], THRESHOLDS).reason == (
        "PSI of area 0.300 <= 0.42 (the threshold is 0.25, but chance explains more in so few "
        "rows); prediction drift 0.200 <= 0.15; high-severity alerts 0 < 2; "
        "accuracy not judged by 0 labels, 100 are needed"
    )


BY_ESTIMATE = Thresholds(estimated_accuracy_drop=0.05)
BY_MACRO_F1 = Thresholds(macro_f1_drop=0.1)


@pytest.mark.parametrize(
    ("measured", "thresholds", "expected"),
    [
        (performance(accuracy=score(0.72, 0.09, 0.06)), THRESHOLDS, ("AccuracyDrop", "High")),
        (performance(accuracy=score(0.72, 0.09, 0.065)), THRESHOLDS, None),
        (performance(accuracy=score(0.72, 0.05, 0.001)), THRESHOLDS, None),
        (performance(accuracy=score(0.4, 0.3, 0.31)), THRESHOLDS, None),
        (performance(99, accuracy=score(0.1, 0.7, 0.1)), THRESHOLDS, None),
        (performance(accuracy=score(0.7, 0.2, 0.1)), Thresholds(accuracy_drop=0.3), None),
        (performance(macro_f1=score(0.6, 0.2, 0.1)), THRESHOLDS, ("MacroF1Drop", "Medium")),
        (performance(macro_f1=score(0.6, 0.2, 0.1)), BY_MACRO_F1, ("MacroF1Drop", "High")),
        (performance(99, macro_f1=score(0.6, 0.2, 0.1)), BY_MACRO_F1, None),
        (performance(macro_f1=score(0.6, 0.2, 0.17)), BY_MACRO_F1, None),
        (
            performance(0, estimated_accuracy=score(0.6, 0.2, 0.1)),
            THRESHOLDS,
            ("EstimatedAccuracyDrop", "Medium"),
        ),
        (
            performance(0, estimated_accuracy=score(0.6, 0.2, 0.1)),
            BY_ESTIMATE,
            ("EstimatedAccuracyDrop", "High"),
        ),
        (performance(0, estimated_accuracy=score(0.75, 0.04, 0.01)), BY_ESTIMATE, None),
        (performance(accuracy=Score(value=0.1, lower=0, upper=0.2)), THRESHOLDS, None),
    ],
)
def test_a_score_asks_for_retraining_when_it_fell_further_than_threshold_and_chance(
    measured: Performance, thresholds: Thresholds, expected: tuple[str, str] | None
) -> None:
    found = find_alerts([], STEADY, measured, thresholds, Z)
    assert [(alert.name, alert.severity) for alert in found] == ([expected] if expected else [])
    verdict = decide([], STEADY, measured, found, thresholds)
    asked = expected is not None and expected[1] == "High"
    assert verdict.name == ("Drift" if asked else "Stable")
    assert [rule.name for rule in verdict.rules if rule.holds] == ([expected[0]] if asked else [])


def test_the_reason_names_the_fall_of_the_accuracy() -> None:
    fell = performance(accuracy=score(0.7, 0.08, 0.0309))
    found = find_alerts([], STEADY, fell, THRESHOLDS, Z)
    assert decide([], STEADY, fell, found, THRESHOLDS).reason.endswith(
        "high-severity alerts 1 < 2; drop of the accuracy to 0.700 0.080 > 0.0696 (the threshold is "
        "0.05, but chance explains more in so few rows)"
    )


def test_an_estimate_is_no_rule_unless_the_spec_makes_it_one() -> None:
    rules = decide([], STEADY, UNLABELLED, [], THRESHOLDS).rules
    assert "EstimatedAccuracyDrop" not in [rule.name for rule in rules]
    rule = decide([], STEADY, UNLABELLED, [], BY_ESTIMATE).rules[-1]
    assert (rule.name, rule.holds, rule.value) == ("EstimatedAccuracyDrop", False, None)
    assert rule.text == "accuracy not estimated, as the profile has no calibration"
