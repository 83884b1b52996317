"""The view `performance`."""

from __future__ import annotations

from typing import Any

from charts.dashboards.panels import graph, view
from charts.dashboards.views.queries import MODEL, OF


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
            "Age of the training",
            "Since the version that a track serves was trained, however long it serves it.",
            (
                f"time() - housing_model_version_registered_timestamp_seconds{{{OF}}}",
                MODEL + " {{track}}",
            ),
            unit="s",
            min=0,
        ),
        graph(
            "Duration of the newest training",
            "All its attempts together.",
            (f"housing_model_training_duration_seconds{{{OF}}}", MODEL),
            unit="s",
            min=0,
        ),
        graph(
            "Mean duration of trainings",
            "Of those that ended in the last 7 days, by what asked for them: Spec for a first one or "
            "a changed spec; Drift, Schedule and Request for retrainings.",
            (
                "sum by (namespace, model, trigger) "
                f"(increase(housing_model_training_seconds_total{{{OF}}}[7d])) / "
                "(sum by (namespace, model, trigger) "
                f"(increase(housing_model_trainings_total{{{OF}}}[7d])) > 0)",
                MODEL + " {{trigger}}",
            ),
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
