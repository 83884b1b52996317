"""Metrics of the operator itself: its passes, what they write, and the queue before them."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

# A `_created` series beside every counter would double their number, and nobody reads them.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library gives it no types

RECONCILES = Counter(
    "housing_operator_reconciles_total",
    "Passes over a HousingModel, by how they ended: ok, conflict, error or gone.",
    ["result"],
)
for _result in ("ok", "conflict", "error", "gone"):
    RECONCILES.labels(_result)  # at 0: Prometheus cannot see the first step of one that begins at 1
RECONCILE_SECONDS = Histogram(
    "housing_operator_reconcile_duration_seconds",
    "How long a pass took.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)
WRITES = Counter(
    "housing_operator_writes_total",
    "Objects written to the API server, by kind and verb.",
    ["kind", "verb"],
)
QUEUE_DEPTH = Gauge(
    "housing_operator_queue_depth",
    "HousingModels that are due for a pass and have no worker yet.",
)
QUEUE_WAIT_SECONDS = Gauge(
    "housing_operator_queue_oldest_wait_seconds",
    "How long the one of them that is due for the longest time has waited.",
)
MODELS = Gauge("housing_operator_models", "HousingModels that the operator looks after.")
REGISTRY_UP = Gauge(
    "housing_operator_registry_up",
    "1 when MLflow answered the last time that it was asked, else 0.",
)
