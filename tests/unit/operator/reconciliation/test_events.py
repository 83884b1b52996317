"""Kubernetes Events on HousingModels."""

from datetime import UTC, datetime

from housing_operator.plan import Event
from housing_operator.reconciliation.events import event_body
from tests.unit.operator.blueprints import LONGEST_NAME, blueprint

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PROMOTED = Event("Normal", "Promoted", "version 3 is in production")


def test_an_event_is_about_the_model():
    body = event_body(blueprint().model, PROMOTED, NOW)
    assert body["involvedObject"] == {
        "apiVersion": "housing-operator.dev/v1alpha1",
        "kind": "HousingModel",
        "namespace": "homes",
        "name": "istanbul",
        "uid": "0b5a-uid",
    }
    assert (body["type"], body["reason"]) == ("Normal", "Promoted")
    assert body["message"] == "version 3 is in production"
    assert body["firstTimestamp"] == body["lastTimestamp"] == "2026-01-01T00:00:00Z"


def test_the_same_news_has_the_same_name_and_other_news_another():
    model = blueprint().model
    later = datetime(2026, 1, 2, tzinfo=UTC)
    name = event_body(model, PROMOTED, NOW)["metadata"]["name"]
    assert event_body(model, PROMOTED, later)["metadata"]["name"] == name
    other = Event("Normal", "Promoted", "version 4 is in production")
    assert event_body(model, other, NOW)["metadata"]["name"] != name


def test_names_and_messages_are_within_the_limits():
    news = Event("Warning", "TrainingFailed", "x" * 5000)
    body = event_body(blueprint(LONGEST_NAME).model, news, NOW)
    assert len(body["metadata"]["name"]) <= 253
    assert len(body["message"]) <= 1024
