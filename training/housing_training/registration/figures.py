"""The evaluation folder of a run: figures as JSON for programs and as SVG for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from housing_core.bundle import Summary
from housing_training.evaluation.inspection import learning_curve
from housing_training.learning import Evaluated, Prepared
from housing_training.models.fitted import Model
from housing_training.registration.plots import (
    Line,
    bar_chart,
    line_chart,
    matrix_chart,
    precision_recall_lines,
)

MOST_BARS = 20


def evaluation_files(
    prepared: Prepared,
    evaluated: Evaluated,
    model: Model,
    *,
    summary: Summary,
    importance: Sequence[tuple[str, float, float]],
    seed: int,
) -> dict[str, str]:
    """Name → content of each file."""
    schema, scores = prepared.schema, evaluated.scores
    truth, probabilities = prepared.holdout.labels, evaluated.answers.probabilities
    curve = learning_curve(model, prepared.holdout, seed)
    bins = evaluated.reference.calibration
    figures: dict[str, Any] = {
        "confusion_matrix": {
            "classes": schema.classes,
            "rows_are": "true class",
            "matrix": scores.confusion_matrix,
            "baseline_matrix": evaluated.baseline.confusion_matrix,
        },
        "calibration": [
            {"confidence": confidence, "right": right, "rows": count}
            for confidence, right, count in bins
        ],
        "class_boundaries": [
            {"below": below, "price": price, "above": above}
            for below, price, above in zip(
                schema.classes, schema.boundaries, schema.classes[1:], strict=False
            )
        ],
        "permutation_importance": [
            *(
                {"column": name, "macro_f1_lost": loss, "standard_deviation": spread}
                for name, loss, spread in importance
            ),
            # There was no time for these.
            *(
                {"column": name, "macro_f1_lost": None, "standard_deviation": None}
                for name in _not_reached(prepared, importance)
            ),
        ],
        "score_by_trees": [
            {"trees": trees, "macro_f1": score, "low": within.low, "high": within.high}
            for trees, score, within in curve
        ],
        "summary": summary.model_dump(mode="json"),
    }
    files = {
        f"{name}.json": json.dumps(figure, ensure_ascii=False, indent=1)
        for name, figure in figures.items()
    }
    files["confusion_matrix.svg"] = matrix_chart(
        "Confusion matrix", schema.classes, scores.confusion_matrix
    )
    files["precision_recall.svg"] = line_chart(
        "Precision against recall",
        "recall",
        "precision",
        precision_recall_lines(truth, probabilities, schema.classes),
    )
    files["calibration.svg"] = line_chart(
        "Calibration on the holdout",
        "confidence in the class named",
        "share that was right",
        [
            Line("model", [(confidence, right) for confidence, right, _ in bins]),
            Line("honest", [(0.0, 0.0), (1.0, 1.0)], dashed=True),
        ],
    )
    files["score_by_trees.svg"] = line_chart(
        "Macro F1 by trees, with its 95 % interval",
        "trees",
        "macro F1",
        [
            Line(summary.model_name, [(trees, score) for trees, score, _ in curve]),
            Line("low", [(trees, within.low) for trees, _, within in curve], dashed=True),
            Line("high", [(trees, within.high) for trees, _, within in curve], dashed=True),
        ],
    )
    without = len(_not_reached(prepared, importance))
    title = "Permutation importance" + (f", without {without} columns" if without else "")
    files["permutation_importance.svg"] = bar_chart(title, "macro F1 lost", importance[:MOST_BARS])
    return files


def _not_reached(prepared: Prepared, importance: Sequence[tuple[str, float, float]]) -> list[str]:
    reached = {name for name, _, _ in importance}
    return [column.name for column in prepared.schema.columns if column.name not in reached]
