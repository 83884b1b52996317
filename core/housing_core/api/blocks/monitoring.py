"""`spec.monitoring`: how drift is watched, and when a difference counts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from housing_core.api.base import LONGER_THAN_ZERO, ApiType, CronSchedule, Duration
from housing_core.api.pods import PodSettings


class Thresholds(ApiType):
    """When a difference between the window and the reference counts (seed 5.1, 5.3, 5.5)."""

    psi: float = Field(
        default=0.25, gt=0, description="Population stability index of one feature (seed 5.1)."
    )
    prediction_drift: float = Field(
        default=0.15,
        gt=0,
        description="Kullback-Leibler divergence of the predicted class shares (seed 5.1).",
    )
    cardinality_ratio: float = Field(
        default=1.3,
        gt=1,
        description="Distinct categories in the window and the reference together, "
        "against the reference's alone, in equally many rows of both (seed 5.1).",
    )
    high_severity_alerts: int = Field(
        default=2,
        ge=1,
        description="This many alerts of high severity ask for retraining (seed 5.5).",
    )
    accuracy_drop: float = Field(
        default=0.05,
        gt=0,
        le=1,
        description="Fall of the accuracy on labelled predictions below that on the holdout, "
        "as a share of the rows (seed 5.3); its interval at 95 % has to support more than this.",
    )
    macro_f1_drop: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None,
        description="The same fall of macro F1, which also moves when labels come back for other "
        "classes than before; it asks for no retraining when left out.",
    )
    estimated_accuracy_drop: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None,
        description="The same fall of the accuracy that is estimated from the model's own "
        "confidence, without labels; such an estimate asks for no retraining when left out.",
    )


class Monitoring(PodSettings):
    """How drift is watched: one CronJob."""

    schedule: CronSchedule = Field(
        default="0 * * * *", description="When a report is made, as five cron fields in UTC."
    )
    window: Duration = Field(
        default="24h",
        description="How far back the predictions of a report go.",
        json_schema_extra=LONGER_THAN_ZERO,
    )
    min_samples: int = Field(
        default=200,
        ge=1,
        description="Fewer predictions than this make no verdict: NotEnoughData.",
    )
    evaluation_window: Duration = Field(
        default="720h",
        description="How far back predictions are joined with the labels that came for them.",
        json_schema_extra=LONGER_THAN_ZERO,
    )
    min_labels: int = Field(
        default=100,
        ge=1,
        description="Fewer labelled predictions than this say nothing of the accuracy.",
    )
    thresholds: Thresholds = Field(
        default_factory=Thresholds, description="When a difference counts."
    )
