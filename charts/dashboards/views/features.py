"""The view `features`."""

from __future__ import annotations

from typing import Any

from charts.dashboards.panels import bars, graph, rows, view
from charts.dashboards.views.queries import MODEL, OF, rate

COUNTS_ABOVE_1: list[tuple[float | None, str]] = [(None, "green"), (1, "red")]


def features() -> dict[str, Any]:
    """Feature by feature: how far it moved, what is missing, what is new."""

    def score(name: str) -> str:
        selector = f'{OF}, score="{name}"'
        return (
            "max by (namespace, model, feature) "
            f"(housing_model_drift_feature_score{{{selector}}})"
        )

    def threshold(name: str) -> str:
        selector = f'{OF}, score="{name}"'
        return f"max by (namespace, model) (housing_model_drift_threshold{{{selector}}})"

    feature = MODEL + " {{feature}}"
    beside = "on (namespace, model) group_left ()"
    counts_above = (
        f"(({score('psi_noise')} > {beside} {threshold('psi')}) "
        f"or ({score('psi')} * 0 + {beside} {threshold('psi')}))"
    )
    return view(
        "features",
        "feature statistics",
        "Feature by feature: how far it moved, what is missing, what is new. Of each report the "
        "features that moved furthest.",
        bars(
            "Population stability index, over what counts",
            "By feature in the newest report, over the spec's threshold or what chance explains in a "
            "window of this size, whichever is more: above 1 it counts.",
            (f"{score('psi')} / on (namespace, model, feature) {counts_above}", feature),
            steps=COUNTS_ABOVE_1,
        ),
        rows(
            "Population stability index and chance",
            "By feature in the newest report: the index, the most of it that chance explains in a "
            "window of this size, and above what it counts.",
            score("psi"),
            score("psi_noise"),
            counts_above,
            names={
                "namespace": "Namespace",
                "model": "Model",
                "feature": "Feature",
                "Value #A": "Index",
                "Value #B": "Chance",
                "Value #C": "Counts above",
            },
            span=12,
        ),
        graph(
            "Population stability index over time",
            "By feature, report by report.",
            (score("psi"), feature),
            (threshold("psi"), MODEL + " threshold"),
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
        graph(
            "Standard deviation",
            "Of numbers, over that of the training data: 1 where nothing changed.",
            (score("deviation_ratio"), feature),
            min=0,
        ),
        graph(
            "Shift of the skewness",
            "Of numbers: the window's skewness less that of the training data.",
            (score("skewness_shift"), feature),
        ),
        graph(
            "Values out of range",
            "Share of a number's values outside the range of the training data.",
            (score("out_of_range_share"), feature),
            unit="percentunit",
            min=0,
        ),
        bars(
            "Rows in new categories",
            "Share of the newest window's rows in categories that training had not seen. What chance "
            "does not explain is among the alerts.",
            (score("new_share"), feature),
            unit="percentunit",
        ),
        bars(
            "Cardinality ratio, over its threshold",
            "Categories of window and training together over training's, at equal sample size; that "
            "over the spec's threshold.",
            (f"{score('cardinality_ratio')} / {beside} {threshold('cardinality_ratio')}", feature),
            steps=COUNTS_ABOVE_1,
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
