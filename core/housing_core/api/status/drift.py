"""`status.drift`: the newest drift report in short. The only part that the monitor writes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from housing_core.api.base import StatusType, Timestamp
from housing_core.api.status.bounds import ALERT_LIMIT, FEATURE_LIMIT, Text, Version


class DriftScores(StatusType):
    """The numbers that the thresholds of seed 5.1 are held against."""

    max_psi: float | None = Field(
        default=None, description="Largest population stability index of a feature."
    )
    max_psi_feature: Text | None = Field(default=None, description="The feature that has it.")
    prediction_drift: float | None = Field(
        default=None, description="Kullback-Leibler divergence of the predicted class shares."
    )
    max_cardinality_ratio: float | None = Field(
        default=None, description="Largest cardinality ratio of a feature."
    )
    max_cardinality_ratio_feature: Text | None = Field(
        default=None, description="The feature that has it."
    )


class FeatureScores(StatusType):
    """How far one feature moved."""

    name: Text = Field(description="Name of the feature.")
    psi: float | None = Field(
        default=None, description="Population stability index, without what chance adds to it."
    )
    psi_noise: float | None = Field(
        default=None, description="The most of it that chance explains."
    )
    missing_share: float | None = Field(
        default=None, description="Share of the window's rows without a value."
    )
    missing_share_reference: float | None = Field(
        default=None, description="Share of the training rows without a value."
    )
    mean_shift: float | None = Field(
        default=None,
        description="Shift of the mean of a number, up or down, in standard deviations of the "
        "training.",
    )
    deviation_ratio: float | None = Field(
        default=None,
        description="Standard deviation of a number in the window, over that in the training.",
    )
    skewness_shift: float | None = Field(
        default=None, description="Skewness of a number in the window, less that in the training."
    )
    out_of_range_share: float | None = Field(
        default=None, description="Share of a number's values outside the training's range."
    )
    cardinality_ratio: float | None = Field(
        default=None,
        description="Distinct categories of window and training together, over training's.",
    )
    new_share: float | None = Field(
        default=None, description="Share of the window's rows in categories new since training."
    )


class MeasuredScore(StatusType):
    """A score with its interval, and the same score on the holdout of the training."""

    value: float = Field(description="The score, from 0 to 1.")
    lower: float = Field(description="Lower end of its interval.")
    upper: float = Field(description="Upper end of its interval.")
    reference: float | None = Field(default=None, description="The same score on the holdout.")


class PerformanceStatus(StatusType):
    """How good the version is on what it answered, as far as that can be told."""

    labels: int = Field(default=0, description="Predictions whose true price is known.")
    accuracy: MeasuredScore | None = Field(
        default=None, description="Accuracy on labelled predictions."
    )
    macro_f1: MeasuredScore | None = Field(
        default=None, description="Macro F1 on labelled predictions."
    )
    estimated_accuracy: MeasuredScore | None = Field(
        default=None,
        description="Accuracy in the window as estimated from the model's own confidence, "
        "without labels.",
    )


class DriftAlert(StatusType):
    """One thing that moved further than its threshold."""

    name: Text = Field(description="What was measured, for example PSI.")
    feature: Text | None = Field(default=None, description="The feature that moved.")
    severity: Literal["High", "Medium", "Low"] = Field(description="High alerts count for 5.5.")
    value: float | None = Field(default=None, description="What was measured.")
    threshold: float | None = Field(default=None, description="What it was held against.")
    message: Text = Field(default="", description="In words.")


class AlertCounts(StatusType):
    """How many alerts a report has of each severity."""

    high: int = Field(default=0, description="High alerts; these count for 5.5.")
    medium: int = Field(default=0, description="Medium alerts.")
    low: int = Field(default=0, description="Low alerts.")


class DriftStatus(StatusType):
    """The newest drift report; only the monitor of this model writes it."""

    report_id: Text = Field(description="Equal for the same window of the same version.")
    model_version: Version = Field(description="The version whose predictions were looked at.")
    time: Timestamp = Field(description="When the report was made.")
    verdict: Literal["Stable", "Drift", "NotEnoughData"] = Field(description="What it found.")
    reason: Text = Field(
        default="", description="Which rule of seed 5.5 decided, with its numbers."
    )
    samples: int = Field(default=0, description="Predictions in the window.")
    window_start: Timestamp | None = Field(default=None, description="Oldest prediction looked at.")
    window_end: Timestamp | None = Field(default=None, description="Newest prediction looked at.")
    scores: DriftScores = Field(default_factory=DriftScores, description="The numbers.")
    features: list[FeatureScores] = Field(
        default_factory=list,
        max_length=FEATURE_LIMIT,
        description="The features that moved furthest, by their population stability index.",
    )
    performance: PerformanceStatus | None = Field(
        default=None, description="How good the version is on what it answered."
    )
    alerts: list[DriftAlert] = Field(
        default_factory=list, max_length=ALERT_LIMIT, description="The gravest alerts."
    )
    alert_counts: AlertCounts | None = Field(
        default=None, description="All alerts by severity, also those that are not listed."
    )
    dataset_fingerprint: Text | None = Field(
        default=None, description="Digest of the dataset's file listing at that time."
    )
    run_id: Text | None = Field(default=None, description="The MLflow run with the full report.")
