"""The version's description in MLflow: what it is, how good, on what, and what to beware of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from housing_core.api.spec import Dataset, Training
from housing_core.bundle import Comparison, Interval, Schema, Scores, Summary

IMPORTANT_COLUMNS = 8
CARD_FILE = "model_card.md"
"""In the run: the whole card."""

LIMIT = 5_000
"""Characters of a description that MLflow's database has room for; PostgreSQL refuses more."""

SHOWN_WARNINGS, WARNING_LENGTH = 3, 200
"""Of a description that would be too long."""

_NAMES = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "precision": "precision (macro)",
    "recall": "recall (macro)",
    "roc_auc": "ROC-AUC (one against the rest)",
}
_COMPARED_NAMES = {
    "macro_f1": "macro F1",
    "rank_correlation": "rank correlation of expected class and price",
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
    sections = {
        "": f"# {summary.model_name}\n\n{_what_it_is(summary, schema, dataset, training)}",
        "How good it is": _scores(summary),
        "By class": _classes(summary, schema),
        "Beware": _listed(summary.warnings),
        "Why this model": _why(summary),
        "Columns that matter most": _importance(importance, len(schema.columns)),
        "Made with": ", ".join(f"{name} {of}" for name, of in summary.trained_with.items()),
        "Use": "It classifies listings like those that it was trained on, by price. Prices move: "
        "the boundaries are of the training's date. Rows are taken as independent in the "
        "intervals. It was not examined for how it treats groups of people; a place can stand for "
        "one.",
    }
    return _joined(sections)


def description(card: str, warnings: Sequence[str]) -> str:
    """The card as the description of a version.

    Where it is too long it loses, in this order and only as far as it must: all but the beginnings
    of the first warnings, what it was made with, the columns, why this model, the scores by class,
    and its end. It says then where the whole card is.

    Args:
        card: of `model_card`.
        warnings: those in it.

    """
    if len(card) <= LIMIT:
        return card
    shown = [warning[:WARNING_LENGTH] for warning in warnings[:SHOWN_WARNINGS]]
    more = len(warnings) - len(shown)
    short = _listed([*shown, *([f"{more} more in `{CARD_FILE}`"] if more else [])])
    card = card.replace(_listed(warnings), short) if warnings else card
    pointer = f"\nShortened: the whole card is `{CARD_FILE}` in the run.\n"
    for heading in ("Made with", "Columns that matter most", "Why this model", "By class"):
        if len(card) + len(pointer) <= LIMIT:
            break
        before, _, rest = card.partition(f"\n\n## {heading}\n\n")
        _, following, after = rest.partition("\n\n## ")
        card = before + following + after
    return card[: LIMIT - len(pointer)] + pointer


def in_a_sentence(version: str, summary: Summary) -> str:
    """How good a version is, what it is and how it compares, for log and run."""
    text = (
        f"version {version}: macro F1 {summary.scores.macro_f1:.3f} on "
        f"{summary.holdout_rows} rows ({summary.baseline_name} {summary.baseline.macro_f1:.3f})"
    )
    if summary.intervals is not None:
        within = summary.intervals.macro_f1
        text += f", 95 % interval {within.low:.3f} to {within.high:.3f}"
    text += summary.feedback_in_words
    if summary.recipe is not None:
        text += f"; {summary.recipe.in_words()}"
    if summary.comparison is not None:
        text += f"; {summary.comparison.in_words()}"
    if summary.resumed_from_trees:
        text += f"; resumed from tree {summary.resumed_from_trees}"
    return text


def _joined(sections: Mapping[str, str]) -> str:
    parts = [
        f"## {heading}\n\n{text}" if heading else text for heading, text in sections.items() if text
    ]
    return "\n\n".join(parts) + "\n"


def _listed(texts: Sequence[str]) -> str:
    return "\n".join(f"- {text}" for text in texts)


def _why(summary: Summary) -> str:
    recipe = summary.recipe
    return recipe.in_words() if recipe is not None and (recipe.candidates or recipe.search) else ""


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
            f"- data `{summary.dataset_uri}`, rows `{summary.dataset_digest}`, files "
            f"`{summary.dataset_fingerprint}`",
            f"- {summary.rows:,} distinct rows, {summary.new_rows:,} of them new"
            + (
                f", {summary.feedback_rows:,} of them predictions whose price came to `/feedback`"
                if dataset.feedback == "Join"
                else ""
            )
            + f"; {summary.holdout_rows:,} held out by {split}",
            f"- {len(schema.columns)} columns, {len(schema.crosses)} crosses, "
            f"{summary.bundle_bytes / 1e6:.1f} MB",
        ]
    )


def _scores(summary: Summary) -> str:
    lines = [
        f"| score | holdout | 95 % interval | {summary.baseline_name} | 95 % interval |",
        "|---|---|---|---|---|",
    ]
    for name, shown in _NAMES.items():
        value = getattr(summary.scores, name)
        within = getattr(summary.intervals, name, None)
        beside = getattr(summary.baseline_intervals, name, None)
        lines.append(
            f"| {shown} | {_number(value)} | {_interval(within)} "
            f"| {_number(getattr(summary.baseline, name))} | {_interval(beside)} |"
        )
    if summary.comparison is not None:
        lines += ["", f"At that time, {summary.comparison.in_words()}."]
        lines += _compared(summary.comparison)
    return "\n".join(lines)


def _compared(comparison: Comparison) -> list[str]:
    """This version beside the one in production, where they can be compared."""
    if comparison.champion_macro_f1 is None:
        return []
    lines = [
        "",
        f"| on {comparison.rows:,} rows | this version | 95 % interval "
        f"| version {comparison.champion_version} | 95 % interval |",
        "|---|---|---|---|---|",
    ]
    for name, shown in _COMPARED_NAMES.items():
        cells = []
        for side in ("challenger", "champion"):
            value = getattr(comparison, f"{side}_{name}")
            within = getattr(comparison, f"{side}_{name}_interval")
            cells += [_number(value), _interval(within)]
        lines.append(f"| {shown} | {' | '.join(cells)} |")
    return lines


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


def _importance(importance: Sequence[tuple[str, float, float]], columns: int) -> str:
    if not importance:
        return ""
    lines = ["Macro F1 lost when the column's values are shuffled:", ""]
    lines += [
        f"- `{name}`: {loss:.4f} ± {spread:.4f}"
        for name, loss, spread in importance[:IMPORTANT_COLUMNS]
    ]
    if len(importance) < columns:
        lines += ["", f"Time was for {len(importance)} of the {columns} columns."]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"


def _interval(interval: Interval | None) -> str:
    return "unknown" if interval is None else f"{interval.low:.3f} to {interval.high:.3f}"
