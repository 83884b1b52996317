"""Metrics of the HousingModels: what their specs and statuses say, as of the newest watch event.

Nothing is asked when Prometheus scrapes. A model's series are few and go when it does: labels take
their values from lists that are fixed here or bounded in the status.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from pydantic import ValidationError

from housing_core.api.status import HistoryEntry, HousingModelStatus, TrainingStatus, Trigger
from housing_operator.metrics.gauges import GAUGES, Body, Sample, gauges, seconds
from housing_operator.observation import Key

MODEL_LABELS = ("namespace", "model")

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
                took = seconds(entry.time) - seconds(training.started_at)
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
