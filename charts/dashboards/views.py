"""The five views of seed 5.4."""

from __future__ import annotations

from typing import Any

from charts.dashboards.panels import bars, graph, number, rows, timeline, view

OF = 'namespace=~"$namespace", model=~"$model"'
"""Selects the models that the variables name."""

MODEL = "{{namespace}}/{{model}}"
YES_NO = {1: ("yes", "green"), 0: ("no", "red")}
RUN = "${mlflow}/#/runs/${__data.fields.Run}"
REGISTERED = "${mlflow}/#/models/${__data.fields.Namespace}.${__data.fields.Model}"


def rate(metric: str, *matchers: str, by: str = "namespace, model") -> str:
    """The rate of a counter of serving, summed over pods."""
    selector = ", ".join([OF, *matchers])
    return f"sum by ({by}) (rate({metric}{{{selector}}}[$__rate_interval]))"


def quantile(share: float) -> str:
    """A quantile of the time that requests take, over all pods of a track."""
    buckets = rate(
        "housing_request_duration_seconds_bucket",
        'route!~"explain|feedback"',
        by="namespace, model, track, le",
    )
    return f"histogram_quantile({share}, {buckets})"


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
            "Each score of seed 5.1, 5.3 and 5.5 over its threshold: above 1 it counts, where chance "
            "does not explain it.",
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


def features() -> dict[str, Any]:
    """Feature by feature: how far it moved, what is missing, what is new."""

    def score(name: str) -> str:
        selector = f'{OF}, score="{name}"'
        return (
            "max by (namespace, model, feature) "
            f"(housing_model_drift_feature_score{{{selector}}})"
        )

    feature = MODEL + " {{feature}}"
    return view(
        "features",
        "feature statistics",
        "Feature by feature: how far it moved, what is missing, what is new. Of each report the "
        "features that moved furthest.",
        bars(
            "Population stability index",
            "By feature in the newest report. Above 0.1 is moderate, above 0.25 strong.",
            (score("psi"), feature),
            steps=[(None, "green"), (0.1, "yellow"), (0.25, "red")],
        ),
        graph(
            "Population stability index over time",
            "By feature, report by report.",
            (score("psi"), feature),
            min=0,
        ),
        rows(
            "Missing values",
            "Share of the rows without a value: in the newest window, and in the training data.",
            score("missing_share"),
            score("missing_share_reference"),
            names={
                "namespace": "Namespace",
                "model": "Model",
                "feature": "Feature",
                "Value #A": "Window",
                "Value #B": "Training",
            },
            unit="percentunit",
            span=12,
        ),
        graph(
            "Shift of the mean",
            "Of numbers, in standard deviations of the training data.",
            (score("mean_shift"), feature),
        ),
        bars(
            "Rows in new categories",
            "Share of the newest window's rows in categories that training had not seen.",
            (score("new_share"), feature),
            unit="percentunit",
            steps=[(None, "green"), (0.025, "yellow"), (0.2, "red")],
        ),
        bars(
            "Cardinality ratio",
            "Categories of window and training together, over training's. Above 1.3 it counts.",
            (score("cardinality_ratio"), feature),
            steps=[(None, "green"), (1.3, "red")],
        ),
        graph(
            "Predicted classes",
            "Share of each class among production's predictions.",
            (
                rate(
                    "housing_predictions_total",
                    'track="production"',
                    by="namespace, model, class",
                )
                + " / on (namespace, model) group_left () "
                + rate("housing_predictions_total", 'track="production"'),
                MODEL + " {{class}}",
            ),
            unit="percentunit",
            min=0,
            max=1,
        ),
        rows(
            "Class boundaries",
            "Prices at which one class ends and the next begins, in the unit of the target.",
            f"housing_model_class_boundary{{{OF}}}",
            names={
                "namespace": "Namespace",
                "model": "Model",
                "below": "Below",
                "Value": "Price",
                "above": "From it upwards",
            },
            span=12,
        ),
        graph(
            "Columns",
            "Columns of the newest version, by the kind that training gave them.",
            (
                f"max by (namespace, model, kind) (housing_model_input_columns{{{OF}}})",
                MODEL + " {{kind}}",
            ),
            min=0,
        ),
        graph(
            "Training rows",
            "Rows that the newest version learned from, duplicates left out.",
            (f"max by (namespace, model) (housing_model_training_rows{{{OF}}})", MODEL),
            min=0,
        ),
    )


def performance() -> dict[str, Any]:
    """How good the versions were on their holdout, and are on what they answer."""

    def measured(score: str) -> list[tuple[str, str]]:
        selector = f'{OF}, score="{score}"'
        return [
            (
                f"max by (namespace, model) (housing_model_performance{suffix}{{{selector}}})",
                MODEL + legend,
            )
            for suffix, legend in (
                ("", ""),
                ("_lower", " lower"),
                ("_upper", " upper"),
                ("_reference", " holdout"),
            )
        ]

    def holdout(score: str) -> tuple[str, str]:
        selector = f'{OF}, score="{score}"'
        return (
            "max by (namespace, model, track) " f"(housing_model_holdout_score{{{selector}}})",
            MODEL + " {{track}}",
        )

    return view(
        "performance",
        "performance trends",
        "How good the versions were on their holdout, and how good they are on what they answer.",
        graph(
            "Accuracy on labelled predictions",
            "Of predictions whose true price came back by /feedback, with its interval, and the "
            "accuracy on the holdout.",
            *measured("accuracy"),
            unit="percentunit",
        ),
        graph(
            "Macro F1 on labelled predictions",
            "The same for macro F1.",
            *measured("macro_f1"),
        ),
        graph(
            "Estimated accuracy",
            "Without labels, from the model's own confidence: an estimate.",
            *measured("estimated_accuracy"),
            unit="percentunit",
        ),
        graph(
            "Labelled predictions",
            "How many of the newest report's predictions have a true price.",
            (f"max by (namespace, model) (housing_model_labelled_rows{{{OF}}})", MODEL),
            min=0,
        ),
        graph(
            "Macro F1 on the holdout", "Of the version that a track serves.", holdout("macro_f1")
        ),
        graph(
            "Accuracy on the holdout",
            "Of the version that a track serves.",
            holdout("accuracy"),
            unit="percentunit",
        ),
        graph("ROC-AUC on the holdout", "One against the rest, averaged.", holdout("roc_auc")),
        graph(
            "Versions",
            "Which version a track serves.",
            (
                f"max by (namespace, model, track) (housing_model_version{{{OF}}})",
                MODEL + " {{track}}",
            ),
            min=0,
        ),
        graph(
            "Age of the version",
            "Since when a track serves its version.",
            (
                f"time() - housing_model_version_since_timestamp_seconds{{{OF}}}",
                MODEL + " {{track}}",
            ),
            unit="s",
            min=0,
        ),
        graph(
            "Duration of trainings",
            "Of the newest training, all its attempts together.",
            (f"housing_model_training_duration_seconds{{{OF}}}", MODEL),
            unit="s",
            min=0,
        ),
        graph(
            "Rollouts",
            "Versions promoted, rejected and rolled back in the last 24 hours.",
            (
                "sum by (namespace, model, outcome) "
                f"(increase(housing_model_rollouts_total{{{OF}}}[24h]))",
                MODEL + " {{outcome}}",
            ),
            min=0,
        ),
    )


def alerts() -> dict[str, Any]:
    """What fires, what the drift reports raised, and how the error budgets go."""
    burn = "max by (namespace, model) (namespace_model:{}:ratio_rate{}{{{}}}) / {}"
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
        graph(
            "Burn rate of errors",
            "How many times faster than the objective of 99.9 % allows. An hour at 14.4 pages.",
            *(
                (burn.format("housing_request_errors", window, OF, 0.001), f"{MODEL} {window}")
                for window in ("5m", "1h", "6h", "3d")
            ),
            min=0,
        ),
        graph(
            "Burn rate of latency",
            "How many times faster than 99 % within 50 ms allows. An hour at 14.4 pages.",
            *(
                (burn.format("housing_requests_slow", window, OF, 0.01), f"{MODEL} {window}")
                for window in ("5m", "1h", "6h", "3d")
            ),
            min=0,
        ),
    )


VIEWS = (overview, drift, features, performance, alerts)
