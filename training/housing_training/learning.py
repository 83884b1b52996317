"""Rows → columns, crosses, classes → a model of the recipe → graph, scores. No network in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from housing_core.api.spec import Cross, Dataset, Training
from housing_core.bundle import Reference, Schema, ScoreIntervals, Scores
from housing_training.data.columns import Columns, infer_columns, with_crossed
from housing_training.data.preparation import Rows
from housing_training.data.target import (
    check_classes,
    classify,
    percentile_boundaries,
    uneven_classes,
)
from housing_training.data.typed_rows import Part, clean_listings
from housing_training.evaluation.metrics import baseline_scores, intervals, score
from housing_training.evaluation.profile import make_reference
from housing_training.export.bundling import make_schema
from housing_training.export.graph import export_graph
from housing_training.export.inference import Answers, Graph, graph_inputs
from housing_training.features.crosses import check_crosses, infer_crosses
from housing_training.features.hashing import fit_encoder
from housing_training.models.calibration import Calibration
from housing_training.models.candidates import Fitter
from housing_training.models.fitted import Model
from housing_training.progress import Progress

SAME_PROBABILITY = 1e-5
"""Largest difference between the graph and scikit-learn: the graph answers in float32."""

TIE = 1e-9
"""Below this distance of the two best classes either may be named: sums differ in their last bit."""


class ExportError(Exception):
    """The graph does not answer as the model does: a fault of ours, not of the data."""


@dataclass(frozen=True)
class Prepared:
    """Both sides of the split, typed and classified.

    Attributes:
        schema: of the bundle.
        columns, crosses: how raw listings become inputs.
        training: the part to learn from.
        holdout: the part to be judged on.

    """

    schema: Schema
    columns: Columns
    crosses: list[Cross]
    training: Part
    holdout: Part

    def fitter(self, training: Training) -> Fitter:
        """Fits models to this data by a spec."""
        return Fitter(self.columns, self.crosses, training, len(self.schema.classes))


@dataclass(frozen=True)
class Evaluated:
    """How good a model is.

    Attributes:
        answers: of the graph on the holdout.
        intervals: of the scores.
        baseline, baseline_intervals: of a simple model beside it.

    """

    answers: Answers
    scores: Scores
    intervals: ScoreIntervals
    baseline: Scores
    baseline_intervals: ScoreIntervals
    reference: Reference


def prepare(
    rows: Rows,
    dataset: Dataset,
    *,
    model_name: str,
    kept_boundaries: Sequence[float] | None,
    progress: Progress,
) -> Prepared:
    """Type the cells and cut the price into classes; all is learned from the training part.

    Args:
        rows: distinct, priced and split.
        dataset: of the spec.
        model_name: `<namespace>.<name>`.
        kept_boundaries: those of the version in production, when the spec keeps them.
        progress: is told what was inferred.

    Raises:
        InvalidDataError: when the spec does not fit the data.

    """
    target = dataset.target
    learned, held = rows.listings.take(rows.training), rows.listings.take(rows.holdout)
    prices = rows.prices[rows.training]
    boundaries = (
        list(kept_boundaries)
        if kept_boundaries is not None
        else percentile_boundaries(prices, target.quantiles, target.classes)
    )
    labels = classify(prices, boundaries)
    truth = classify(rows.prices[rows.holdout], boundaries)
    check_classes(labels, boundaries, target.classes, "training part")
    if kept_boundaries is None:
        for message in uneven_classes(prices, labels, target.quantiles, target.classes):
            progress.say(message)
    names = list(learned.frame.columns)
    crossed = check_crosses(dataset.crosses or [], names, dataset.columns)
    columns = infer_columns(learned, target.column, dataset.columns, crossed)
    typed = clean_listings(learned, columns.rules)
    codes = {name: column.codes for name, column in typed.texts.items()}
    crosses = dataset.crosses
    if crosses is None:
        crosses = infer_crosses(columns, codes, prices)
        columns = with_crossed(
            columns, {name: cross.name for cross in reversed(crosses) for name in cross.columns}
        )
    typed_holdout = clean_listings(held, columns.rules)
    if typed_holdout.unreadable:
        progress.say(
            f"{typed_holdout.unreadable} cells of the holdout are no value of their column and "
            "count as missing"
        )
    progress.say(
        f"{len(columns.inputs)} columns and {len(crosses)} crosses",
        kinds={column.name: column.kind for column in columns.inputs},
        crosses={cross.name: cross.columns for cross in crosses},
        ignored=dict(columns.ignored),
    )
    return Prepared(
        schema=make_schema(
            model_name=model_name,
            target=target.column,
            columns=columns,
            crosses=crosses,
            classes=target.classes,
            boundaries=boundaries,
            price_rule=rows.price_rule,
            training=learned,
            typed=typed,
        ),
        columns=columns,
        crosses=crosses,
        training=Part(
            typed,
            labels,
            prices,
            rows.homes[rows.training],
            None if rows.groups is None else rows.groups[rows.training],
            None if rows.times is None else rows.times[rows.training],
        ),
        holdout=Part(typed_holdout, truth, rows.prices[rows.holdout], rows.homes[rows.holdout]),
    )


def write_graph(prepared: Prepared, model: Model, calibration: Calibration, folder: Path) -> Graph:
    """Write the graph and its parts into a bundle folder, and load it."""
    files = export_graph(prepared.columns, model, calibration, len(prepared.schema.classes))
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return Graph(folder)


def evaluate(
    prepared: Prepared, model: Model, calibration: Calibration, graph: Graph, training: Training
) -> Evaluated:
    """Score the graph on the holdout, once it is shown to answer as the model does.

    Raises:
        ExportError: when it does not.

    """
    part, classes = prepared.holdout, prepared.schema.classes
    answers = graph.run(graph_inputs(part.typed, prepared.schema.columns))
    raw = model.answer(part.typed)
    check_same(answers, raw, calibration.apply(raw))
    scores = score(part.labels, answers.labels, answers.probabilities)
    encoder = fit_encoder(
        prepared.training.typed, prepared.columns, prepared.crosses, training.hashing.buckets
    )
    baseline, baseline_intervals = baseline_scores(
        encoder.transform(prepared.training.typed),
        prepared.training.labels,
        holdout=encoder.transform(part.typed),
        truth=part.labels,
        classes=len(classes),
        seed=training.seed,
    )
    return Evaluated(
        answers=answers,
        scores=scores,
        intervals=intervals(part.labels, scores, answers.probabilities, training.seed),
        baseline=baseline,
        baseline_intervals=baseline_intervals,
        reference=make_reference(
            prepared.training.typed,
            part.labels,
            answers,
            classes=classes,
            scores=scores,
        ),
    )


def check_same(
    answers: Answers,
    raw: np.ndarray[Any, np.dtype[np.float64]],
    probabilities: np.ndarray[Any, np.dtype[np.float64]],
) -> None:
    """Hold the graph's answers against scikit-learn's.

    Args:
        answers: of the graph.
        raw: (rows, classes), of `predict_proba`; the largest is the class.
        probabilities: (rows, classes), the same calibrated.

    Raises:
        ExportError: for the first row that differs.

    """
    difference = np.abs(answers.probabilities - probabilities).max(axis=1)
    named = raw[np.arange(len(raw)), answers.labels]
    wrong = (difference > SAME_PROBABILITY) | (raw.max(axis=1) - named > TIE)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ExportError(
            f"the graph answers {int(wrong.sum())} of {len(wrong)} holdout rows differently than "
            f"the model, row {row} with {answers.probabilities[row].tolist()} instead of "
            f"{probabilities[row].tolist()}"
        )
