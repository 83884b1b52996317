"""From a window and a profile to a report. Pure: `now` is a parameter."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from housing_core.drift_report import DriftReport, FeatureDrift, report_id
from housing_core.tasks import MonitoringTask
from housing_core.times import format_time
from housing_monitoring.alerts import ClassDrift, find_alerts
from housing_monitoring.comparison import KindMismatchError, compare
from housing_monitoring.profile import Profile
from housing_monitoring.statistics import kullback_leibler, quantile
from housing_monitoring.verdict import Verdict, decide
from housing_monitoring.window import Window


def judge(task: MonitoringTask, profile: Profile, window: Window, now: datetime) -> DriftReport:
    """Compare the window with the profile.

    A window that is too small is measured too, as far as there is anything to measure, so that
    the report shows what is coming; it gets no verdict, and its alerts count for nothing.

    Args:
        task: says what is judged, and by which thresholds.
        profile: of the judged version.
        window: its predictions.
        now: aware.

    """
    z = quantile(len(window.features))
    features, messages = _compare(profile, window, z)
    classes = _compare_classes(profile, window, z)
    alerts = find_alerts(features, classes, task.thresholds, z)
    enough = window.rows >= task.min_samples
    if enough:
        verdict = decide(features, classes, alerts, task.thresholds)
        reason = f"{window.rows:,} predictions: {verdict.reason}"
    else:
        reason = f"{window.rows:,} predictions in the window, {task.min_samples:,} are needed"
        verdict = Verdict("NotEnoughData", reason, [])
    return DriftReport(
        **_frame(task, window, now),
        verdict=verdict.name,
        reason=reason,
        rules=verdict.rules,
        **_of_classes(classes),
        features=features,
        alerts=alerts if enough else [],
        messages=messages,
    )


def without_profile(
    task: MonitoringTask, window: Window, now: datetime, reason: str
) -> DriftReport:
    """A report on a version that nothing can be compared with; arguments as of `judge`."""
    return DriftReport(**_frame(task, window, now), verdict="NotEnoughData", reason=reason)


def limits(task: MonitoringTask) -> dict[str, float]:
    """Everything of the spec that a verdict depends on, by name."""
    least = {"min_samples": task.min_samples, "min_labels": task.min_labels}
    return {**task.thresholds.model_dump(exclude_none=True), **least}


def _frame(task: MonitoringTask, window: Window, now: datetime) -> dict[str, Any]:
    thresholds = limits(task)
    version = task.production_version
    return {
        "report_id": report_id(task.model_name, version, window.digest, thresholds),
        "model_name": task.model_name,
        "model_version": version,
        "time": format_time(now),
        "window_start": window.start and format_time(window.start),
        "window_end": window.end and format_time(window.end),
        "samples": window.rows,
        "thresholds": thresholds,
        "skipped_files": window.skipped_files,
        "skipped_rows": window.skipped_rows,
    }


def _compare(profile: Profile, window: Window, z: float) -> tuple[list[FeatureDrift], list[str]]:
    features = []
    messages = []
    if window.rows == 0:
        return [], []
    for name, column in window.features.items():
        reference = profile.reference.features.get(name)
        if reference is None:
            messages.append(f"{name} has no reference profile, so it was not compared")
            continue
        try:
            features.append(compare(name, reference, column, z))
        except KindMismatchError as error:
            messages.append(str(error))
    return features, messages


def _compare_classes(profile: Profile, window: Window, z: float) -> ClassDrift | None:
    shares = profile.reference.class_shares
    holdout = profile.reference.holdout_rows
    if not (shares and holdout and window.rows):
        return None
    names = [*shares, *sorted(set(window.classes) - set(shares))]
    before = [shares.get(name, 0.0) * holdout for name in names]
    now = [window.classes.get(name, 0) for name in names]
    return ClassDrift(
        divergence=kullback_leibler(before, now, z),
        reference=shares,
        window={name: rows / window.rows for name, rows in zip(names, now, strict=True)},
        reference_rows=holdout,
        window_rows=window.rows,
    )


def _of_classes(classes: ClassDrift | None) -> dict[str, Any]:
    if classes is None:
        return {}
    return {
        "prediction_drift": classes.divergence.value,
        "prediction_drift_plain": classes.divergence.plain,
        "prediction_drift_noise": classes.divergence.noise,
        "reference_holdout_rows": classes.reference_rows,
        "class_shares_reference": classes.reference,
        "class_shares_window": classes.window,
    }
