"""Plain values and errors of the registry, for code that decides and must not reach MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


class RegistryError(Exception):
    """MLflow said no; trying again would not change it."""


class RegistryUnavailableError(RegistryError):
    """MLflow did not answer, or answered that it cannot now; worth another try later."""


class NotInRegistryError(RegistryError):
    """What was asked for is not in MLflow."""


class AlreadyInRegistryError(RegistryError):
    """What was to be made is in MLflow already."""


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """A version of a registered model.

    Attributes:
        number: MLflow's version number, as the text that it is everywhere.
        key: the training that made it; None for a version that a person registered.
        rejected: why it is not served; None when it may be.

    """

    number: str
    run_id: str | None
    key: str | None
    rejected: str | None
    created: datetime


@dataclass(frozen=True, slots=True)
class Run:
    """A run of an experiment.

    Attributes:
        experiment: id of the one that it is in.
        status: RUNNING, FINISHED, FAILED or KILLED.
        artifacts: URI of its artifacts.
        params: its parameters, which MLflow never changes.

    """

    run_id: str
    experiment: str
    status: str
    started: datetime
    artifacts: str
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    params: Mapping[str, str] = field(default_factory=dict)
