"""`status` of a HousingModel: what the operator and the monitor have seen. Lists are bounded.

Its larger parts are in modules of their own; the whole of them is here.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from housing_core.api.base import StatusType, Timestamp, list_map
from housing_core.api.status.bounds import (
    ALERT_LIMIT,
    FEATURE_LIMIT,
    HISTORY_LIMIT,
    MESSAGE_LIMIT,
    STARTS_LIMIT,
    TEXT_LIMIT,
    Text,
    Version,
)
from housing_core.api.status.drift import (
    AlertCounts,
    DriftAlert,
    DriftScores,
    DriftStatus,
    FeatureScores,
    MeasuredScore,
    PerformanceStatus,
)
from housing_core.api.status.retraining import RefusedInputs, RetrainingStatus
from housing_core.api.status.tracks import (
    Aliases,
    AliasIntent,
    Candidate,
    RejectedVersion,
    TrackStatus,
)
from housing_core.api.status.training import (
    ClassBoundary,
    InferredColumn,
    InferredCross,
    ModelInputs,
    Outcome,
    TrainingProgress,
    TrainingStatus,
    Trigger,
)

__all__ = [
    "ALERT_LIMIT",
    "FEATURE_LIMIT",
    "HISTORY_LIMIT",
    "MESSAGE_LIMIT",
    "STARTS_LIMIT",
    "TEXT_LIMIT",
    "AlertCounts",
    "AliasIntent",
    "Candidate",
    "ClassBoundary",
    "Condition",
    "DriftAlert",
    "DriftScores",
    "DriftStatus",
    "FeatureScores",
    "HistoryEntry",
    "HousingModelStatus",
    "InferredColumn",
    "InferredCross",
    "MeasuredScore",
    "ModelInputs",
    "Outcome",
    "PerformanceStatus",
    "RefusedInputs",
    "RejectedVersion",
    "TrackStatus",
    "TrainingProgress",
    "TrainingStatus",
    "Trigger",
]


class Condition(StatusType):
    """A condition per the Kubernetes API conventions."""

    type: Text = Field(description="What it is about, for example Ready.")
    status: Literal["True", "False", "Unknown"] = Field(description="True, False or Unknown.")
    reason: Annotated[str, Field(max_length=128)] = Field(description="Why, in one word.")
    message: Annotated[str, Field(max_length=MESSAGE_LIMIT)] = Field(
        description="Why, for a person."
    )
    last_transition_time: Timestamp = Field(description="When the status last changed.")
    observed_generation: int = Field(default=0, description="The generation that it speaks of.")


class HistoryEntry(StatusType):
    """One thing that happened to a version."""

    time: Timestamp = Field(description="When.")
    version: Version | None = Field(default=None, description="The version, where there is one.")
    event: Annotated[str, Field(max_length=64)] = Field(
        description="For example Registered, Promoted, Rejected, RolledBack, NoNewData, Failed."
    )
    trigger: Trigger | None = Field(default=None, description="What asked for the training.")
    message: Text = Field(default="", description="For a person.")
    macro_f1: float | None = Field(default=None, description="Macro F1 on its holdout.")


class HousingModelStatus(StatusType):
    """What has been seen; `drift` belongs to the monitor, everything else to the operator."""

    observed_generation: int = Field(default=0, description="The newest generation acted on.")
    conditions: list[Condition] = Field(
        default_factory=list,
        max_length=16,
        description="Ready, Trained, StagingAvailable, ProductionAvailable, DriftDetected, "
        "RetrainingBlocked, Degraded.",
        json_schema_extra=list_map("type"),
    )
    production: TrackStatus | None = Field(default=None, description="The production track.")
    staging: TrackStatus | None = Field(default=None, description="The staging track.")
    inputs: ModelInputs | None = Field(
        default=None, description="Columns, crosses and boundaries of the newest version."
    )
    training: TrainingStatus | None = Field(
        default=None, description="The training under way, or the last one."
    )
    candidate: Candidate | None = Field(
        default=None, description="A version on its way to production."
    )
    aliases: Aliases = Field(
        default_factory=Aliases, description="The aliases as the operator last left them."
    )
    rejected_versions: list[RejectedVersion] = Field(
        default_factory=list, max_length=HISTORY_LIMIT, description="Versions not tried again."
    )
    retraining: RetrainingStatus = Field(
        default_factory=RetrainingStatus, description="What the retraining policy remembers."
    )
    drift: DriftStatus | None = Field(default=None, description="The newest drift report.")
    history: list[HistoryEntry] = Field(
        default_factory=list, max_length=HISTORY_LIMIT, description="What happened, newest first."
    )
