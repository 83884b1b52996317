"""Plain values of the registry, for code that decides and must not reach MLflow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


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
