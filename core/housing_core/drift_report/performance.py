"""What the report says of how good the judged version is."""

from __future__ import annotations

from pydantic import Field

from housing_core.drift_report.part import Part


class Score(Part):
    """A score with its interval, and how far it fell below the holdout's."""

    value: float = Field(description="The score, 0 to 1.")
    lower: float = Field(description="Lower end of its interval.")
    upper: float = Field(description="Upper end of its interval.")
    reference: float | None = Field(
        default=None, description="The same score on the holdout; null when the profile has none."
    )
    drop: float | None = Field(default=None, description="reference - value.")
    drop_lower: float | None = Field(
        default=None,
        description="Lower end of the drop's interval, which allows for the holdout being a "
        "sample too.",
    )
    drop_upper: float | None = Field(default=None, description="Upper end of it.")
    drop_supported: float | None = Field(
        default=None,
        description="Lower end of the drop's interval at `support`: the rows support a drop of more "
        "than this.",
    )


class PerformancePeriod(Part):
    """One stretch of the evaluation window."""

    start: str = Field(description="RFC 3339, of the predictions.")
    end: str = Field(description="RFC 3339, of the predictions.")
    labels: int = Field(description="Labelled predictions.")
    accuracy: Score | None = Field(default=None, description="Null without labels.")


class Performance(Part):
    """How good the judged version is on what it answered (seed 5.3)."""

    confidence: float = Field(description="Of all intervals, two-sided.")
    support: float | None = Field(
        default=None,
        description="Confidence, two-sided, of the interval that `drop_supported` is of.",
    )
    labels: int = Field(
        default=0, description="Predictions of the evaluation window whose true price is known."
    )
    labels_needed: int = Field(description="Fewer labels than this ask for nothing.")
    start: str | None = Field(default=None, description="Time of the oldest labelled prediction.")
    end: str | None = Field(default=None, description="Time of the newest labelled prediction.")
    classes: list[str] = Field(default=[], description="Names, from the lowest prices up.")
    confusion_matrix: list[list[int]] = Field(
        default=[],
        description="Labelled predictions by true class (rows) and predicted class (columns).",
    )
    design_effect: float = Field(
        default=1.0, description="As of a feature, of the labelled predictions being right."
    )
    accuracy: Score | None = Field(
        default=None, description="On the labelled predictions; null when there are none."
    )
    macro_f1: Score | None = Field(
        default=None, description="On the labelled predictions; null when there are none."
    )
    estimated_accuracy: Score | None = Field(
        default=None,
        description="Of the window, estimated from the model's own confidence without labels; "
        "null when the profile has no calibration.",
    )
    confidence_bins: list[int] = Field(
        default=[],
        description="Predictions of the window by confidence, in bins of equal width from 0 to 1.",
    )
    confidence_design_effect: float = Field(
        default=1.0, description="As of a feature, of the window's confidences."
    )
    calibration: list[tuple[float, float, int]] = Field(
        default=[],
        description="Of the holdout, by bin of confidence: mean confidence, share that was right, "
        "rows.",
    )
    periods: list[PerformancePeriod] = Field(
        default=[], description="The labelled predictions by time, oldest first."
    )
    skipped_labels: dict[str, int] = Field(
        default={}, description="Why labels were not used → how many."
    )
