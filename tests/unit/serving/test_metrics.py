"""What Prometheus sees."""

from __future__ import annotations

import json
import multiprocessing
import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from housing_serving import metrics as metrics_module
from housing_serving.log.feedback import FeedbackMetrics
from housing_serving.metrics import Metrics
from housing_serving.versions.readiness import Serving

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"


@pytest.mark.parametrize(("level", "value"), [("Production", 0), ("Staging", 1), ("LocalCopy", 2)])
def test_the_level_and_the_version_that_answer_are_shown(
    serving: Serving, level: str, value: int
) -> None:
    metrics = Metrics()
    sample = metrics.registry.get_sample_value
    nothing = {"version": "", "serving_from": "None"}
    assert sample("housing_fallback_level") == 3
    assert sample("housing_model_info", nothing) == 1
    assert sample("housing_model_loaded_timestamp_seconds") == 0
    since = datetime(2026, 11, 23, tzinfo=UTC)
    now = Serving(serving.model, level, since)  # type: ignore[arg-type]  # the parameters are texts
    metrics.show_serving(now, Serving())
    assert sample("housing_fallback_level") == value
    assert sample("housing_model_info", {"version": "1", "serving_from": level}) == 1
    assert sample("housing_model_info", nothing) == 0
    assert sample("housing_model_loaded_timestamp_seconds") == since.timestamp()


def test_requests_are_counted_by_route_and_code_and_timed() -> None:
    metrics = Metrics()
    for route, code, seconds in [
        ("predict", 200, 0.004),
        ("predict", 422, 0.001),
        ("predict", 200, 0.2),
        ("feedback", 200, 0.1),
    ]:
        metrics.count_request(route, code, seconds)
    sample = metrics.registry.get_sample_value
    assert sample("housing_requests_total", {"route": "predict", "code": "200"}) == 2
    assert sample("housing_requests_total", {"route": "predict", "code": "422"}) == 1
    assert sample("housing_request_duration_seconds_count", {"route": "predict"}) == 3
    bucket = {"route": "predict", "le": "0.003"}
    assert sample("housing_request_duration_seconds_bucket", bucket) == 1
    assert sample("housing_request_duration_seconds_count", {"route": "feedback"}) == 1


def test_predictions_are_counted_by_class_with_their_confidence() -> None:
    metrics = Metrics()
    shares = np.array([[0.1, 0.9], [0.45, 0.55], [1, 0], [0.2, 0.8]], np.float32)
    metrics.count_predictions(["Low", "High"], [3, 1], np.array([1, 1, 0, 1]), shares)
    text = metrics.text().decode()
    assert 'housing_predictions_total{class="High"} 3.0' in text
    assert 'housing_predictions_total{class="Low"} 1.0' in text
    assert 'housing_request_rows_bucket{le="1.0"} 1.0' in text
    assert 'housing_request_rows_bucket{le="10.0"} 2.0' in text
    assert 'housing_prediction_confidence_bucket{le="0.6"} 1.0' in text
    assert "housing_prediction_confidence_count 4.0" in text
    assert "_created" not in text


def test_the_reference_lists_exactly_the_metrics_that_there_are() -> None:
    serving_part = REFERENCE.read_text().partition("## Serving")[2].partition("\n## ")[0]
    listed = set(re.findall(r"^\| `(housing_\w+)` \| (\w+)", serving_part, re.MULTILINE))
    metrics = Metrics()
    FeedbackMetrics(metrics.registry)
    text = metrics.text().decode()
    shown = {
        (name, kind)
        for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE)
        if name.startswith("housing_")
    }
    assert listed == shown


def _worker(folder: Path, slot: int, requests: int, restarted: bool) -> None:
    metrics_module.share_between_workers(folder, slot)
    metrics = Metrics()
    if restarted:
        metrics.worker_restarts.inc()
    for _ in range(requests):
        metrics.count_request("predict", 200, 0.001)
    metrics.in_flight.inc()
    (folder / f"{slot}.json").write_text(json.dumps(metrics.text().decode()))


def test_any_worker_shows_the_sum_over_all_and_a_new_one_goes_on_from_the_last_of_its_slot(
    tmp_path: Path,
) -> None:
    fork = multiprocessing.get_context("fork")
    for slot, requests, restarted in [(0, 3, False), (1, 4, False), (0, 5, True)]:
        worker = fork.Process(target=_worker, args=(tmp_path, slot, requests, restarted))
        worker.start()
        worker.join(30)
        assert worker.exitcode == 0
    text = json.loads((tmp_path / "0.json").read_text())
    assert 'housing_requests_total{code="200",route="predict"} 12.0' in text
    assert 'housing_request_duration_seconds_count{route="predict"} 12.0' in text
    assert "housing_worker_restarts_total 1.0" in text
    assert "housing_requests_in_flight 2.0" in text
    assert "housing_workers 2.0" in text
    assert "housing_fallback_level 3.0" in text
