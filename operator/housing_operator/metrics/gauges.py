"""Pure: a HousingModel → its gauges, what its spec and status say now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

from housing_core.api.spec import Monitoring
from housing_core.api.status import (
    AlertCounts,
    Candidate,
    DriftStatus,
    FeatureScores,
    HousingModelStatus,
    MeasuredScore,
    ModelInputs,
    Outcome,
    PerformanceStatus,
    TrackStatus,
    TrainingStatus,
)
from housing_core.times import parse_time
from housing_operator.schedules import longest_gap

Body = Mapping[str, Any]

Sample = tuple[str, tuple[str, ...], float]
"""Name of the metric, values of its labels after those of the model, value."""

GAUGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "housing_model_condition": (
        "1 while a condition of the HousingModel is True, else 0; with its present reason.",
        ("type", "reason"),
    ),
    "housing_model_suspended": ("1 while spec.suspend is true, else 0.", ()),
    "housing_model_version": ("Version of the registered model that a track serves.", ("track",)),
    "housing_model_version_since_timestamp_seconds": (
        "Since when a track serves its version.",
        ("track",),
    ),
    "housing_model_version_registered_timestamp_seconds": (
        "When the training of the version that a track serves registered it.",
        ("track",),
    ),
    "housing_model_ready_replicas": (
        "Pods of a track that answer with its version.",
        ("track",),
    ),
    "housing_model_holdout_score": (
        "Score on the holdout of the version that a track serves: "
        "accuracy, macro_f1 or roc_auc.",
        ("track", "score"),
    ),
    "housing_model_candidate_step": (
        "1 for the step that a version on its way to production has reached, else 0.",
        ("step",),
    ),
    "housing_model_candidate_since_timestamp_seconds": (
        "When the version on its way to production reached its step.",
        (),
    ),
    "housing_model_rejected_versions": ("Versions that are not tried again.", ()),
    "housing_model_training_running": ("1 while a training is under way, else 0.", ()),
    "housing_model_training_attempts": ("Attempts of the newest training so far.", ()),
    "housing_model_training_start_timestamp_seconds": ("When the newest training began.", ()),
    "housing_model_training_end_timestamp_seconds": ("When the newest training ended.", ()),
    "housing_model_training_duration_seconds": (
        "How long the newest training took, all attempts together, once it has ended.",
        (),
    ),
    "housing_model_training_outcome": (
        "1 for how the newest training ended, else 0.",
        ("outcome",),
    ),
    "housing_model_training_failures": ("Trainings that failed since the last good one.", ()),
    "housing_model_training_rows": ("Rows that the newest version learned from.", ()),
    "housing_model_input_columns": ("Columns of the newest version, by kind.", ("kind",)),
    "housing_model_class_boundary": (
        "Price at which a class ends and the next begins, in the unit of the target.",
        ("below", "above"),
    ),
    "housing_model_drift_report_timestamp_seconds": (
        "When the newest drift report was made.",
        (),
    ),
    "housing_model_drift_report_interval_seconds": (
        "Longest time between two reports by spec.monitoring.schedule.",
        (),
    ),
    "housing_model_drift_report_info": (
        "1 for the newest drift report: the version it judged and its MLflow run.",
        ("version", "run_id"),
    ),
    "housing_model_drift_verdict": ("1 for the newest report's verdict, else 0.", ("verdict",)),
    "housing_model_drift_window_rows": ("Predictions that the newest report judged.", ()),
    "housing_model_drift_score": (
        "What the newest report holds against the thresholds, with the feature that has it.",
        ("score", "feature"),
    ),
    "housing_model_drift_feature_score": (
        "What the newest report measured of the features that moved furthest: psi, psi_noise, "
        "missing_share, missing_share_reference, mean_shift, deviation_ratio, skewness_shift, "
        "out_of_range_share, cardinality_ratio or new_share.",
        ("feature", "score"),
    ),
    "housing_model_drift_threshold": ("The spec's thresholds of drift.", ("score",)),
    "housing_model_drift_alerts": ("Alerts of the newest drift report.", ("severity",)),
    "housing_model_drift_alert_value": (
        "What an alert of the newest report measured; the largest where several share the labels.",
        ("alert", "feature", "severity"),
    ),
    "housing_model_drift_alert_threshold": (
        "What that was held against: the threshold, or the most that chance explains.",
        ("alert", "feature", "severity"),
    ),
    "housing_model_labelled_rows": ("Predictions whose true price the newest report knew.", ()),
    "housing_model_performance": (
        "How good production is on what it answered: accuracy and macro_f1 on labelled "
        "predictions, estimated_accuracy from its own confidence.",
        ("score",),
    ),
    "housing_model_performance_lower": ("Lower end of that score's interval.", ("score",)),
    "housing_model_performance_upper": ("Upper end of that score's interval.", ("score",)),
    "housing_model_performance_reference": ("The same score on the holdout.", ("score",)),
}


def gauges(body: Body, status: HousingModelStatus) -> Iterator[Sample]:
    """The gauges of one HousingModel; what is not known has none."""
    spec = body.get("spec", {})
    yield "housing_model_suspended", (), bool(spec.get("suspend", False))
    for condition in status.conditions:
        labels = (condition.type, condition.reason)
        yield "housing_model_condition", labels, condition.status == "True"
    for name in ("production", "staging"):
        track: TrackStatus | None = getattr(status, name)
        if track is not None:
            yield from _track(name, track)
    yield from _candidate(status.candidate)
    yield "housing_model_rejected_versions", (), len(status.rejected_versions)
    yield "housing_model_training_failures", (), status.retraining.failures
    yield from _training(status.training)
    if status.inputs is not None:
        yield from _inputs(status.inputs)
    yield from _monitoring(spec)
    if status.drift is not None:
        yield from _drift(status.drift)


def _track(name: str, track: TrackStatus) -> Iterator[Sample]:
    yield "housing_model_version", (name,), int(track.version)
    yield "housing_model_ready_replicas", (name,), track.ready_replicas
    if track.since is not None:
        yield "housing_model_version_since_timestamp_seconds", (name,), seconds(track.since)
    if track.registered_at is not None:
        registered = seconds(track.registered_at)
        yield "housing_model_version_registered_timestamp_seconds", (name,), registered
    for score in ("accuracy", "macro_f1", "roc_auc"):
        value: float | None = getattr(track, score)
        if value is not None:
            yield "housing_model_holdout_score", (name, score), value


def _candidate(candidate: Candidate | None) -> Iterator[Sample]:
    for step in get_args(Candidate.model_fields["step"].annotation):
        reached = candidate is not None and candidate.step == step
        yield "housing_model_candidate_step", (step,), reached
    if candidate is not None:
        since = seconds(candidate.since)
        yield "housing_model_candidate_since_timestamp_seconds", (), since


def _training(training: TrainingStatus | None) -> Iterator[Sample]:
    running = training is not None and training.finished_at is None
    yield "housing_model_training_running", (), running
    for outcome in get_args(Outcome):
        ended = training is not None and training.outcome == outcome
        yield "housing_model_training_outcome", (outcome,), ended
    if training is None:
        return
    begun = seconds(training.started_at)
    yield "housing_model_training_attempts", (), training.attempt
    yield "housing_model_training_start_timestamp_seconds", (), begun
    if training.finished_at is not None:
        ended_at = seconds(training.finished_at)
        yield "housing_model_training_end_timestamp_seconds", (), ended_at
        yield "housing_model_training_duration_seconds", (), ended_at - begun


def _inputs(inputs: ModelInputs) -> Iterator[Sample]:
    yield "housing_model_training_rows", (), inputs.rows
    for kind, count in Counter(column.kind for column in inputs.columns).items():
        yield "housing_model_input_columns", (kind,), count
    for boundary in inputs.boundaries:
        labels = (boundary.below, boundary.above)
        yield "housing_model_class_boundary", labels, boundary.price


def _drift(drift: DriftStatus) -> Iterator[Sample]:
    yield "housing_model_drift_report_timestamp_seconds", (), seconds(drift.time)
    report = (drift.model_version, drift.run_id or "")
    yield "housing_model_drift_report_info", report, 1
    for verdict in get_args(DriftStatus.model_fields["verdict"].annotation):
        yield "housing_model_drift_verdict", (verdict,), drift.verdict == verdict
    yield "housing_model_drift_window_rows", (), drift.samples
    counts = _alert_counts(drift)
    scores = drift.scores
    for score, feature, value in (
        ("psi", scores.max_psi_feature, scores.max_psi),
        ("prediction_drift", None, scores.prediction_drift),
        ("cardinality_ratio", scores.max_cardinality_ratio_feature, scores.max_cardinality_ratio),
        ("high_severity_alerts", None, counts["High"]),
        *_accuracy_drops(drift.performance),
    ):
        if value is not None:
            yield "housing_model_drift_score", (score, feature or ""), value
    yield from _features(drift.features)
    if drift.performance is not None:
        yield from _performance(drift.performance)
    for severity, count in counts.items():
        yield "housing_model_drift_alerts", (severity,), count
    largest: dict[tuple[str, str, str], tuple[float, float | None]] = {}
    for alert in drift.alerts:
        labels = (alert.name, alert.feature or "", alert.severity)
        if alert.value is not None and alert.value >= largest.get(labels, (alert.value, None))[0]:
            largest[labels] = (alert.value, alert.threshold)
    for shared, (measured, limit) in largest.items():
        yield "housing_model_drift_alert_value", shared, measured
        if limit is not None:
            yield "housing_model_drift_alert_threshold", shared, limit


def _alert_counts(drift: DriftStatus) -> dict[str, int]:
    """Alerts by severity; a report of an older monitor has only those that it lists."""
    listed = Counter(alert.severity for alert in drift.alerts)
    counts = drift.alert_counts or AlertCounts(
        high=listed["High"], medium=listed["Medium"], low=listed["Low"]
    )
    return {"High": counts.high, "Medium": counts.medium, "Low": counts.low}


def _features(features: Iterable[FeatureScores]) -> Iterator[Sample]:
    for feature in features:
        for score, value in feature:
            if score != "name" and value is not None:
                yield "housing_model_drift_feature_score", (feature.name, score), value


def _accuracy_drops(
    performance: PerformanceStatus | None,
) -> Iterator[tuple[str, None, float]]:
    for score in ("accuracy", "estimated_accuracy"):
        measured: MeasuredScore | None = getattr(performance, score, None)
        if measured is not None and measured.reference is not None:
            yield f"{score}_drop", None, measured.reference - measured.value


def _performance(performance: PerformanceStatus) -> Iterator[Sample]:
    yield "housing_model_labelled_rows", (), performance.labels
    for score in ("accuracy", "macro_f1", "estimated_accuracy"):
        measured: MeasuredScore | None = getattr(performance, score)
        if measured is None:
            continue
        yield "housing_model_performance", (score,), measured.value
        yield "housing_model_performance_lower", (score,), measured.lower
        yield "housing_model_performance_upper", (score,), measured.upper
        if measured.reference is not None:
            yield "housing_model_performance_reference", (score,), measured.reference


def _monitoring(spec: Body) -> Iterator[Sample]:
    try:
        monitoring = Monitoring.model_validate(spec.get("monitoring", {}))
        gap = longest_gap(monitoring.schedule)
    except ValueError:
        return  # the condition Degraded says what is wrong with the spec
    if gap is not None:
        yield "housing_model_drift_report_interval_seconds", (), gap.total_seconds()
    for score, threshold in monitoring.thresholds.model_dump(exclude_none=True).items():
        yield "housing_model_drift_threshold", (score,), threshold


def seconds(time: str) -> float:
    """Seconds since 1970 of a time as Kubernetes writes it."""
    return parse_time(time).timestamp()
