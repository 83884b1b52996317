"""The view `features`."""

from __future__ import annotations

from typing import Any

from charts.dashboards.panels import bars, graph, rows, view
from charts.dashboards.views.queries import MODEL, OF, rate


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
