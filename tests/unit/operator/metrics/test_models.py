"""What Prometheus sees of the HousingModels."""

import copy

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from housing_core.api.status import FeatureScores, HousingModelStatus
from housing_operator.metrics.gauges import GAUGES
from housing_operator.metrics.models import ModelMetrics
from tests import prometheus

BODY = {
    "metadata": {"namespace": "ns", "name": "m"},
    "spec": {"dataset": {"uri": "/data", "target": {"column": "price"}}, "suspend": True},
    "status": {
        "conditions": [
            {
                "type": kind,
                "status": status,
                "reason": reason,
                "message": "",
                "lastTransitionTime": "2026-11-23T12:00:00Z",
            }
            for kind, status, reason in (
                ("Ready", "True", "ProductionAnswers"),
                ("DriftDetected", "Unknown", "NoReport"),
            )
        ],
        "production": {
            "version": "3",
            "since": "2026-11-23T12:00:00Z",
            "registeredAt": "2026-11-23T11:00:00Z",
            "readyReplicas": 2,
            "macroF1": 0.78,
            "accuracy": 0.79,
            "rocAuc": 0.92,
        },
        "candidate": {"version": "4", "step": "Staging", "since": "2026-11-23T13:00:00Z"},
        "rejectedVersions": [{"version": "2", "reason": "", "time": "2026-11-23T11:00:00Z"}],
        "retraining": {"failures": 1},
        "training": {
            "key": "k",
            "trigger": "Drift",
            "token": "t",
            "attempt": 2,
            "jobName": "j",
            "startedAt": "2026-11-23T12:30:00Z",
            "finishedAt": "2026-11-23T12:40:30Z",
            "outcome": "Registered",
        },
        "inputs": {
            "version": "4",
            "rows": 1000,
            "columns": [
                {"name": "area", "kind": "Number"},
                {"name": "rooms", "kind": "Number"},
                {"name": "district", "kind": "Categorical"},
            ],
            "boundaries": [{"below": "Low", "price": 2e6, "above": "Medium"}],
        },
        "drift": {
            "reportId": "r1",
            "modelVersion": "3",
            "time": "2026-11-23T14:00:00Z",
            "verdict": "Drift",
            "samples": 500,
            "runId": "abc",
            "scores": {"maxPsi": 0.5, "maxPsiFeature": "district", "predictionDrift": 0.02},
            "features": [{"name": "district", "psi": 0.5, "newShare": 0.1}],
            "performance": {
                "labels": 40,
                "accuracy": {"value": 0.7, "lower": 0.6, "upper": 0.8, "reference": 0.78},
                "estimatedAccuracy": {"value": 0.75, "lower": 0.74, "upper": 0.76},
            },
            "alerts": [
                {
                    "name": "PSI",
                    "feature": "district",
                    "severity": "High",
                    "value": 0.5,
                    "threshold": 0.25,
                },
                {"name": "ClassShare", "severity": "Medium", "value": 0.06, "threshold": 0.05},
                {"name": "ClassShare", "severity": "Medium", "value": 0.08, "threshold": 0.05},
            ],
        },
        "history": [
            {"time": "2026-11-23T12:40:30Z", "event": "Registered", "trigger": "Drift"},
        ],
    },
}


class Scrape:
    """One model as it is scraped after each event."""

    def __init__(self):
        self.models = ModelMetrics()
        self.registry = CollectorRegistry()
        self.registry.register(self.models)

    def __call__(self, name, **labels):
        return self.registry.get_sample_value(name, {"namespace": "ns", "model": "m", **labels})

    def text(self):
        return generate_latest(self.registry).decode()


def with_events(*events):
    body = copy.deepcopy(BODY)
    body["status"]["history"] = [
        {"time": f"2026-11-23T13:00:{59 - place:02}Z", "event": event, "trigger": trigger}
        for place, (event, trigger) in enumerate(events)
    ] + body["status"]["history"]
    return body


def test_the_status_is_shown_as_numbers():
    scrape = Scrape()
    scrape.models.see(BODY)
    assert scrape("housing_model_condition", type="Ready", reason="ProductionAnswers") == 1
    assert scrape("housing_model_condition", type="DriftDetected", reason="NoReport") == 0
    assert scrape("housing_model_suspended") == 1
    assert scrape("housing_model_version", track="production") == 3
    assert scrape("housing_model_version", track="staging") is None
    noon = 1795435200
    assert scrape("housing_model_version_since_timestamp_seconds", track="production") == noon
    registered = scrape("housing_model_version_registered_timestamp_seconds", track="production")
    assert registered == noon - 3600
    assert scrape("housing_model_ready_replicas", track="production") == 2
    assert scrape("housing_model_holdout_score", track="production", score="roc_auc") == 0.92
    assert scrape("housing_model_candidate_step", step="Staging") == 1
    assert scrape("housing_model_candidate_step", step="Production") == 0
    assert scrape("housing_model_rejected_versions") == 1
    assert scrape("housing_model_training_running") == 0
    assert scrape("housing_model_training_attempts") == 2
    assert scrape("housing_model_training_duration_seconds") == 630
    assert scrape("housing_model_training_outcome", outcome="Registered") == 1
    assert scrape("housing_model_training_outcome", outcome="Failed") == 0
    assert scrape("housing_model_training_failures") == 1
    assert scrape("housing_model_training_rows") == 1000
    assert scrape("housing_model_input_columns", kind="Number") == 2
    assert scrape("housing_model_class_boundary", below="Low", above="Medium") == 2e6


def test_the_drift_report_is_shown_by_score_feature_and_severity():
    scrape = Scrape()
    scrape.models.see(BODY)
    assert scrape("housing_model_drift_report_timestamp_seconds") == 1795442400
    assert scrape("housing_model_drift_report_info", version="3", run_id="abc") == 1
    assert scrape("housing_model_drift_verdict", verdict="Drift") == 1
    assert scrape("housing_model_drift_verdict", verdict="Stable") == 0
    assert scrape("housing_model_drift_window_rows") == 500
    assert scrape("housing_model_drift_report_interval_seconds") == 3600
    assert scrape("housing_model_drift_score", score="psi", feature="district") == 0.5
    assert scrape("housing_model_drift_threshold", score="psi") == 0.25
    assert scrape("housing_model_drift_score", score="high_severity_alerts", feature="") == 1
    assert scrape("housing_model_drift_threshold", score="high_severity_alerts") == 2
    assert scrape("housing_model_drift_alerts", severity="Medium") == 2
    assert scrape("housing_model_drift_alerts", severity="Low") == 0
    alert = {"alert": "PSI", "feature": "district", "severity": "High"}
    assert scrape("housing_model_drift_alert_value", **alert) == 0.5
    assert scrape("housing_model_drift_alert_threshold", **alert) == 0.25


def test_features_and_performance_are_shown_as_far_as_they_are_known():
    scrape = Scrape()
    scrape.models.see(BODY)
    feature = {"feature": "district"}
    assert scrape("housing_model_drift_feature_score", score="psi", **feature) == 0.5
    assert scrape("housing_model_drift_feature_score", score="new_share", **feature) == 0.1
    assert scrape("housing_model_drift_feature_score", score="mean_shift", **feature) is None
    assert scrape("housing_model_labelled_rows") == 40
    assert scrape("housing_model_performance", score="accuracy") == 0.7
    assert scrape("housing_model_performance_lower", score="accuracy") == 0.6
    assert scrape("housing_model_performance_upper", score="accuracy") == 0.8
    assert scrape("housing_model_performance_reference", score="accuracy") == 0.78
    assert scrape("housing_model_performance", score="estimated_accuracy") == 0.75
    drop = scrape("housing_model_drift_score", score="accuracy_drop", feature="")
    assert drop == pytest.approx(0.08)
    assert scrape("housing_model_drift_threshold", score="accuracy_drop") == 0.05
    assert scrape("housing_model_performance_reference", score="estimated_accuracy") is None
    assert scrape("housing_model_performance", score="macro_f1") is None


def test_alerts_that_share_their_labels_show_the_largest():
    scrape = Scrape()
    scrape.models.see(BODY)
    labels = {"alert": "ClassShare", "feature": "", "severity": "Medium"}
    assert scrape("housing_model_drift_alert_value", **labels) == 0.08


def test_alerts_that_the_status_has_no_room_for_are_counted():
    scrape = Scrape()
    body = copy.deepcopy(BODY)
    body["status"]["drift"]["alertCounts"] = {"high": 25, "medium": 3}
    scrape.models.see(body)
    assert scrape("housing_model_drift_alerts", severity="High") == 25
    assert scrape("housing_model_drift_alerts", severity="Medium") == 3
    assert scrape("housing_model_drift_alerts", severity="Low") == 0
    assert scrape("housing_model_drift_score", score="high_severity_alerts", feature="") == 25


def test_a_new_model_shows_what_is_known_and_no_more():
    scrape = Scrape()
    scrape.models.see({"metadata": BODY["metadata"], "spec": {"dataset": BODY["spec"]["dataset"]}})
    assert scrape("housing_model_suspended") == 0
    assert scrape("housing_model_training_running") == 0
    assert "housing_model_version{" not in scrape.text()
    assert "housing_model_drift_score{" not in scrape.text()


@pytest.mark.parametrize(
    "monitoring", [{"thresholds": {"psi": "much"}}, {"schedule": "0 25 * * *"}]
)
def test_a_spec_that_cannot_be_read_hides_only_what_it_says(monitoring):
    scrape = Scrape()
    body = copy.deepcopy(BODY)
    body["spec"]["monitoring"] = monitoring
    scrape.models.see(body)
    assert "housing_model_drift_threshold{" not in scrape.text()
    assert scrape("housing_model_version", track="production") == 3


def test_every_series_of_a_model_that_is_gone_goes_with_it():
    scrape = Scrape()
    scrape.models.see(BODY)
    assert 'model="m"' in scrape.text()
    scrape.models.forget(("ns", "m"))
    assert 'model="m"' not in scrape.text()
    scrape.models.forget(("ns", "m"))


def test_what_happens_is_counted_once_and_what_happened_before_is_not():
    scrape = Scrape()
    scrape.models.see(BODY)
    trained = {"trigger": "Drift", "outcome": "Registered"}
    assert scrape("housing_model_trainings_total", **trained) == 0
    assert scrape("housing_model_rollouts_total", outcome="Promoted") == 0
    scrape.models.see(with_events(("Promoted", None)))
    scrape.models.see(with_events(("Promoted", None)))
    assert scrape("housing_model_rollouts_total", outcome="Promoted") == 1
    assert scrape("housing_model_trainings_total", **trained) == 0


def test_a_training_adds_what_it_took_to_the_time_of_its_trigger_and_outcome():
    scrape = Scrape()
    scrape.models.see({**BODY, "status": {}})
    scrape.models.see(BODY)
    drift = {"trigger": "Drift", "outcome": "Registered"}
    assert scrape("housing_model_training_seconds_total", **drift) == 630
    later = with_events(("TrainingFailed", "Schedule"))
    ended = later["status"]["history"][0]["time"]
    later["status"]["training"] |= {
        "trigger": "Schedule",
        "startedAt": "2026-11-23T12:59:59Z",
        "finishedAt": ended,
        "outcome": "InvalidData",
    }
    scrape.models.see(later)
    scrape.models.see(later)
    schedule = {"trigger": "Schedule", "outcome": "Failed"}
    assert scrape("housing_model_training_seconds_total", **schedule) == 60
    assert scrape("housing_model_training_seconds_total", **drift) == 630


def test_several_events_of_one_step_are_all_counted():
    scrape = Scrape()
    scrape.models.see(BODY)
    scrape.models.see(
        with_events(("RolledBack", None), ("Rejected", None), ("TrainingFailed", "Schedule"))
    )
    assert scrape("housing_model_rollouts_total", outcome="RolledBack") == 1
    assert scrape("housing_model_rollouts_total", outcome="Rejected") == 1
    failed = {"trigger": "Schedule", "outcome": "Failed"}
    assert scrape("housing_model_trainings_total", **failed) == 1


def test_the_first_event_of_a_model_is_counted():
    scrape = Scrape()
    scrape.models.see({**BODY, "status": {}})
    scrape.models.see(BODY)
    trained = {"trigger": "Drift", "outcome": "Registered"}
    assert scrape("housing_model_trainings_total", **trained) == 1


def test_the_largest_status_that_the_api_server_takes_makes_few_series():
    """Users name features and send values; the number of series follows neither."""
    body = copy.deepcopy(BODY)
    drift = body["status"]["drift"]
    drift["alerts"] = [
        {"name": "PSI", "feature": f"f{n}", "severity": "High", "value": 1.0, "threshold": 0.25}
        for n in range(20)
    ]
    scores = {
        score: 0.1 for score in FeatureScores(name="f").model_dump(by_alias=True) if score != "name"
    }
    drift["features"] = [{"name": f"f{n}", **scores} for n in range(32)]
    HousingModelStatus.model_validate(body["status"])
    scrape = Scrape()
    scrape.models.see(body)
    series = [line for line in scrape.text().splitlines() if not line.startswith("#")]
    assert len(series) < 500


def test_the_names_pass_promtool():
    scrape = Scrape()
    scrape.models.see(BODY)
    text = scrape.text()
    prometheus.check_metrics(text)
    assert all(f"# TYPE {name} gauge" in text for name in GAUGES)
