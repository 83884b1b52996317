"""What this pod says of itself: its health, and whether requests should come. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from housing_core.tasks import FallbackLevel, ServingHealth, ServingPolicy, ServingTask
from housing_core.times import format_time
from housing_serving.inference.model import Model


@dataclass(frozen=True, slots=True)
class Serving:
    """What answers now; replaced as a whole, so that a reader sees one model and its level.

    Attributes:
        since: when the model was loaded, UTC.
        message: why it is not the pinned version, when it is not.

    """

    model: Model | None = None
    level: FallbackLevel = "None"
    since: datetime | None = None
    message: str = "no model is loaded yet"

    @property
    def version(self) -> str | None:
        """The version that answers; None when none does."""
        return self.model.version if self.model else None


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether requests should be sent here, and why or why not."""

    ready: bool
    reason: str


def readiness(
    pinned: str, version: str | None, policy: ServingPolicy, *, draining: bool
) -> Readiness:
    """Decide whether requests should come here.

    A fallback is ready only when the rollout of the pinned version has finished: an unfinished
    one must not take pods away from the former version.
    """
    if draining:
        return Readiness(False, "shutting down")
    if version is None:
        return Readiness(False, "no model is loaded")
    if version == pinned:
        return Readiness(True, f"version {version} answers")
    if policy.confirmed_version == pinned:
        return Readiness(True, f"version {version} answers in place of version {pinned}")
    return Readiness(
        False,
        f"version {version} answers, but the rollout of version {pinned} has not finished",
    )


def health(task: ServingTask, serving: Serving) -> ServingHealth:
    """The body of `GET /health`."""
    if serving.model is None:
        status = "unavailable"
    else:
        status = "ok" if serving.level == "Production" else "degraded"
    model = serving.model
    return ServingHealth(
        status=status,
        model_name=task.model_name,
        track=task.track,
        pinned_version=task.version,
        version=serving.version,
        serving_from=serving.level,
        since=format_time(serving.since) if serving.since else None,
        golden_rows=model.golden_rows if model else 0,
        latency_p95_seconds=model.latency_p95_seconds if model else None,
        message=serving.message,
    )
