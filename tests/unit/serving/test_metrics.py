"""What Prometheus sees."""

import numpy as np
import pytest
from prometheus_client import generate_latest

from housing_serving.metrics import Metrics
from housing_serving.readiness import Serving


@pytest.mark.parametrize(("level", "value"), [("Production", 0), ("Staging", 1), ("LocalCopy", 2)])
def test_the_level_and_the_version_are_read_at_each_scrape(
    serving: Serving, level: str, value: int
) -> None:
    metrics = Metrics()
    now = Serving()
    metrics.show(lambda: now, lambda: 7)
    sample = metrics.registry.get_sample_value
    assert sample("housing_fallback_level") == 3
    assert sample("housing_model_info", {"version": "", "serving_from": "None"}) == 1
    now = Serving(serving.model, level)  # type: ignore[arg-type]  # the parameters are texts
    assert sample("housing_fallback_level") == value
    assert sample("housing_model_info", {"version": "1", "serving_from": level}) == 1
    assert sample("housing_prediction_log_backlog_rows") == 7


def test_requests_are_counted_by_code_and_timed() -> None:
    metrics = Metrics()
    metrics.count_request(200, 0.004)
    metrics.count_request(422, 0.001)
    sample = metrics.registry.get_sample_value
    assert sample("housing_requests_total", {"code": "200"}) == 1
    assert sample("housing_requests_total", {"code": "422"}) == 1
    assert sample("housing_request_duration_seconds_count") == 2
    assert sample("housing_request_duration_seconds_bucket", {"le": "0.003"}) == 1


def test_predictions_are_counted_by_class() -> None:
    metrics = Metrics()
    metrics.count_predictions(["Low", "High"], np.array([1, 1, 0, 1]))
    text = generate_latest(metrics.registry).decode()
    assert 'housing_predictions_total{class="High"} 3.0' in text
    assert 'housing_predictions_total{class="Low"} 1.0' in text
    assert "_created" not in text
