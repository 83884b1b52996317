"""The whole report: its verdict, and all that led to it."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any, Final, Literal

from pydantic import Field

from housing_core.api.status import (
    ALERT_LIMIT,
    AlertCounts,
    DriftAlert,
    DriftScores,
    DriftStatus,
)
from housing_core.drift_report.features import FeatureDrift
from housing_core.drift_report.part import Part
from housing_core.drift_report.performance import Performance
from housing_core.drift_report.summary import most_moved, performance_status, shortened

FORMAT: Final = 1
JSON_FILE = "drift_report.json"
HTML_FILE = "drift_report.html"

SCHEMA_ID = f"https://housing-operator.dev/drift-report/v{FORMAT}.schema.json"
"""A name, as JSON Schema wants one; nothing is fetched from there."""

_SEVERITY_ORDER = {"High": 0, "Medium": 1, "Low": 2}


class Measurement(Part):
    """One thing that alerts are made of: it has one where `value` is over level and `noise`."""

    name: str = Field(description="Name of the alert, as in `levels`.")
    feature: str | None = Field(default=None, description="Null for the predictions.")
    value: float = Field(description="What was measured.")
    noise: float | None = Field(
        description="The most that chance explains; null where it explains any value."
    )


class Rule(Part):
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


class DriftReport(Part):
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
            features=most_moved(self.features),
            performance=performance_status(self.performance),
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
