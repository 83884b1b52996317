"""What a pod says of itself."""

from datetime import UTC, datetime

import pytest

from housing_core.tasks import ServingPolicy, ServingTask
from housing_serving.versions.readiness import Serving, health, readiness


@pytest.mark.parametrize(
    ("version", "confirmed", "draining", "ready", "reason"),
    [
        ("3", None, False, True, "version 3 answers"),
        ("3", "3", False, True, "version 3 answers"),
        ("2", "3", False, True, "version 2 answers in place of version 3"),
        ("2", None, False, False, "version 2 answers, but the rollout of version 3"),
        ("2", "2", False, False, "version 2 answers, but the rollout of version 3"),
        (None, "3", False, False, "no model is loaded"),
        ("3", "3", True, False, "shutting down"),
    ],
)
def test_a_fallback_is_ready_only_behind_a_finished_rollout(
    version: str | None, confirmed: str | None, draining: bool, ready: bool, reason: str
) -> None:
    policy = ServingPolicy(confirmed_version=confirmed)
    found = readiness("3", version, policy, draining=draining)
    assert found.ready is ready
    assert found.reason.startswith(reason)


def test_health_says_what_is_missing_before_a_model_is_loaded(task: ServingTask) -> None:
    found = health(task, Serving())
    assert (found.status, found.serving_from, found.version) == ("unavailable", "None", None)
    assert found.message == "no model is loaded yet"


@pytest.mark.parametrize(
    ("level", "status"), [("Production", "ok"), ("Staging", "degraded"), ("LocalCopy", "degraded")]
)
def test_health_is_degraded_on_every_fallback(
    task: ServingTask, serving: Serving, level: str, status: str
) -> None:
    since = datetime(2026, 11, 23, 15, 4, 5, tzinfo=UTC)
    found = health(task, Serving(serving.model, level, since, "why"))  # type: ignore[arg-type]  # the parameters are texts
    assert (found.status, found.serving_from) == (status, level)
    assert (found.version, found.pinned_version, found.golden_rows) == ("1", "1", 5)
    assert found.since == "2026-11-23T15:04:05Z"
    assert found.latency_p95_seconds is not None
    assert 0 < found.latency_p95_seconds < 1
