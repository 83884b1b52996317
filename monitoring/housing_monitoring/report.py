"""From a window and a profile to a report. Pure: `now` is a parameter."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np

from housing_core.drift_report import DriftReport, report_id
from housing_core.tasks import MonitoringTask
from housing_core.times import format_time
from housing_monitoring.alerts import BY_LABELS, find_alerts
from housing_monitoring.log.judged_rows import OF_VERSION
from housing_monitoring.log.window import Window
from housing_monitoring.measures.clustering import design_effect
from housing_monitoring.measures.comparison import compare
from housing_monitoring.measures.measurements import ClassDrift, levels, measure
from housing_monitoring.measures.performance import Labelled, evaluate
from housing_monitoring.measures.statistics import kullback_leibler, quantile
from housing_monitoring.profile import Profile
from housing_monitoring.verdict import decide, decide_by_labels


def judge(
    task: MonitoringTask, profile: Profile, window: Window, labelled: Labelled, now: datetime
) -> DriftReport:
    """Compare the window with the profile.

    A window that is too small is measured too, as far as there is anything to measure, so that
    the report shows what is coming; only labels can give it a verdict, and other alerts count for
    nothing.

    Args:
        task: says what is judged, and by which thresholds.
        profile: of the judged version.
        window: its predictions.
        labelled: those of its predictions whose true price is known.
        now: aware.

    """
    z = quantile(len(window.features))
    features = [compare(name, tally, z) for name, tally in window.features.items()]
    classes = _compare_classes(profile, window, z)
    performance = evaluate(
        labelled,
        window.confidences,
        profile.reference,
        classes=profile.classes,
        labels_needed=task.min_labels,
        window_seconds=task.evaluation_window_seconds,
    )
    against = levels(task.thresholds)
    measured = measure(features, classes, performance, against, z)
    alerts = find_alerts(measured, against)
    if window.rows >= task.min_samples:
        verdict = decide(features, classes, performance, alerts, task.thresholds)
        reason = f"{window.rows:,} predictions: {verdict.reason}"
        others = [alert for alert in alerts if alert.name not in BY_LABELS]
        unlabelled = decide(features, classes, performance, others, task.thresholds)
        by_labels = verdict.name != unlabelled.name
    else:
        alerts = [alert for alert in alerts if alert.name in BY_LABELS]
        too_few = f"{window.rows:,} predictions in the window, {task.min_samples:,} are needed"
        verdict = decide_by_labels(performance, alerts, task.thresholds, too_few)
        reason, by_labels = verdict.reason, verdict.name == "Drift"
    return DriftReport(
        # Labels are in the id only as the verdict that they alone bring about: more of them must
        # not make a second report, and a second retraining, of one window.
        **_frame(task, window, now, f"{window.digest}\nby labels" if by_labels else window.digest),
        verdict=verdict.name,
        reason=reason,
        rules=verdict.rules,
        **_of_classes(classes),
        reference_holdout_rows=profile.reference.holdout_rows,
        features=features,
        performance=performance,
        quantile=z,
        measurements=[one.published() for one in measured],
        levels={name: dict(graded) for name, graded in against.items()},
        alerts=alerts,
        messages=[*window.messages, *labelled.messages, *_of_rollout(task, window)],
    ).model_copy(update={"skipped_files": {**labelled.skipped_files, **window.skipped_files}})


def _of_rollout(task: MonitoringTask, window: Window) -> list[str]:
    """That a window lies across versions, in words: its rows are fewer than its traffic."""
    versions = {
        why.removeprefix(OF_VERSION): rows
        for why, rows in window.skipped_rows.items()
        if why.startswith(OF_VERSION)
    }
    if not versions:
        return []
    others = ", ".join(f"{rows:,} of version {version}" for version, rows in versions.items())
    return [
        f"the window lies across versions: {window.rows:,} predictions of version "
        f"{task.production_version} were judged, {others} were not"
    ]


def without_profile(
    task: MonitoringTask, window: Window, now: datetime, reason: str
) -> DriftReport:
    """A report on a version that nothing can be compared with; arguments as of `judge`."""
    frame = _frame(task, window, now, window.digest)
    return DriftReport(
        **frame, verdict="NotEnoughData", reason=reason, messages=_of_rollout(task, window)
    )


def limits(task: MonitoringTask) -> dict[str, float]:
    """Everything of the spec that a verdict depends on, by name."""
    least = {"min_samples": task.min_samples, "min_labels": task.min_labels}
    return {**task.thresholds.model_dump(exclude_none=True), **least}


def _frame(task: MonitoringTask, window: Window, now: datetime, digest: str) -> dict[str, Any]:
    thresholds = limits(task)
    version = task.production_version
    return {
        "report_id": report_id(task.model_name, version, digest, thresholds),
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


def _compare_classes(profile: Profile, window: Window, z: float) -> ClassDrift | None:
    shares = profile.reference.class_shares
    holdout = profile.reference.holdout_rows
    if not (shares and holdout and window.rows):
        return None
    names = [*shares, *sorted(set(window.classes) - set(shares))]
    before = [shares.get(name, 0.0) * holdout for name in names]
    none = np.zeros(len(window.confidences), np.int64)
    blocks = np.stack([window.classes.get(name, none) for name in names], axis=1)
    now = blocks.sum(axis=0).tolist()
    effect = design_effect(blocks, before)
    return ClassDrift(
        divergence=kullback_leibler(before, now, z, effect),
        reference=shares,
        window={name: rows / window.rows for name, rows in zip(names, now, strict=True)},
        reference_rows=holdout,
        window_rows=window.rows,
        design_effect=effect,
    )


def _of_classes(classes: ClassDrift | None) -> dict[str, Any]:
    if classes is None:
        return {}
    return {
        "prediction_drift": classes.divergence.value,
        "prediction_drift_plain": classes.divergence.plain,
        "prediction_drift_noise": classes.divergence.noise,
        "prediction_design_effect": classes.design_effect,
        "class_shares_reference": classes.reference,
        "class_shares_window": classes.window,
    }
