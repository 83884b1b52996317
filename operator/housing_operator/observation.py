"""What exists now, as plain values: the planner's view of the cluster and of MLflow."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from housing_core.api.status import ModelInputs, TrainingProgress
from housing_core.bundle import Summary
from housing_core.registry_types import RegisteredVersion
from housing_core.tasks import ServingHealth, TrainingOutcome

Key = tuple[str, str]
"""Namespace and name of a HousingModel."""


@dataclass(frozen=True, slots=True)
class Model:
    """A HousingModel as the API server holds it, its spec not yet checked.

    Attributes:
        generation: of the spec.
        resource_version: every write of status that carries a decision carries it too.
        status: as JSON; empty for a new model.
    """

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    annotations: dict[str, str]
    spec: dict[str, Any]
    status: dict[str, Any]
    deleting: bool = False

    @property
    def registered_name(self) -> str:
        """Name of the registered model in MLflow."""
        return f"{self.namespace}.{self.name}"


@dataclass(frozen=True, slots=True)
class JobState:
    """A training Job.

    Attributes:
        finished: Complete or Failed is set; neither is while it runs.
        succeeded: it is Complete.
        reason: the Job's own, for example BackoffLimitExceeded or DeadlineExceeded.
        message: the Job's or the last pod's, for a person: image cannot be pulled, out of memory.
        outcome: what the program left in its termination message; None when it was killed.
        means: `resources.means` of the spec that it was made by; None where it does not say.
        starved: a pod of it used more memory than its limit, or the newest one finds no node.
        lost: its pod was to end long ago, and no node says that it did; no other will follow it.
        expects_workers: it was started to work with others.
        has_workers: these are there.
    """

    name: str
    finished: bool = False
    succeeded: bool = False
    reason: str = ""
    message: str = ""
    outcome: TrainingOutcome | None = None
    means: str | None = None
    starved: bool = False
    lost: bool = False
    expects_workers: bool = False
    has_workers: bool = False


@dataclass(frozen=True, slots=True)
class PodState:
    """A serving pod.

    Attributes:
        pinned_version: that its template carries.
        health: its own answer to GET /health; None when it did not answer.
        message: why it does not run, for example an image that cannot be pulled.
    """

    name: str
    pinned_version: str
    ready: bool
    health: ServingHealth | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class TrackState:
    """The Deployment of a track and its pods.

    Attributes:
        pinned_version: that the Deployment's template carries; None when there is no Deployment.
        replicas: how many pods have to answer; of an autoscaled track its least number.
        rolled_out: the Deployment controller has seen this generation, as many pods as have to
            are updated and available, and no old one is left.
        paused: a person holds its rollouts back.
        pods: that are not being deleted.
    """

    pinned_version: str | None = None
    replicas: int = 0
    rolled_out: bool = False
    paused: bool = False
    message: str = ""
    pods: tuple[PodState, ...] = ()

    def answering(self, version: str) -> tuple[PodState, ...]:
        """Ready pods whose own answer says that they serve this version."""
        return tuple(
            pod for pod in self.pods if pod.ready and pod.health and pod.health.version == version
        )


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """What training left with a version; None for one that is not a bundle of ours."""

    summary: Summary | None = None
    inputs: ModelInputs | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class RegistryState:
    """The registered model in MLflow.

    Attributes:
        facts: of the versions that a decision may be about, by number.
        progress: of the training under way, if it has said anything.
    """

    versions: tuple[RegisteredVersion, ...] = ()
    aliases: dict[str, str] = field(default_factory=dict)
    facts: dict[str, VersionFacts] = field(default_factory=dict)
    progress: TrainingProgress | None = None

    def version(self, number: str | None) -> RegisteredVersion | None:
        """The version with this number, if it is there."""
        return next((v for v in self.versions if v.number == number), None)

    def of_key(self, key: str) -> RegisteredVersion | None:
        """The version that a training registered; the lower where two carry its key."""
        return next((v for v in self.versions if v.key == key), None)


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything that one pass decides on.

    Attributes:
        registry: None while MLflow does not answer; `registry_error` then says why.
        children: live owned objects by (kind, name), as JSON, for repair.
        schedule_due: newest date of `training.schedule` that is not after now; None without one.
    """

    model: Model
    jobs: dict[str, JobState] = field(default_factory=dict)
    production: TrackState = TrackState()
    staging: TrackState = TrackState()
    registry: RegistryState | None = None
    registry_error: str = ""
    children: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    schedule_due: datetime | None = None
