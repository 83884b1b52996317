from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from housing_core.api import DriftStatus, HousingModelSpec, HousingModelStatus
from housing_core.api.base import parse_duration

SPEC: dict[str, Any] = {"dataset": {"uri": "pvc://listings", "target": {"column": "price"}}}


def spec(**blocks: Any) -> HousingModelSpec:
    return HousingModelSpec.model_validate({**SPEC, **blocks})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("24h", timedelta(hours=24)),
        ("1h30m", timedelta(minutes=90)),
        ("1h0m5s", timedelta(seconds=3_605)),
        ("0s", timedelta(0)),
    ],
)
def test_a_duration_is_read(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text", ["", "5", "s", "1d", "1.5h", "-1h", "30m1h", "1h ", "1h\n", "99999999999h"]
)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration such as"):
        parse_duration(text)


def test_what_the_spec_leaves_out_is_as_the_seed_says() -> None:
    target, training = spec().dataset.target, spec().training
    assert (target.classes, target.quantiles) == (["Low", "Medium", "High"], [0.4, 0.8])
    assert training.hashing.buckets == 16_384
    assert (training.resampling.method, training.resampling.max_ratio) == ("SMOTE", 2.0)
    assert (training.forest.trees, training.forest.class_weight) == (100, "Balanced")
    assert (training.forest.max_depth, training.forest.min_samples_leaf) == (None, 1)
    assert training.checkpoint.every_trees == 20
    thresholds = spec().monitoring.thresholds
    assert (thresholds.psi, thresholds.cardinality_ratio) == (0.25, 1.3)
    assert (thresholds.prediction_drift, thresholds.accuracy_drop) == (0.15, 0.05)
    assert thresholds.high_severity_alerts == 2


@pytest.mark.parametrize(
    "plumbing",
    [
        {"suspend": True},
        {"training": {"schedule": "0 3 * * *"}},
        {"training": {"timeout": "5h", "maxAttempts": 7}},
        {"training": {"resources": {"limits": {"memory": "4Gi"}}}},
        {"training": {"nodeSelector": {"disk": "ssd"}, "serviceAccountName": "trainer"}},
        {"training": {"checkpoint": {"everyTrees": 5}}},
        {"training": {"recipe": "auto"}},
        {"training": {"distributed": {"workers": 3}}},
        {"serving": {"production": {"replicas": 5}}},
        {"monitoring": {"minSamples": 10, "thresholds": {"psi": 0.5}}},
        {"retraining": {"onDrift": False}},
        {"promotion": {"mode": "Manual"}},
        {"dataset": {**SPEC["dataset"], "credentials": {"secretRef": {"name": "s3"}}}},
        {"dataset": {**SPEC["dataset"], "format": "Auto", "columns": []}},
    ],
)
def test_plumbing_trains_nothing(plumbing: dict[str, Any]) -> None:
    assert spec(**plumbing).training_relevant() == spec().training_relevant()


@pytest.mark.parametrize(
    "change",
    [
        {"training": {"seed": 7}},
        {"training": {"holdoutFraction": 0.3}},
        {"training": {"hashing": {"buckets": 1_024}}},
        {"training": {"resampling": {"method": "None"}}},
        {"training": {"forest": {"trees": 50}}},
        {"training": {"forest": {"maxDepth": 12}}},
        {"training": {"forest": {"maxFeatures": 0.1}}},
        {"training": {"search": {"trials": 20}}},
        {"dataset": {**SPEC["dataset"], "uri": "pvc://listings/2024"}},
        {"dataset": {**SPEC["dataset"], "crosses": []}},
        {"dataset": {**SPEC["dataset"], "columns": [{"name": "a", "kind": "Ignored"}]}},
        {"dataset": {"uri": "pvc://listings", "target": {"column": "price", "boundaries": "Keep"}}},
    ],
)
def test_what_a_model_depends_on_trains_it_anew(change: dict[str, Any]) -> None:
    assert spec(**change).training_relevant() != spec().training_relevant()


def test_an_unknown_field_of_the_spec_is_an_error_and_one_of_the_status_is_not() -> None:
    with pytest.raises(ValidationError, match="trainning"):
        spec(trainning={})
    status = HousingModelStatus.model_validate({"observedGeneration": 3, "newField": 1})
    assert status.observed_generation == 3


def test_a_manifest_is_written_as_it_is_read() -> None:
    written = spec(training={"seed": 7}).to_json()
    assert HousingModelSpec.model_validate(written) == spec(training={"seed": 7})
    assert written["serving"]["predictionLog"]["size"] == "5Gi"


def test_the_status_of_drift_keeps_versions_numbers() -> None:
    with pytest.raises(ValidationError, match="modelVersion"):
        DriftStatus.model_validate(
            {"reportId": "r", "modelVersion": "three", "time": "t", "verdict": "Stable"}
        )
