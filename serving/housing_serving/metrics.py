"""Prometheus metrics of one serving process. Every label has few values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily, Metric

from housing_serving.fallback import LEVELS
from housing_serving.readiness import Serving

# A `_created` series beside every counter would double their number, and nobody reads them.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library gives it no types

_BUCKETS = (
    *(0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075),
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
"""Seconds: one listing takes about a millisecond, ten thousand take seconds."""


class Metrics:
    """What is counted, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.predictions = Counter(
            "housing_predictions_total",
            "Listings classified, by the class that was predicted.",
            ["class"],
            registry=self.registry,
        )
        self.requests = Counter(
            "housing_requests_total",
            "Requests for predictions, by HTTP status.",
            ["code"],
            registry=self.registry,
        )
        self.duration = Histogram(
            "housing_request_duration_seconds",
            "Time from the request's head to the end of its answer.",
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.log_rows = Counter(
            "housing_prediction_log_rows_total",
            "Rows written to the prediction log.",
            registry=self.registry,
        )
        self.log_dropped_rows = Counter(
            "housing_prediction_log_dropped_rows_total",
            "Rows that the prediction log lost, by reason.",
            ["reason"],
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)

    def count_request(self, code: int, seconds: float) -> None:
        """Count one request for predictions."""
        self.requests.labels(str(code)).inc()
        self.duration.observe(seconds)

    def count_predictions(self, classes: Sequence[str], labels: NDArray[np.int64]) -> None:
        """Count predicted classes."""
        for label, count in enumerate(np.bincount(labels, minlength=len(classes)).tolist()):
            if count:
                self.predictions.labels(classes[label]).inc(count)

    def show(self, serving: Callable[[], Serving], log_backlog: Callable[[], int]) -> None:
        """Show what answers now and the log's backlog, as they are when Prometheus asks."""
        self.registry.register(_StateCollector(serving, log_backlog))


class _StateCollector:
    """Reads the state at each scrape, so that no scrape falls between two updates."""

    def __init__(self, serving: Callable[[], Serving], log_backlog: Callable[[], int]) -> None:
        self._serving = serving
        self._log_backlog = log_backlog

    def collect(self) -> Iterable[Metric]:
        serving = self._serving()
        info = GaugeMetricFamily(
            "housing_model_info",
            "1 for the version that answers now and the link of the fallback chain it came from.",
            labels=["version", "serving_from"],
        )
        info.add_metric([serving.version or "", serving.level], 1)
        yield info
        yield _gauge(
            "housing_fallback_level",
            "What answers: 0 the pinned version, 1 staging, 2 a local copy, 3 nothing.",
            LEVELS.index(serving.level),
        )
        yield _gauge(
            "housing_prediction_log_backlog_rows",
            "Rows that wait to be written to the prediction log.",
            self._log_backlog(),
        )

    def describe(self) -> Iterable[Any]:
        """Nothing is known before the first scrape."""
        return []


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)
