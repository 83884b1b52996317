"""The view `overview`."""

from __future__ import annotations

from typing import Any

from charts.dashboards.panels import graph, rows, timeline, view
from charts.dashboards.views.queries import MODEL, OF, REGISTERED, quantile, rate


def overview() -> dict[str, Any]:
    """How every model is, and the operator that looks after them."""
    requests = rate("housing_requests_total", 'track="production"')
    errors = rate("housing_requests_total", 'track="production"', 'code=~"5.."')
    return view(
        "overview",
        "overview",
        "Which models answer, with which version, how fast and how well; and how the operator does.",
        rows(
            "Models",
            "What production serves, how good that was on the holdout, and whether it answers. "
            "The name leads to the versions in MLflow.",
            f'max by (namespace, model) (housing_model_condition{{{OF}, type="Ready"}})',
            f'max by (namespace, model) (housing_model_version{{{OF}, track="production"}})',
            f'max by (namespace, model) (housing_model_ready_replicas{{{OF}, track="production"}})',
            "max by (namespace, model) "
            f'(housing_model_holdout_score{{{OF}, track="production", score="macro_f1"}})',
            f'max by (namespace, model) (housing_model_condition{{{OF}, type="DriftDetected"}})',
            f"max by (namespace, model) (housing_model_suspended{{{OF}}})",
            names={
                "namespace": "Namespace",
                "model": "Model",
                "Value #A": "Ready",
                "Value #B": "Version",
                "Value #C": "Pods",
                "Value #D": "Macro F1",
                "Value #E": "Drift",
                "Value #F": "Suspended",
            },
            link=("Model", "Versions in MLflow", REGISTERED),
        ),
        timeline(
            "Conditions",
            "Every condition of every model; hover to see its reason.",
            (
                f"max by (namespace, model, type) (housing_model_condition{{{OF}}})",
                MODEL + " {{type}}",
            ),
            words={1: ("True", "blue"), 0: ("False", "text")},
        ),
        graph(
            "Requests",
            "Requests by track and HTTP status.",
            (
                rate("housing_requests_total", by="namespace, model, track, code"),
                MODEL + " {{track}} {{code}}",
            ),
            unit="reqps",
        ),
        graph(
            "Failed requests",
            "Share of production's requests that were answered with a 5xx. The objective is 0.1 %.",
            (f"({errors} or {requests} * 0) / {requests}", MODEL),
            unit="percentunit",
            min=0,
        ),
        graph(
            "Time of a request",
            "Half of the requests and 99 % of them take less. The objective for 99 % is 50 ms.",
            (quantile(0.5), MODEL + " {{track}} p50"),
            (quantile(0.99), MODEL + " {{track}} p99"),
            unit="s",
            min=0,
        ),
        graph(
            "Listings of a request",
            "Half of the requests, and 99 % of them, hold fewer. Requests with many take longer.",
            *(
                (
                    f"histogram_quantile({share}, "
                    + rate("housing_request_rows_bucket", by="namespace, model, le")
                    + ")",
                    f"{MODEL} p{share * 100:.0f}",
                )
                for share in (0.5, 0.99)
            ),
            min=0,
        ),
        graph(
            "Load",
            "Requests under way, those that wait for the model, and those sent away a second.",
            (
                f"sum by (namespace, model) (housing_requests_in_flight{{{OF}}})",
                MODEL + " under way",
            ),
            (f"sum by (namespace, model) (housing_requests_queued{{{OF}}})", MODEL + " waiting"),
            (rate("housing_requests_rejected_total"), MODEL + " sent away/s"),
            min=0,
        ),
        graph(
            "Predictions",
            "Listings classified, by predicted class.",
            (
                rate("housing_predictions_total", by="namespace, model, class"),
                MODEL + " {{class}}",
            ),
            unit="cps",
        ),
        graph(
            "Fallback level",
            "What the pods serve: 0 the pinned version, 1 staging's, 2 a local copy, 3 nothing.",
            (
                f"max by (namespace, model, track) (housing_fallback_level{{{OF}}})",
                MODEL + " {{track}}",
            ),
            min=0,
            max=3,
        ),
        graph(
            "Prediction log",
            "Rows that are written and lost a second, and rows that wait.",
            (rate("housing_prediction_log_rows_total"), MODEL + " rows/s"),
            (rate("housing_prediction_log_dropped_rows_total"), MODEL + " lost/s"),
            (
                f"sum by (namespace, model) (housing_prediction_log_backlog_rows{{{OF}}})",
                MODEL + " waiting",
            ),
            min=0,
        ),
        graph(
            "Operator: passes",
            "Passes over HousingModels a second, by how they ended.",
            (
                "sum by (result) (rate(housing_operator_reconciles_total[$__rate_interval]))",
                "{{result}}",
            ),
            unit="ops",
            span=8,
        ),
        graph(
            "Operator: time of a pass",
            "99 % of the passes take less.",
            (
                "histogram_quantile(0.99, sum by (le) "
                "(rate(housing_operator_reconcile_duration_seconds_bucket[$__rate_interval])))",
                "p99",
            ),
            unit="s",
            span=8,
        ),
        graph(
            "Operator: queue",
            "Models that wait for a worker, and whether MLflow answers (1) or not (0).",
            ("sum(housing_operator_queue_depth)", "waiting"),
            ("min(housing_operator_registry_up)", "MLflow answers"),
            span=8,
            min=0,
        ),
    )
