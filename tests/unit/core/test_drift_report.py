import json
from typing import Any

from housing_core.api import DriftAlert
from housing_core.api.status import (
    ALERT_LIMIT,
    FEATURE_LIMIT,
    TEXT_LIMIT,
    AlertCounts,
    MeasuredScore,
)
from housing_core.drift_report import (
    DriftReport,
    FeatureDrift,
    Performance,
    Score,
    report_id,
    shortened,
)

THRESHOLDS = {"psi": 0.25, "prediction_drift": 0.15}


def feature(name: str, psi: float | None, ratio: float | None = None) -> FeatureDrift:
    return FeatureDrift(name=name, kind="Categorical", psi=psi, cardinality_ratio=ratio)


def alert(severity: Any, name: str = "PSI") -> DriftAlert:
    return DriftAlert(name=name, severity=severity)


def report(**changes: Any) -> DriftReport:
    settings: dict[str, Any] = {
        "report_id": "r",
        "model_name": "homes.istanbul",
        "model_version": "3",
        "time": "2026-11-23T15:30:00Z",
        "window_start": "2026-11-23T09:00:00Z",
        "window_end": "2026-11-23T15:00:00Z",
        "samples": 1_000,
        "verdict": "Drift",
        "reason": "because",
        "dataset_fingerprint": "f",
        "run_id": "run",
    }
    return DriftReport(**(settings | changes))


def test_the_summary_names_the_largest_scores() -> None:
    features = [feature("a", 0.1, 1.5), feature("b", None, None), feature("c", 0.4, 1.2)]
    status = report(features=features, prediction_drift=0.02).to_status()
    scores = status.scores
    assert scores is not None
    assert (scores.max_psi, scores.max_psi_feature) == (0.4, "c")
    assert (scores.max_cardinality_ratio, scores.max_cardinality_ratio_feature) == (1.5, "a")
    assert scores.prediction_drift == 0.02
    assert (status.report_id, status.run_id, status.dataset_fingerprint) == ("r", "run", "f")


def test_the_summary_names_the_features_that_moved_furthest() -> None:
    features = [feature(f"f{number}", number / 100) for number in range(FEATURE_LIMIT + 1)]
    kept = report(features=[*features, feature("none", None)]).to_status().features
    assert [entry.name for entry in kept] == [
        f"f{number}" for number in range(FEATURE_LIMIT, 0, -1)
    ]


def test_the_summary_says_how_the_distribution_of_a_number_moved() -> None:
    moments = {
        "mean_reference": 100.0,
        "mean_window": 90.0,
        "std_reference": 20.0,
        "std_window": 30.0,
        "skewness_reference": 0.5,
        "skewness_window": 2.0,
        "out_of_range_share": 0.03,
    }
    number = FeatureDrift(name="area", kind="Numeric", psi=0.1, **moments)
    still = FeatureDrift(name="floor", kind="Numeric", **{**moments, "std_reference": 0.0})
    moved, other = report(features=[number, still]).to_status().features
    assert (moved.mean_shift, moved.deviation_ratio) == (-0.5, 1.5)
    assert (moved.skewness_shift, moved.out_of_range_share) == (1.5, 0.03)
    assert (other.mean_shift, other.deviation_ratio) == (None, None)


def test_the_summary_gives_the_scores_with_their_intervals() -> None:
    accuracy = Score(value=0.7, lower=0.6, upper=0.8, reference=0.78, drop=0.08)
    performance = Performance(confidence=0.998, labels=150, labels_needed=100, accuracy=accuracy)
    status = report(performance=performance).to_status().performance
    assert status is not None
    assert (status.labels, status.macro_f1, status.estimated_accuracy) == (150, None, None)
    assert status.accuracy == MeasuredScore(value=0.7, lower=0.6, upper=0.8, reference=0.78)
    assert report().to_status().performance is None


def test_a_report_without_features_has_no_scores() -> None:
    status = report(samples=0, window_start=None, window_end=None, verdict="NotEnoughData")
    written = status.to_status().to_json()
    assert "maxPsi" not in json.dumps(written)
    assert "windowStart" not in written


def test_the_summary_keeps_the_gravest_alerts() -> None:
    alerts = [alert("Low")] * 15 + [alert("Medium")] * 15 + [alert("High", "PredictionDrift")]
    status = report(alerts=alerts).to_status()
    kept = status.alerts
    assert kept is not None
    assert len(kept) == ALERT_LIMIT
    assert kept[0].name == "PredictionDrift"
    assert [entry.severity for entry in kept].count("Medium") == 15
    assert status.alert_counts == AlertCounts(high=1, medium=15, low=15)


def test_long_texts_are_cut_to_what_the_status_takes() -> None:
    long = report(reason="ş" * 5_000, features=[feature("x" * 3_000, 0.5, 2.0)])
    status = long.to_status()
    assert status.reason is not None
    assert len(status.reason) == TEXT_LIMIT
    assert status.reason.endswith("...")
    assert shortened("short") == "short"


def test_a_report_is_read_as_it_was_written() -> None:
    written = report(features=[feature("a", 0.1)], alerts=[alert("Low")], skipped_rows={"x": 1})
    assert DriftReport.model_validate_json(written.model_dump_json()) == written


def test_the_id_is_that_of_the_question() -> None:
    first = report_id("homes.istanbul", "3", "digest", THRESHOLDS)
    assert first == report_id("homes.istanbul", "3", "digest", dict(reversed(THRESHOLDS.items())))
    others = {
        report_id("homes.izmir", "3", "digest", THRESHOLDS),
        report_id("homes.istanbul", "4", "digest", THRESHOLDS),
        report_id("homes.istanbul", "3", "other", THRESHOLDS),
        report_id("homes.istanbul", "3", "digest", {**THRESHOLDS, "psi": 0.26}),
    }
    assert first not in others
    assert len(others) == 4
