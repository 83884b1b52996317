"""Prometheus metrics of one serving process; `docs/reference/metrics.md` lists them.

Every label has few values. With several workers each keeps its values in files of its slot
(prometheus_client's multiprocess mode), and whichever worker is asked adds them up.
"""

from __future__ import annotations

import os
from collections import Counter as Counts
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector

from housing_serving.versions.fallback import LEVELS
from housing_serving.versions.readiness import Serving

# A `_created` series beside every counter would double their number, and nobody reads them.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library gives it no types

_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

_SECONDS = (
    *(0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075),
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
"""One listing takes less than a millisecond, ten thousand take most of a second."""

REJECTED = (
    "queue_full",
    "bodies_full",
    "connections_full",
    "timeout",
    "malformed",
    "head_too_large",
)
"""Why requests are sent away."""

_ROWS = (1, 10, 100, 1_000, 10_000)
_SHARES = tuple(tenths / 10 for tenths in range(3, 11))


def share_between_workers(folder: Path, slot: int) -> None:
    """Keep the values of this process where its siblings find them; before `Metrics` is made.

    Args:
        folder: one for all workers of a pod, empty when the first of them starts.
        slot: this worker's place among them. A worker that replaces another goes on from its counters.

    """
    os.environ[_FOLDER_VARIABLE] = str(folder)
    values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]


class Metrics:
    """What is counted, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._shared = _FOLDER_VARIABLE in os.environ
        counter, gauge, histogram = self._counter, self._gauge, self._histogram
        self._requests = counter(
            "requests_total", "Answered requests, by route and HTTP status.", "route", "code"
        )
        self._duration = histogram(
            "request_duration_seconds",
            "Time from the request's head to the end of its answer.",
            _SECONDS,
            "route",
        )
        self.in_flight = gauge("requests_in_flight", "Requests that are not answered yet.")
        self.queued = gauge("requests_queued", "Requests that wait for the model.")
        self._rejected = counter(
            "requests_rejected_total", "Requests sent away to protect the others.", "reason"
        )
        self._predictions = counter(
            "predictions_total", "Listings classified, by the class that was predicted.", "class"
        )
        self._request_rows = histogram("request_rows", "Listings in a classified request.", _ROWS)
        self._confidence = histogram(
            "prediction_confidence", "Probability of the class that was predicted.", _SHARES
        )
        self._model_info = gauge(
            "model_info",
            "1 for the version that answers now and the link of the fallback chain it came from.",
            *("version", "serving_from"),
            mode="livemax",
        )
        self._fallback_level = gauge(
            "fallback_level",
            "What answers: 0 the pinned version, 1 staging, 2 a local copy, 3 nothing.",
            mode="livemax",
        )
        self._model_loaded = gauge(
            "model_loaded_timestamp_seconds",
            "When the version that answers was loaded, in Unix time; 0 when none is.",
            mode="livemin",
        )
        self.log_rows = counter("prediction_log_rows_total", "Rows written to the prediction log.")
        self.log_dropped_rows = counter(
            "prediction_log_dropped_rows_total",
            "Rows that the prediction log lost, by reason.",
            "reason",
        )
        self.log_failed_writes = counter(
            "prediction_log_failed_writes_total",
            "Attempts to write the prediction log that failed; its rows wait for the next.",
        )
        self.log_backlog_rows = gauge(
            "prediction_log_backlog_rows", "Rows that wait to be written to the prediction log."
        )
        self.workers = gauge("workers", "Processes of this pod that answer.")
        self.worker_restarts = counter(
            "worker_restarts_total", "Workers that ended or hung, and were replaced."
        )
        # A series is there from the start, so that its first increase is seen as one.
        for reason in REJECTED:
            self._rejected.labels(reason)
        for reason in ("backlog_full", "not_encodable", "shutdown"):
            self.log_dropped_rows.labels(reason)
        self._children: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self._class_counters: dict[str, Counter] = {}
        self.show_serving(Serving())
        self.workers.set(1)
        for left_by_the_last in (self.in_flight, self.queued, self.log_backlog_rows):
            left_by_the_last.set(0)
        if not self._shared:
            ProcessCollector(registry=self.registry)

    def text(self) -> bytes:
        """All metrics, of all workers, in Prometheus' text format."""
        registry = self.registry
        if self._shared:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # no types either
        return generate_latest(registry)

    def count_request(self, route: str, code: int, seconds: float) -> None:
        """Count one answered request.

        Args:
            route: of a fixed set.

        """
        children = self._children.get((route, code))
        if children is None:
            # Looking a child up by its labels takes as long as counting.
            children = self._requests.labels(route, str(code)), self._duration.labels(route)
            self._children[route, code] = children
        requests, duration = children
        requests.inc()
        duration.observe(seconds)

    def count_rejected(self, reason: str) -> None:
        """Count a request that was sent away: for one of `REJECTED`."""
        self._rejected.labels(reason).inc()

    def count_predictions(
        self,
        classes: Sequence[str],
        counts: Sequence[int],
        labels: NDArray[np.int64],
        probabilities: NDArray[np.float32],
    ) -> None:
        """Count the answers to one request or more.

        Args:
            classes: of the model.
            counts: rows of each request.
            labels: (rows,) positions in `classes`.
            probabilities: (rows, classes).

        """
        for rows in counts:
            self._request_rows.observe(rows)
        confidence = self._confidence.observe
        for share in probabilities.max(axis=1).tolist():
            confidence(share)
        for label, count in Counts(labels.tolist()).items():
            name = classes[label]
            counter = self._class_counters.get(name)
            if counter is None:
                counter = self._class_counters[name] = self._predictions.labels(name)
            counter.inc(count)

    def show_serving(self, serving: Serving, before: Serving | None = None) -> None:
        """Show what answers from now on, and no longer what did before."""
        if before is not None:
            self._model_info.labels(before.version or "", before.level).set(0)
        self._model_info.labels(serving.version or "", serving.level).set(1)
        self._fallback_level.set(LEVELS.index(serving.level))
        self._model_loaded.set(serving.since.timestamp() if serving.since else 0)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"housing_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str, mode: str = "livesum") -> Gauge:
        return Gauge(
            f"housing_{name}",
            text,
            labels,
            registry=self.registry,
            multiprocess_mode=mode,  # type: ignore[arg-type]  # one of the library's texts
        )

    def _histogram(self, name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(f"housing_{name}", text, labels, buckets=buckets, registry=self.registry)
