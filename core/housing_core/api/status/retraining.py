"""`status.retraining`: what the retraining policy remembers."""

from __future__ import annotations

from pydantic import Field

from housing_core.api.base import StatusType, Timestamp
from housing_core.api.status.bounds import STARTS_LIMIT, Text, Version
from housing_core.api.status.training import Trigger


class RefusedInputs(StatusType):
    """What a version that was rejected had been trained on."""

    version: Version = Field(description="The version.")
    dataset_fingerprint: Text = Field(description="Digest of the file listing that it read.")
    generation: int = Field(description="The generation of the spec then.")


class RetrainingStatus(StatusType):
    """What the retraining policy remembers."""

    handled_report: Text | None = Field(
        default=None, description="The newest drift report that was answered by a training."
    )
    handled_request: Text | None = Field(
        default=None, description="The newest token of the retrain annotation that was answered."
    )
    handled_schedule: Timestamp | None = Field(
        default=None, description="The newest date of the schedule that was answered."
    )
    starts: list[Timestamp] = Field(
        default_factory=list,
        max_length=STARTS_LIMIT,
        description="The newest trainings by drift or schedule, for cooldown and budget.",
    )
    failures: int = Field(default=0, description="Trainings that failed since the last good one.")
    no_new_data_fingerprint: Text | None = Field(
        default=None,
        description="Digest of the file listing in which the last run found no new row; "
        "the trigger waits until it changes.",
    )
    refused: RefusedInputs | None = Field(
        default=None,
        description="What the newest training read, when its version was rejected: drift and "
        "schedule wait until data or spec change.",
    )
    pending_trigger: Trigger | None = Field(
        default=None, description="What asked for the run that found no new row, and still waits."
    )
