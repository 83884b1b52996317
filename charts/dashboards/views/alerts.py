"""The view `alerts`."""

from __future__ import annotations

from typing import Any

from charts.dashboards.panels import Panel, graph, number, rows, timeline, view
from charts.dashboards.views.queries import MODEL, OF


def alerts() -> dict[str, Any]:
    """What fires, what the drift reports raised, and how the error budgets go."""
    return view(
        "alerts",
        "alerts",
        "What fires, what the newest drift reports raised, and how fast the error budgets go. "
        "Needs the rules of the chart (metrics.prometheusRule.enabled).",
        *(
            number(
                f"Firing: {severity}",
                "Alerts of this severity that fire now.",
                (
                    f'count(ALERTS{{alertname=~"Housing.*", alertstate="firing", '
                    f'severity="{severity}"}}) or vector(0)',
                    severity,
                ),
                span=8,
            )
            for severity in ("critical", "warning", "info")
        ),
        rows(
            "Alerts that fire or are about to",
            "docs/runbooks has a page for each.",
            'ALERTS{alertname=~"Housing.*"}',
            names={
                "alertname": "Alert",
                "severity": "Severity",
                "alertstate": "State",
                "namespace": "Namespace",
                "model": "Model",
                "track": "Track",
            },
        ),
        timeline(
            "Alerts over time",
            "When each alert fired.",
            (
                "max by (alertname, namespace, model) "
                '(ALERTS{alertname=~"Housing.*", alertstate="firing"})',
                "{{alertname}} " + MODEL,
            ),
            words={1: ("firing", "red")},
        ),
        rows(
            "Alerts of the newest drift reports",
            "What moved, with what was measured and what that was held against.",
            f"max by (namespace, model, alert, feature, severity) "
            f"(housing_model_drift_alert_value{{{OF}}})",
            f"max by (namespace, model, alert, feature, severity) "
            f"(housing_model_drift_alert_threshold{{{OF}}})",
            names={
                "namespace": "Namespace",
                "model": "Model",
                "severity": "Severity",
                "alert": "Alert",
                "feature": "Feature",
                "Value #A": "Measured",
                "Value #B": "Held against",
            },
        ),
        graph(
            "Alerts of drift reports over time",
            "By severity.",
            (
                f"max by (namespace, model, severity) (housing_model_drift_alerts{{{OF}}})",
                MODEL + " {{severity}}",
            ),
            min=0,
        ),
        graph(
            "Rejected versions and failed trainings",
            "Versions that are not tried again, and trainings that failed since the last good one.",
            (f"housing_model_rejected_versions{{{OF}}}", MODEL + " rejected versions"),
            (f"housing_model_training_failures{{{OF}}}", MODEL + " failed trainings"),
            min=0,
        ),
        _burn_rates("errors", "the objective of 99.9 %", "housing_request_errors", 0.001),
        _burn_rates("latency", "99 % within 50 ms", "housing_requests_slow", 0.01),
    )


def _burn_rates(of: str, objective: str, ratio: str, budget: float) -> Panel:
    """How fast a budget goes, over the windows that the alerts look at."""
    return graph(
        f"Burn rate of {of}",
        f"How many times faster than {objective} allows. An hour at 14.4 pages.",
        *(
            (
                f"max by (namespace, model) (namespace_model:{ratio}:ratio_rate{window}{{{OF}}}) "
                f"/ {budget}",
                f"{MODEL} {window}",
            )
            for window in ("5m", "1h", "6h", "3d")
        ),
        min=0,
    )
