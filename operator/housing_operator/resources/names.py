"""Names of the objects that the operator makes for a HousingModel.

A model's name has at most 40 characters, so that a CronJob's name stays within 52, and that of a
Service, a Job and a label's value within 63.
"""

from __future__ import annotations

from typing import Literal

Track = Literal["production", "staging"]
Component = Literal["training", "training-worker", "serving", "monitoring"]

TRACKS: tuple[Track, ...] = ("production", "staging")
COMPONENTS: tuple[Component, ...] = ("training", "serving", "monitoring")
"""Those that every model has."""

SERVING_PORT = 8080


def training_job_name(model: str, key: str, attempt: int) -> str:
    """Name of the Job of one attempt: creating it twice is creating it once."""
    return f"{model}-train-{key[:8]}-{attempt}"


def worker_job_name(job: str) -> str:
    """Name of the Job with the workers of a training's Job."""
    return f"{job}-w"


def track_name(model: str, track: Track) -> str:
    """Name of a track's Deployment, Service, PodDisruptionBudget and HorizontalPodAutoscaler."""
    return f"{model}-{track}"


def component_name(model: str, component: Component) -> str:
    """Name of a component's ServiceAccount and NetworkPolicy, and of what else it has one of."""
    return f"{model}-{component}"


def policy_name(model: str, track: Track) -> str:
    """Name of the ConfigMap with a track's serving policy."""
    return f"{model}-serving-policy-{track}"


def serving_claim_name(model: str) -> str:
    """Name of the claim for prediction log and model copies, where the operator makes one."""
    return f"{model}-serving"
