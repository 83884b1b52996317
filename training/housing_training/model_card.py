"""The version's description in MLflow: what it is, how good, on what, and what to beware of."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from housing_core.api.spec import Dataset, Training
from housing_core.bundle import Interval, Schema, Scores, Summary

IMPORTANT_COLUMNS = 8
LIMIT = 90_000
"""MLflow keeps descriptions of up to 100,000 characters."""

_NAMES = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "precision": "precision (macro)",
    "recall": "recall (macro)",
    "roc_auc": "ROC-AUC (one against the rest)",
}


def model_card(
    summary: Summary,
    schema: Schema,
    dataset: Dataset,
    training: Training,
    *,
    importance: Sequence[tuple[str, float, float]],
) -> str:
    """A model card in Markdown (Mitchell et al. 2019), of what the bundle holds."""
    parts = [
        f"# {summary.model_name}",
        _what_it_is(summary, schema, dataset, training),
        "## How good it is",
        _scores(summary),
        "## By class",
        _classes(summary, schema),
    ]
    if summary.warnings:
        parts += ["## Beware", "\n".join(f"- {warning}" for warning in summary.warnings)]
    if summary.recipe is not None and (summary.recipe.candidates or summary.recipe.search):
        parts += ["## Why this model", summary.recipe.in_words()]
    if importance:
        parts += ["## Columns that matter most", _importance(importance)]
    parts += [
        "## Use",
        "It classifies listings like those that it was trained on, by price. Prices move: the "
        "boundaries are of the training's date. Rows are taken as independent in the intervals. It "
        "was not examined for how it treats groups of people; a place can stand for one.",
    ]
    return "\n\n".join(parts)[:LIMIT] + "\n"


def _what_it_is(summary: Summary, schema: Schema, dataset: Dataset, training: Training) -> str:
    boundaries = [f"{price:,.0f}" for price in schema.boundaries]
    ends = ["below " + boundaries[0]]
    ends += [f"{a} to {b}" for a, b in pairwise(boundaries)]
    ends += ["from " + boundaries[-1]]
    classes = "; ".join(f"**{n}** {e}" for n, e in zip(schema.classes, ends, strict=True))
    split = "a hash of each row"
    if dataset.split is not None:
        split = f"the group in {dataset.split.group_column!r}"
        if dataset.split.time_column is not None:
            split = f"the time in {dataset.split.time_column!r}, the newest held out"
    kind = summary.recipe.model if summary.recipe else "HashedForest"
    calibration = summary.recipe.calibration.method if summary.recipe else "None"
    return "\n".join(
        [
            f"Classes of `{schema.target}`: {classes}.",
            "",
            f"- recipe `{training.recipe}`, model `{kind}`, calibration `{calibration}`",
            f"- data `{summary.dataset_uri}`, digest `{summary.dataset_fingerprint}`",
            f"- {summary.rows:,} distinct rows, {summary.new_rows:,} of them new; "
            f"{summary.holdout_rows:,} held out by {split}",
            f"- {len(schema.columns)} columns, {len(schema.crosses)} crosses, "
            f"{summary.bundle_bytes / 1e6:.1f} MB",
        ]
    )


def _scores(summary: Summary) -> str:
    lines = [
        f"| score | holdout | 95 % interval | {summary.baseline_name} |",
        "|---|---|---|---|",
    ]
    for name, shown in _NAMES.items():
        value = getattr(summary.scores, name)
        within = getattr(summary.intervals, name, None)
        lines.append(
            f"| {shown} | {_number(value)} | {_interval(within)} "
            f"| {_number(getattr(summary.baseline, name))} |"
        )
    if summary.comparison is not None:
        lines += [
            "",
            f"At that time, {summary.comparison.in_words()}.",
        ]
    return "\n".join(lines)


def _classes(summary: Summary, schema: Schema) -> str:
    lines = ["| class | rows | precision | recall | F1 |", "|---|---|---|---|---|"]
    within = summary.intervals
    if within is None:
        return "\n".join(lines)
    by_class = (within.class_precision, within.class_recall, within.class_f1)
    matrix = summary.scores.confusion_matrix
    for label, name in enumerate(schema.classes):
        cells = [
            f"{value:.3f} ({_interval(intervals[label])})"
            for value, intervals in zip(_class_scores(summary.scores, label), by_class, strict=True)
        ]
        lines.append(f"| {name} | {sum(matrix[label]):,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _class_scores(scores: Scores, label: int) -> tuple[float, float, float]:
    """Precision, recall and F1 of one class."""
    matrix = scores.confusion_matrix
    right, there = matrix[label][label], sum(matrix[label])
    given = sum(row[label] for row in matrix)
    return right / max(given, 1), right / max(there, 1), 2 * right / max(there + given, 1)


def _importance(importance: Sequence[tuple[str, float, float]]) -> str:
    lines = ["Macro F1 lost when the column's values are shuffled:", ""]
    lines += [
        f"- `{name}`: {loss:.4f} ± {spread:.4f}"
        for name, loss, spread in importance[:IMPORTANT_COLUMNS]
    ]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"


def _interval(interval: Interval | None) -> str:
    return "unknown" if interval is None else f"{interval.low:.3f} to {interval.high:.3f}"
