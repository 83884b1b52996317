"""The drift report: monitoring writes it whole to MLflow, and its summary to `status.drift`.

`docs/reference/drift-report.schema.json` is generated from these types.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from housing_core.api.status import (
    ALERT_LIMIT,
    FEATURE_LIMIT,
    TEXT_LIMIT,
    AlertCounts,
    DriftAlert,
    DriftScores,
    DriftStatus,
    FeatureScores,
    MeasuredScore,
    PerformanceStatus,
)

FORMAT: Final = 1
JSON_FILE = "drift_report.json"
HTML_FILE = "drift_report.html"
SCHEMA_ID = f"https://housing-operator.dev/drift-report/v{FORMAT}.schema.json"
"""A name, as JSON Schema wants one; nothing is fetched from there."""

_SEVERITY_ORDER = {"High": 0, "Medium": 1, "Low": 2}


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Bin(_Part):
    """One bin that a feature was compared in: rows on each side, missing values among them."""

    kind: Literal["Range", "Category", "Rare", "New", "Missing"] = Field(
        description="A range of numbers, one category, the rare categories of the reference "
        "together, the categories that it has not seen, or the rows without a value."
    )
    label: str = Field(description="What a person calls it.")
    lower: float | None = Field(
        default=None, description="Of a range: its values are above this; null without an end."
    )
    upper: float | None = Field(
        default=None, description="Of a range: its values are at most this; null without an end."
    )
    reference: int = Field(description="Rows of the reference.")
    window: int = Field(description="Rows of the window.")


class FeatureDrift(_Part):
    """What was measured of one feature in the window, against the reference.

    `*_reference` and `*_window` are the same statistic on each side; rows with missing values are
    among the rows.
    """

    name: str = Field(description="Name of the column.")
    kind: Literal["Numeric", "Categorical"] = Field(description="How it was compared.")
    psi: float | None = Field(
        default=None,
        description="Population stability index, less what chance adds on average to a window of "
        "this size; 0 at least.",
    )
    psi_plain: float | None = Field(
        default=None, description="The index by the textbook's formula, from `bins`."
    )
    psi_noise: float | None = Field(
        default=None, description="`psi` counts only above this, the most that chance explains."
    )
    design_effect: float = Field(
        default=1.0,
        description="How many times the variance of independent rows the window's has, as its rows "
        "come in clusters; 1 when they do not.",
    )
    bins: list[Bin] = Field(default=[], description="Every row of both sides is in one of them.")
    rows_reference: int = Field(default=0, description="Rows of the reference.")
    rows_window: int = Field(default=0, description="Rows of the window.")
    cardinality_ratio: float | None = Field(
        default=None,
        description="Distinct categories of reference and window together, over the reference's, "
        "at equal sample size: 1 + max(0, new_categories_found - new_categories_expected) / "
        "categories_expected; null for a number.",
    )
    categories_expected: float | None = Field(
        default=None,
        description="Distinct categories that as many rows of the reference have as the smaller of "
        "both sides.",
    )
    new_categories_found: float | None = Field(
        default=None,
        description="Distinct categories that the reference has not seen, in as many rows of the "
        "window as the smaller of both sides has.",
    )
    new_categories_expected: float | None = Field(
        default=None, description="The same, of rows like those of the reference."
    )
    new_categories_expected_error: float | None = Field(
        default=None, description="Standard error of `new_categories_expected`."
    )
    new_categories: dict[str, int] = Field(
        default={},
        description="The most frequent categories that the reference has not seen → rows of the "
        "window.",
    )
    new_share: float | None = Field(
        default=None,
        description="Share of the window's rows in categories that the reference has not seen.",
    )
    new_share_expected: float | None = Field(
        default=None, description="The same share, of rows like those of the reference."
    )
    out_of_range_share: float | None = Field(
        default=None, description="Share of the window's values outside the reference's range."
    )
    unreadable: int = Field(
        default=0,
        description="Values of the window that the cleaning rules could not read; they count as "
        "missing.",
    )
    missing_share_reference: float | None = Field(default=None, description="Rows without a value.")
    missing_share_window: float | None = Field(default=None, description="Rows without a value.")
    mean_reference: float | None = Field(default=None, description="Mean of the present values.")
    mean_window: float | None = Field(default=None, description="Mean of the present values.")
    std_reference: float | None = Field(default=None, description="Population deviation of them.")
    std_window: float | None = Field(default=None, description="Population deviation of them.")
    skewness_reference: float | None = Field(default=None, description="E(x - mean)³ / std³.")
    skewness_window: float | None = Field(default=None, description="E(x - mean)³ / std³.")

    @property
    def mean_shift(self) -> float | None:
        """Shift of the mean, up or down, in standard deviations of the reference."""
        if self.mean_reference is None or self.mean_window is None or not self.std_reference:
            return None
        return (self.mean_window - self.mean_reference) / self.std_reference

    @property
    def deviation_ratio(self) -> float | None:
        """Standard deviation of the window, over the reference's."""
        if self.std_window is None or not self.std_reference:
            return None
        return self.std_window / self.std_reference

    @property
    def skewness_shift(self) -> float | None:
        """Skewness of the window, less the reference's."""
        if self.skewness_window is None or self.skewness_reference is None:
            return None
        return self.skewness_window - self.skewness_reference


class Score(_Part):
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


class PerformancePeriod(_Part):
    """One stretch of the evaluation window."""

    start: str = Field(description="RFC 3339, of the predictions.")
    end: str = Field(description="RFC 3339, of the predictions.")
    labels: int = Field(description="Labelled predictions.")
    accuracy: Score | None = Field(default=None, description="Null without labels.")


class Performance(_Part):
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


class Measurement(_Part):
    """One thing that alerts are made of: it has one where `value` is over level and `noise`."""

    name: str = Field(description="Name of the alert, as in `levels`.")
    feature: str | None = Field(default=None, description="Null for the predictions.")
    value: float = Field(description="What was measured.")
    noise: float | None = Field(
        description="The most that chance explains; null where it explains any value."
    )


class Rule(_Part):
    """One rule of the verdict, which is Drift when any of them holds."""

    name: str = Field(description="What is held against a limit, for example PSI.")
    feature: str | None = Field(
        default=None, description="The feature that decides, where one does."
    )
    value: float | None = Field(default=None, description="Null when it could not be measured.")
    threshold: float = Field(description="As the spec sets it.")
    noise: float | None = Field(
        default=None, description="The most that chance explains in a window of this size."
    )
    holds: bool = Field(
        description="Whether it asks for retraining; a value has to pass threshold and noise."
    )
    text: str = Field(description="The same in words, as in `reason`.")


class DriftReport(_Part):
    """Everything that led to the verdict, so that a person can recompute it."""

    format: Literal[1] = Field(
        default=FORMAT,
        description="Version of this format; a change that readers notice raises it.",
    )
    report_id: str = Field(
        description="Equal for the same window of the same version under the same thresholds."
    )
    model_name: str = Field(description="Registered model: `<namespace>.<name>`.")
    model_version: str = Field(description="The version whose predictions were judged.")
    time: str = Field(description="RFC 3339, when the report was made.")
    window_start: str | None = Field(description="Time of the oldest row that was judged.")
    window_end: str | None = Field(description="Time of the newest row that was judged.")
    samples: int = Field(description="Rows that were judged.")
    verdict: Literal["Stable", "Drift", "NotEnoughData"] = Field(description="What was found.")
    reason: str = Field(description="Why, with the numbers.")
    rules: list[Rule] = Field(
        default=[], description="The verdict's rules; none without a verdict."
    )
    prediction_drift: float | None = Field(
        default=None,
        description="Kullback-Leibler divergence of the class shares, window from reference, in "
        "nats, less what chance adds on average; 0 at least.",
    )
    prediction_drift_plain: float | None = Field(
        default=None, description="The divergence by the textbook's formula."
    )
    prediction_drift_noise: float | None = Field(
        default=None,
        description="`prediction_drift` counts only above this, the most that chance explains.",
    )
    prediction_design_effect: float = Field(
        default=1.0, description="As of a feature, of the predicted classes."
    )
    reference_holdout_rows: int | None = Field(
        default=None, description="Rows of the holdout, that `class_shares_reference` is of."
    )
    class_shares_reference: dict[str, float] = Field(
        default={}, description="Share of each predicted class in the holdout."
    )
    class_shares_window: dict[str, float] = Field(
        default={}, description="Share of each predicted class in the window."
    )
    features: list[FeatureDrift] = Field(default=[], description="As the model takes them.")
    performance: Performance | None = Field(
        default=None,
        description="How good the version is; null for one without a profile and in older reports.",
    )
    quantile: float | None = Field(
        default=None,
        description="Standard normal quantile that the noise of features and classes is taken at.",
    )
    measurements: list[Measurement] = Field(
        default=[], description="Everything that was held against `levels`."
    )
    levels: dict[str, dict[str, float]] = Field(
        default={}, description="Alert → severity → what a value must be over, noise apart."
    )
    alerts: list[DriftAlert] = Field(default=[], description="What moved, the gravest first.")
    thresholds: dict[str, float] = Field(
        default={}, description="Everything of the spec that the verdict depends on, by name."
    )
    skipped_files: dict[str, str] = Field(
        default={}, description="Files of the log that were not read → why."
    )
    skipped_rows: dict[str, int] = Field(
        default={}, description="Why rows were not judged → how many."
    )
    messages: list[str] = Field(
        default=[], description="What a person should know beside the verdict."
    )
    dataset_fingerprint: str | None = Field(
        default=None, description="Digest of the dataset's file listing at that time."
    )
    run_id: str | None = Field(default=None, description="The MLflow run that holds the report.")

    def to_status(self) -> DriftStatus:
        """The summary for `status.drift`: the gravest alerts and the largest scores."""
        psi = max(
            (f for f in self.features if f.psi is not None), key=lambda f: f.psi or 0, default=None
        )
        ratio = max(
            (f for f in self.features if f.cardinality_ratio is not None),
            key=lambda f: f.cardinality_ratio or 0,
            default=None,
        )
        alerts = sorted(self.alerts, key=lambda alert: _SEVERITY_ORDER[alert.severity])
        severities = Counter(alert.severity for alert in alerts)
        return DriftStatus(
            report_id=self.report_id,
            model_version=self.model_version,
            time=self.time,
            verdict=self.verdict,
            reason=shortened(self.reason),
            samples=self.samples,
            window_start=self.window_start,
            window_end=self.window_end,
            scores=DriftScores(
                max_psi=psi.psi if psi else None,
                max_psi_feature=shortened(psi.name) if psi else None,
                prediction_drift=self.prediction_drift,
                max_cardinality_ratio=ratio.cardinality_ratio if ratio else None,
                max_cardinality_ratio_feature=shortened(ratio.name) if ratio else None,
            ),
            features=_most_moved(self.features),
            performance=_summary(self.performance),
            alerts=alerts[:ALERT_LIMIT],
            alert_counts=AlertCounts(
                high=severities["High"], medium=severities["Medium"], low=severities["Low"]
            ),
            dataset_fingerprint=self.dataset_fingerprint,
            run_id=self.run_id,
        )


def json_schema() -> dict[str, Any]:
    """The schema of the report's JSON, as this format writes it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Drift report of a HousingModel",
        **{
            key: value
            for key, value in DriftReport.model_json_schema(mode="serialization").items()
            if key != "title"
        },
    }


def _most_moved(features: list[FeatureDrift]) -> list[FeatureScores]:
    moved = sorted(features, key=lambda feature: (-(feature.psi or 0.0), feature.name))
    return [
        FeatureScores(
            name=shortened(feature.name),
            psi=feature.psi,
            psi_noise=feature.psi_noise,
            missing_share=feature.missing_share_window,
            missing_share_reference=feature.missing_share_reference,
            mean_shift=feature.mean_shift,
            deviation_ratio=feature.deviation_ratio,
            skewness_shift=feature.skewness_shift,
            out_of_range_share=feature.out_of_range_share,
            cardinality_ratio=feature.cardinality_ratio,
            new_share=feature.new_share,
        )
        for feature in moved[:FEATURE_LIMIT]
    ]


def _summary(performance: Performance | None) -> PerformanceStatus | None:
    if performance is None:
        return None
    scores = {
        name: MeasuredScore(
            value=score.value, lower=score.lower, upper=score.upper, reference=score.reference
        )
        for name in ("accuracy", "macro_f1", "estimated_accuracy")
        if (score := getattr(performance, name)) is not None
    }
    return PerformanceStatus(labels=performance.labels, **scores)


def shortened(text: str) -> str:
    """A text as `status.drift` takes it: at most 1,024 characters, cut with `...`."""
    return text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 3] + "..."


def report_id(model: str, version: str, window_digest: str, thresholds: dict[str, float]) -> str:
    """A name that is equal for the same window of the same version under the same thresholds.

    Args:
        model: `<namespace>.<name>`.
        version: version number of the registered model.
        window_digest: digest of the window's request ids and rows.
        thresholds: by name.

    """
    parts = [model, version, window_digest, *(f"{k}={v!r}" for k, v in sorted(thresholds.items()))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
