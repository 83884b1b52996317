"""Metrics of the HousingModels: what their specs and statuses say, as of the newest watch event.

Nothing is asked when Prometheus scrapes. A model's series are few and go when it does: labels take
their values from lists that are fixed here or bounded in the status.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from pydantic import ValidationError

from housing_core.api.spec import Monitoring
from housing_core.api.status import (
    AlertCounts,
    Candidate,
    DriftStatus,
    FeatureScores,
    HistoryEntry,
    HousingModelStatus,
    MeasuredScore,
    ModelInputs,
    Outcome,
    PerformanceStatus,
    TrackStatus,
    TrainingStatus,
    Trigger,
)
from housing_core.times import parse_time
from housing_operator.reconciler import Key
from housing_operator.schedules import longest_gap

Body = Mapping[str, Any]

MODEL_LABELS = ("namespace", "model")

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

COUNTERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "housing_model_trainings": (
        "Trainings that ended while this operator ran, by what asked for them and how they ended.",
        ("trigger", "outcome"),
    ),
    "housing_model_training_seconds": (
        "Time that those trainings took, all attempts together.",
        ("trigger", "outcome"),
    ),
    "housing_model_rollouts": (
        "Versions that were promoted, rejected or rolled back while this operator ran.",
        ("outcome",),
    ),
}

_TRAINED = {"Registered": "Registered", "NoNewData": "NoNewData", "TrainingFailed": "Failed"}
"""Events of `status.history` that end a training → the outcome that is counted."""

_ROLLED_OUT = ("Promoted", "Rejected", "RolledBack")

Sample = tuple[str, tuple[str, ...], float]
"""Name of the metric, values of its labels after those of the model, value."""


@dataclass(frozen=True, slots=True)
class _Model:
    gauges: tuple[Sample, ...]
    history: tuple[HistoryEntry, ...]
    counts: dict[tuple[str, tuple[str, ...]], float]


class ModelMetrics(Collector):
    """What Prometheus sees of the HousingModels.

    `see` and `forget` are for one thread; `collect` may run in another.
    """

    def __init__(self) -> None:
        """No model is known yet."""
        self._models: dict[Key, _Model] = {}

    def see(self, body: Body) -> None:
        """Take over a HousingModel as the API server sent it."""
        metadata = body["metadata"]
        key = (metadata["namespace"], metadata["name"])
        status = _status(body)
        history, former = tuple(status.history), self._models.get(key)
        # What happened before this operator saw the model was counted by the one before it.
        counts = dict(_no_events() if former is None else former.counts)
        if former is not None:
            for name, labels, step in _events(_newer(history, former.history), status.training):
                counts[name, labels] += step
        self._models[key] = _Model(tuple(gauges(body, status)), history, counts)

    def forget(self, key: Key) -> None:
        """Drop the series of a model that is gone."""
        self._models.pop(key, None)

    def collect(self) -> Iterable[Metric]:
        """All series, as of the last event of each model."""
        # In one step, since other threads scrape.
        models = list(self._models.items())
        gauge_families = {
            name: GaugeMetricFamily(name, text, labels=(*MODEL_LABELS, *labels))
            for name, (text, labels) in GAUGES.items()
        }
        counter_families = {
            name: CounterMetricFamily(name, text, labels=(*MODEL_LABELS, *labels))
            for name, (text, labels) in COUNTERS.items()
        }
        for key, model in models:
            for name, labels, value in model.gauges:
                gauge_families[name].add_metric((*key, *labels), value)
            for (name, labels), count in model.counts.items():
                counter_families[name].add_metric((*key, *labels), count)
        yield from gauge_families.values()
        yield from counter_families.values()


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
        yield "housing_model_version_since_timestamp_seconds", (name,), _seconds(track.since)
    if track.registered_at is not None:
        registered = _seconds(track.registered_at)
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
        since = _seconds(candidate.since)
        yield "housing_model_candidate_since_timestamp_seconds", (), since


def _training(training: TrainingStatus | None) -> Iterator[Sample]:
    running = training is not None and training.finished_at is None
    yield "housing_model_training_running", (), running
    for outcome in get_args(Outcome):
        ended = training is not None and training.outcome == outcome
        yield "housing_model_training_outcome", (outcome,), ended
    if training is None:
        return
    begun = _seconds(training.started_at)
    yield "housing_model_training_attempts", (), training.attempt
    yield "housing_model_training_start_timestamp_seconds", (), begun
    if training.finished_at is not None:
        ended_at = _seconds(training.finished_at)
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
    yield "housing_model_drift_report_timestamp_seconds", (), _seconds(drift.time)
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


def _status(body: Body) -> HousingModelStatus:
    try:
        return HousingModelStatus.model_validate(body.get("status", {}))
    except ValidationError:
        return HousingModelStatus()


def _newer(
    history: tuple[HistoryEntry, ...], former: tuple[HistoryEntry, ...]
) -> tuple[HistoryEntry, ...]:
    """Entries before the one that was the newest, in a list whose newest entry comes first."""
    if former and former[0] in history:
        return history[: history.index(former[0])]
    return history


def _events(entries: Iterable[HistoryEntry], training: TrainingStatus | None) -> Iterator[Sample]:
    """By how much counters go up; `training` is the newest one."""
    for entry in entries:
        if entry.event in _TRAINED and entry.trigger is not None:
            labels = (entry.trigger, _TRAINED[entry.event])
            yield "housing_model_trainings", labels, 1
            if training is not None and training.finished_at == entry.time:
                took = _seconds(entry.time) - _seconds(training.started_at)
                yield "housing_model_training_seconds", labels, took
        elif entry.event in _ROLLED_OUT:
            yield "housing_model_rollouts", (entry.event,), 1


def _no_events() -> dict[tuple[str, tuple[str, ...]], float]:
    """All counters at 0: Prometheus cannot see the first step of one that begins at 1."""
    trained = [
        (name, (trigger, outcome))
        for name in ("housing_model_trainings", "housing_model_training_seconds")
        for trigger in get_args(Trigger)
        for outcome in _TRAINED.values()
    ]
    rolled_out = [("housing_model_rollouts", (outcome,)) for outcome in _ROLLED_OUT]
    return dict.fromkeys([*trained, *rolled_out], 0.0)


def _seconds(time: str) -> float:
    return parse_time(time).timestamp()
