"""The plan of one pass. Each action in it is idempotent: doing it twice is doing it once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from housing_core.api.spec import HousingModelSpec
from housing_core.api.status import HousingModelStatus
from housing_core.tasks import TrainingTask


@dataclass(frozen=True, slots=True)
class StartTraining:
    """Create the Job of an attempt, under the name that status carries."""

    job_name: str
    task: TrainingTask


@dataclass(frozen=True, slots=True)
class DeleteJob:
    """Delete a Job and its pods."""

    job_name: str


@dataclass(frozen=True, slots=True)
class MoveAlias:
    """Point an alias of the registered model at a version, or remove it."""

    alias: Literal["production", "staging"]
    version: str | None


@dataclass(frozen=True, slots=True)
class RejectVersion:
    """Tag a version as not to be served."""

    version: str
    reason: str


@dataclass(frozen=True, slots=True)
class AcceptVersion:
    """Take the rejection of a version back."""

    version: str


Action = StartTraining | DeleteJob | MoveAlias | RejectVersion | AcceptVersion


@dataclass(frozen=True, slots=True)
class Event:
    """A Kubernetes Event on the HousingModel."""

    kind: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class ServingPlan:
    """What the pods of a track shall serve.

    Attributes:
        version: the pinned version; None for no Deployment.
        confirmed_version: the version whose rollout has finished.
    """

    version: str | None = None
    confirmed_version: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The decision of one pass. Status is written first, then the actions are done.

    Attributes:
        status: the whole new status but `drift`, which belongs to the monitor.
        spec: the checked spec that the children follow from; None when it cannot be read: then
            what runs is left as it is.
        production, staging: what the pods shall serve.
        monitoring: whether the monitor runs by its schedule.
        requeue_after: when to look again if nothing happens before.
    """

    status: HousingModelStatus
    spec: HousingModelSpec | None = None
    production: ServingPlan = ServingPlan()
    staging: ServingPlan = ServingPlan()
    monitoring: bool = False
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    requeue_after: timedelta = timedelta(seconds=45)
