"""From the body of a request to the body of its answer."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from housing_core.tasks import ServingTask
from housing_serving.formats.answer import Answer
from housing_serving.http.problems import Problem
from housing_serving.log.tables import LogEntry, Received
from housing_serving.metrics import Metrics
from housing_serving.predictor import Predictor
from housing_serving.versions.readiness import Serving

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)


def _answer(predictor: Predictor, body: bytes) -> bytes:
    return predictor.answer(predictor.question(body, Received("id-1", NOW, len(body))))


@pytest.fixture
def entries() -> list[LogEntry]:
    return []


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def predictor(
    task: ServingTask, serving: Serving, metrics: Metrics, entries: list[LogEntry]
) -> Predictor:
    return Predictor(task, lambda: serving, metrics, entries.append)


def test_the_answer_says_class_boundaries_and_where_it_comes_from(predictor: Predictor) -> None:
    body = '{"area": "120 m2", "ilçe": "Kadıköy", "Note": "sea view"}'.encode()
    content = _answer(predictor, body)
    assert json.loads(content) == {
        "requestId": "id-1",
        "modelName": "tests.tiny",
        "modelVersion": "1",
        "track": "production",
        "servingFrom": "Production",
        "classes": [
            {"name": "Low", "priceFrom": None, "priceBelow": 2_500_000.0},
            {"name": "Medium", "priceFrom": 2_500_000.0, "priceBelow": 6_000_000.0},
            {"name": "High", "priceFrom": 6_000_000.0, "priceBelow": None},
        ],
        "ignoredFields": ["Note"],
        "predictions": [
            {"class": "High", "probabilities": {"Low": 0.05, "Medium": 0.05, "High": 0.9}}
        ],
    }
    Answer.model_validate_json(content)  # the described type forbids further fields


def test_many_listings_are_answered_in_their_order(predictor: Predictor) -> None:
    body = '[{"rooms": 1}, {"rooms": 5}, {"area": 120, "ilçe": "Kadıköy"}]'.encode()
    answer = Answer.model_validate_json(_answer(predictor, body))
    assert [prediction.class_ for prediction in answer.predictions] == ["Low", "Medium", "High"]


def test_an_answered_request_is_counted_and_logged_as_it_came(
    predictor: Predictor, metrics: Metrics, entries: list[LogEntry]
) -> None:
    _answer(predictor, b'[{"rooms": "1", "Note": 3}, {"rooms": 5}]')
    (entry,) = entries
    (request,) = entry.requests
    assert (request.request_id, request.time, entry.version) == ("id-1", NOW, "1")
    assert entry.columns == ("area", "rooms", "ilçe")
    assert json.loads(entry.texts) == [None, "1", None, None, 5, None]
    assert [entry.classes[label] for label in entry.labels] == ["Low", "Medium"]
    np.testing.assert_allclose(
        entry.probabilities, [[0.9, 0.05, 0.05], [0.05, 0.9, 0.05]], atol=1e-7
    )
    for name, count in (("Low", 1), ("Medium", 1), ("High", None)):
        value = metrics.registry.get_sample_value("housing_predictions_total", {"class": name})
        assert value == count


@pytest.mark.parametrize("body", [b"[]", b"nonsense", b'{"area": "large"}', b'{"Area": 1}'])
def test_a_refused_request_is_neither_counted_nor_logged(
    predictor: Predictor, metrics: Metrics, entries: list[LogEntry], body: bytes
) -> None:
    with pytest.raises(Problem):
        _answer(predictor, body)
    assert entries == []
    assert metrics.registry.get_sample_value("housing_request_rows_count") == 0


def test_without_a_model_the_answer_is_503(task: ServingTask, metrics: Metrics) -> None:
    predictor = Predictor(task, Serving, metrics, lambda _: None)
    with pytest.raises(Problem) as caught:
        _answer(predictor, b"{}")
    assert caught.value.status == 503
    assert caught.value.detail.startswith("no model is loaded yet")
