"""The seed's recipe: rows → columns, crosses, encoder, forest, graph, scores. No network in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.ensemble import RandomForestClassifier

from housing_core.api.spec import Cross, Dataset, Training
from housing_core.bundle import GRAPH_FILE, Reference, Schema, Scores
from housing_training.bundling import make_schema
from housing_training.columns import Columns, infer_columns, with_crossed
from housing_training.crosses import check_crosses, infer_crosses
from housing_training.evaluation import baseline_scores, score
from housing_training.export import export_graph
from housing_training.features import Encoder, TypedRows, clean_listings, fit_encoder
from housing_training.forest import class_probabilities
from housing_training.preparation import Rows
from housing_training.profile import make_reference
from housing_training.progress import Progress
from housing_training.resampling import resample
from housing_training.scoring import Answers, Graph, graph_inputs
from housing_training.target import (
    Classes,
    check_classes,
    classify,
    percentile_boundaries,
)

SAME_PROBABILITY = 1e-5
"""Largest difference between the graph and scikit-learn: the graph answers in float32."""

TIE = 1e-9
"""Below this distance of the two best classes either may be named: sums differ in their last bit."""

Matrix = sparse.csr_matrix[Any]


class ExportError(Exception):
    """The graph does not answer as the forest does: a fault of ours, not of the data."""


@dataclass(frozen=True)
class Encoded:
    """Both sides as features and classes.

    Attributes:
        schema: of the bundle.
        columns, crosses, encoder: how raw listings become features.
        training, holdout: (rows, features).
        labels, truth: class index of each row of the training part and of the holdout.
        typed_training, typed_holdout: the same rows before encoding.

    """

    schema: Schema
    columns: Columns
    crosses: list[Cross]
    encoder: Encoder
    training: Matrix
    labels: Classes
    holdout: Matrix
    truth: Classes
    typed_training: TypedRows
    typed_holdout: TypedRows


@dataclass(frozen=True)
class Evaluated:
    """How good a forest is.

    Attributes:
        answers: of the graph on the holdout.

    """

    answers: Answers
    scores: Scores
    baseline: Scores
    reference: Reference


def encode_rows(
    rows: Rows,
    dataset: Dataset,
    training: Training,
    *,
    model_name: str,
    kept_boundaries: Sequence[float] | None,
    progress: Progress,
) -> Encoded:
    """Cut the price into classes and make features; everything is learned from the training part.

    Args:
        rows: distinct, priced and split.
        dataset: of the spec.
        training: of the spec.
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
    encoder = fit_encoder(typed, columns, crosses, training.hashing.buckets)
    typed_holdout = clean_listings(held, columns.rules)
    if typed_holdout.unreadable:
        progress.say(
            f"{typed_holdout.unreadable} cells of the holdout are no value of their column and "
            "count as missing"
        )
    progress.say(
        f"{len(columns.inputs)} columns, {len(crosses)} crosses and {encoder.width} features",
        kinds={column.name: column.kind for column in columns.inputs},
        crosses={cross.name: cross.columns for cross in crosses},
        ignored=dict(columns.ignored),
    )
    return Encoded(
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
        encoder=encoder,
        training=encoder.transform(typed),
        labels=labels,
        holdout=encoder.transform(typed_holdout),
        truth=truth,
        typed_training=typed,
        typed_holdout=typed_holdout,
    )


def rebalance(encoded: Encoded, training: Training, progress: Progress) -> tuple[Matrix, Classes]:
    """The training part with the synthetic rows of the resampling."""
    features, labels, messages = resample(
        encoded.training, encoded.labels, training.resampling, training.seed
    )
    for message in messages:
        progress.say(message)
    classes = len(encoded.schema.classes)
    progress.say(
        f"{features.shape[0] - encoded.training.shape[0]} synthetic rows added",
        before=np.bincount(encoded.labels, minlength=classes).tolist(),
        after=np.bincount(labels, minlength=classes).tolist(),
    )
    return features, labels


def write_graph(encoded: Encoded, forest: RandomForestClassifier, folder: Path) -> Graph:
    """Write the bundle's graph and load it."""
    content = export_graph(
        encoded.columns, encoded.encoder, forest, classes=len(encoded.schema.classes)
    )
    (folder / GRAPH_FILE).write_bytes(content)
    return Graph(folder)


def evaluate(
    encoded: Encoded, forest: RandomForestClassifier, graph: Graph, training: Training
) -> Evaluated:
    """Score the graph on the holdout, once it is shown to answer as the forest does.

    Raises:
        ExportError: when it does not.

    """
    answers = graph.run(graph_inputs(encoded.typed_holdout, encoded.schema.columns))
    check_same(answers, class_probabilities(forest, encoded.holdout))
    classes = encoded.schema.classes
    scores = score(encoded.truth, answers.labels, answers.probabilities)
    return Evaluated(
        answers=answers,
        scores=scores,
        baseline=baseline_scores(
            encoded.training,
            encoded.labels,
            holdout=encoded.holdout,
            truth=encoded.truth,
            classes=len(classes),
            seed=training.seed,
        ),
        reference=make_reference(
            encoded.typed_training,
            encoded.truth,
            answers,
            classes=classes,
            scores=scores,
        ),
    )


def check_same(answers: Answers, expected: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    """Hold the graph's answers against scikit-learn's.

    Args:
        answers: of the graph.
        expected: (rows, classes), of `predict_proba`.

    Raises:
        ExportError: for the first row that differs.

    """
    difference = np.abs(answers.probabilities - expected).max(axis=1)
    best = expected.max(axis=1)
    named = expected[np.arange(len(expected)), answers.labels]
    wrong = (difference > SAME_PROBABILITY) | (best - named > TIE)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ExportError(
            f"the graph answers {int(wrong.sum())} of {len(wrong)} holdout rows differently than "
            f"the forest, row {row} with {answers.probabilities[row].tolist()} instead of "
            f"{expected[row].tolist()}"
        )
