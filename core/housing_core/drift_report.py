"""The drift report: monitoring writes it whole to MLflow, and its summary to `status.drift`."""

from __future__ import annotations

import hashlib
from typing import Literal

from pydantic import BaseModel, ConfigDict

from housing_core.api.status import (
    ALERT_LIMIT,
    TEXT_LIMIT,
    DriftAlert,
    DriftScores,
    DriftStatus,
)

FORMAT = 1
JSON_FILE = "drift_report.json"
HTML_FILE = "drift_report.html"

_SEVERITY_ORDER = {"High": 0, "Medium": 1, "Low": 2}


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Bin(_Part):
    """One bin that a feature was compared in: rows on each side, missing values among them."""

    label: str
    reference: int
    window: int


class FeatureDrift(_Part):
    """What was measured of one feature in the window, against the reference.

    Attributes:
        psi: population stability index (seed 5.1), less what chance adds on average to a window
            of this size; 0 at least.
        psi_plain: the index by the textbook's formula, from `bins`.
        psi_noise: `psi` counts only above this, the most that chance explains.
        cardinality_ratio: distinct categories of reference and window together, over the
            reference's; None for a number.
        new_categories: the most frequent categories that the reference has not seen.
        new_share: share of the window's rows in categories that the reference has not seen.
        new_share_expected: the same share, of rows like those of the reference.
        out_of_range_share: share of the window's rows outside the reference's range.
        unreadable: values of the window that the cleaning rules could not read; they count as
            missing.
        *_reference, *_window: the same statistic on each side; rows with missing values are
            among the rows.

    """

    name: str
    kind: Literal["Numeric", "Categorical"]
    psi: float | None = None
    psi_plain: float | None = None
    psi_noise: float | None = None
    bins: list[Bin] = []
    rows_reference: int = 0
    rows_window: int = 0
    cardinality_ratio: float | None = None
    new_categories: list[str] = []
    new_share: float | None = None
    new_share_expected: float | None = None
    out_of_range_share: float | None = None
    unreadable: int = 0
    missing_share_reference: float | None = None
    missing_share_window: float | None = None
    mean_reference: float | None = None
    mean_window: float | None = None
    std_reference: float | None = None
    std_window: float | None = None
    skewness_reference: float | None = None
    skewness_window: float | None = None


class DriftReport(_Part):
    """Everything that led to the verdict, so that a person can recompute it.

    Attributes:
        window_start, window_end: times of the oldest and the newest row that was judged.
        samples: rows that were judged.
        prediction_drift: Kullback-Leibler divergence of the class shares, window from reference,
            in nats, less what chance adds on average; 0 at least.
        prediction_drift_plain, prediction_drift_noise: as of `FeatureDrift.psi`.
        skipped_files: files of the log that were not read → why.
        skipped_rows: why rows were not judged → how many.
        messages: what a person should know beside the verdict.

    """

    format: int = FORMAT
    report_id: str
    model_name: str
    model_version: str
    time: str
    window_start: str | None
    window_end: str | None
    samples: int
    verdict: Literal["Stable", "Drift", "NotEnoughData"]
    reason: str
    prediction_drift: float | None = None
    prediction_drift_plain: float | None = None
    prediction_drift_noise: float | None = None
    reference_holdout_rows: int | None = None
    class_shares_reference: dict[str, float] = {}
    class_shares_window: dict[str, float] = {}
    features: list[FeatureDrift] = []
    alerts: list[DriftAlert] = []
    thresholds: dict[str, float] = {}
    skipped_files: dict[str, str] = {}
    skipped_rows: dict[str, int] = {}
    messages: list[str] = []
    dataset_fingerprint: str | None = None
    run_id: str | None = None

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
            alerts=alerts[:ALERT_LIMIT],
            dataset_fingerprint=self.dataset_fingerprint,
            run_id=self.run_id,
        )


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
