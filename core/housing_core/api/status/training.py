"""`status.training`, and `status.inputs`: what the newest version was trained on."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from housing_core.api.base import StatusType, Timestamp
from housing_core.api.status.bounds import MESSAGE_LIMIT, Text, Version

Trigger = Literal["Spec", "Schedule", "Drift", "Request"]
Outcome = Literal["Registered", "NoNewData", "InvalidData", "Failed"]


class InferredColumn(StatusType):
    """A column and the kind that training gave it."""

    name: Annotated[str, Field(max_length=128)] = Field(description="Name of the column.")
    kind: Annotated[str, Field(max_length=32)] = Field(description="Its kind.")
    reason: Text = Field(default="", description="Why it has this kind.")


class InferredCross(StatusType):
    """A cross that the model uses."""

    name: Annotated[str, Field(max_length=128)] = Field(description="Name of the cross.")
    columns: list[Annotated[str, Field(max_length=128)]] = Field(
        max_length=4, description="The columns that are combined."
    )


class ClassBoundary(StatusType):
    """Where one class ends and the next begins."""

    below: Annotated[str, Field(max_length=63)] = Field(description="The class below the boundary.")
    price: float = Field(description="The boundary in the target's own unit.")
    above: Annotated[str, Field(max_length=63)] = Field(description="The class from it upwards.")


class ModelInputs(StatusType):
    """What the newest version was trained on, spec and inference together."""

    version: Version = Field(description="The version that uses them.")
    rows: int = Field(default=0, description="Rows that it learned from, duplicates left out.")
    recipe: Text = Field(default="", description="The recipe of the spec that made it.")
    model: Text = Field(
        default="", description="The candidate that the recipe made or that won, and by how much."
    )
    warnings: list[Text] = Field(
        default_factory=list,
        max_length=10,
        description="What to look at before trusting its scores.",
    )
    columns: list[InferredColumn] = Field(
        default_factory=list, max_length=256, description="Columns and their kinds."
    )
    crosses: list[InferredCross] = Field(
        default_factory=list, max_length=16, description="Feature crosses."
    )
    boundaries: list[ClassBoundary] = Field(
        default_factory=list, max_length=9, description="Class boundaries in money."
    )


class TrainingProgress(StatusType):
    """How far a running training is, by its own account."""

    stage: Annotated[str, Field(max_length=32)] = Field(
        description="read, encode, select, search, grow, evaluate or register."
    )
    trees_done: int | None = Field(default=None, ge=0, description="Trees of the forest so far.")
    trees: int | None = Field(default=None, ge=1, description="Trees of the whole forest.")
    steps_done: int | None = Field(
        default=None, ge=0, description="Steps of the stage so far, where it is no forest."
    )
    steps: int | None = Field(
        default=None, ge=1, description="Steps of the whole stage, at most; it may need fewer."
    )
    unit: Annotated[str, Field(max_length=32)] | None = Field(
        default=None,
        description="What a step is: fits of candidates, trials of a search, or iterations of "
        "boosting, which are told at their beginning only.",
    )
    seconds_left: int | None = Field(
        default=None, ge=0, description="Until the stage ends, where that can be told."
    )
    reported_at: Timestamp = Field(description="When the training said so.")


class TrainingStatus(StatusType):
    """The training under way, or the last one."""

    key: Annotated[str, Field(max_length=64)] = Field(
        description="Names the training in MLflow, whatever the attempt."
    )
    trigger: Trigger = Field(description="What asked for it.")
    token: Text = Field(description="Which change, date, report or request asked for it.")
    attempt: int = Field(default=1, description="Attempts so far, this one included.")
    job_name: Annotated[str, Field(max_length=63)] = Field(description="The Job of this attempt.")
    started_at: Timestamp = Field(
        description="When the first attempt began, or the one "
        "with which a person let a failed training go on."
    )
    progress: TrainingProgress | None = Field(
        default=None, description="How far it is, at most a minute ago; absent once it has ended."
    )
    retry_at: Timestamp | None = Field(
        default=None, description="When the next attempt begins, after a failed one."
    )
    finished_at: Timestamp | None = Field(
        default=None, description="When it ended; absent while it is under way."
    )
    outcome: Outcome | None = Field(default=None, description="How it ended.")
    message: Annotated[str, Field(max_length=MESSAGE_LIMIT)] = Field(
        default="", description="How it ended, for a person."
    )
    version: Version | None = Field(default=None, description="The version that it registered.")
    spec: dict[str, Any] = Field(
        default_factory=dict, description="The normalised spec that it trains."
    )
