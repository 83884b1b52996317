"""The view `drift`."""

from __future__ import annotations

from typing import Any

from charts.dashboards.panels import graph, rows, timeline, view
from charts.dashboards.views.queries import MODEL, OF, RUN


def drift() -> dict[str, Any]:
    """Whether what is asked for has moved, by which rule, and what followed."""
    return view(
        "drift",
        "drift",
        "Whether what is asked for has moved away from the training data, and what followed.",
        rows(
            "Newest reports",
            "The version that was judged and the rows of the window. The run leads to the report.",
            f"max by (namespace, model, version, run_id) (housing_model_drift_report_info{{{OF}}}) "
            "* on (namespace, model) group_left () "
            f"max by (namespace, model) (housing_model_drift_window_rows{{{OF}}})",
            names={
                "namespace": "Namespace",
                "model": "Model",
                "version": "Version",
                "Value": "Predictions judged",
                "run_id": "Run",
            },
            link=("Run", "Report in MLflow", RUN),
        ),
        timeline(
            "Verdicts",
            "What each report found.",
            (
                f'housing_model_drift_verdict{{{OF}, verdict="Drift"}} * 2 '
                f'+ on (namespace, model) housing_model_drift_verdict{{{OF}, verdict="Stable"}}',
                MODEL,
            ),
            words={
                2: ("Drift", "red"),
                1: ("Stable", "green"),
                0: ("Not enough data", "yellow"),
            },
        ),
        graph(
            "Scores against their thresholds",
            "Each score of seed 5.1, 5.3 and 5.5 over the spec's threshold. It counts above 1, where "
            "chance does not explain it; the number of alerts of high severity counts from 1 on.",
            (
                "max by (namespace, model, score) "
                f"(housing_model_drift_score{{{OF}}}) "
                "/ on (namespace, model, score) "
                f"max by (namespace, model, score) (housing_model_drift_threshold{{{OF}}})",
                MODEL + " {{score}}",
            ),
            min=0,
        ),
        graph(
            "Largest population stability index",
            "Of any feature; the feature that has it may change from report to report.",
            (
                f'max by (namespace, model) (housing_model_drift_score{{{OF}, score="psi"}})',
                MODEL,
            ),
            (
                f'max by (namespace, model) (housing_model_drift_threshold{{{OF}, score="psi"}})',
                MODEL + " threshold",
            ),
            min=0,
        ),
        graph(
            "Prediction drift",
            "Kullback-Leibler divergence of the predicted class shares, in nats.",
            (
                "max by (namespace, model) "
                f'(housing_model_drift_score{{{OF}, score="prediction_drift"}})',
                MODEL,
            ),
            (
                "max by (namespace, model) "
                f'(housing_model_drift_threshold{{{OF}, score="prediction_drift"}})',
                MODEL + " threshold",
            ),
            min=0,
        ),
        graph(
            "Age of the newest report",
            "It saws between 0 and the time between two dates of the schedule.",
            (f"time() - housing_model_drift_report_timestamp_seconds{{{OF}}}", MODEL),
            unit="s",
            min=0,
        ),
        rows(
            "What holds a retraining back",
            "1 where something asks for a training that may not start yet.",
            f'housing_model_condition{{{OF}, type="RetrainingBlocked"}}',
            names={
                "namespace": "Namespace",
                "model": "Model",
                "reason": "Reason",
                "Value": "Blocked",
            },
            span=12,
        ),
        graph(
            "Trainings",
            "Trainings that ended in the last 24 hours, by what asked for them and how they ended.",
            (
                "sum by (namespace, model, trigger, outcome) "
                f"(increase(housing_model_trainings_total{{{OF}}}[24h])) > 0 "
                "or sum by (namespace, model) "
                f"(increase(housing_model_trainings_total{{{OF}}}[24h]))",
                MODEL + " {{trigger}} {{outcome}}",
            ),
            min=0,
        ),
    )
