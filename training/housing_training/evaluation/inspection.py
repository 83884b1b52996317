"""What a fitted model is made of, for people: which columns matter, and how many trees it needs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from housing_core.bundle import ColumnSchema, Interval
from housing_training.data.typed_rows import Codes, Part
from housing_training.evaluation.intervals import confusion_counts, matrix_scores, score_intervals
from housing_training.export.inference import Graph, graph_inputs
from housing_training.models.fitted import Model
from housing_training.models.threads import boosting_threads

MOST_ROWS = 2_000
REPEATS = 3
SECONDS = 5.0
POINTS = 20


def permutation_importance(
    graph: Graph,
    part: Part,
    columns: Sequence[ColumnSchema],
    *,
    classes: int,
    seed: int,
    clock: Callable[[], float] = time.monotonic,
) -> list[tuple[str, float, float]]:
    """Macro F1 that is lost when a column's values are shuffled (Breiman 2001), the largest first.

    Columns that carry the same information hide each other: each looks useless alone.

    Args:
        graph: answers.
        part: the holdout; at most `MOST_ROWS` of its rows are used.
        columns: of the schema.
        classes: number of classes.
        seed: of the shuffling.
        clock: seconds that only rise; after `SECONDS` the columns that are left are left out.

    Returns:
        (column, mean loss, standard deviation over the repeats).

    """
    chance = np.random.default_rng(seed)
    part = part.take(_some(len(part.labels), seed))
    inputs = graph_inputs(part.typed, columns)

    def macro_f1() -> float:
        counts = confusion_counts(part.labels, graph.run(inputs).labels, classes)
        return float(matrix_scores(counts)["macro_f1"])

    begun, whole = clock(), macro_f1()
    found = []
    for column, (name, values) in zip(columns, list(inputs.items()), strict=True):
        if clock() - begun > SECONDS:
            break
        losses = []
        for _ in range(REPEATS):
            inputs[name] = values[chance.permutation(len(values))]
            losses.append(whole - macro_f1())
        inputs[name] = values
        found.append((column.name, float(np.mean(losses)), float(np.std(losses))))
    return sorted(found, key=lambda item: -item[1])


def learning_curve(model: Model, part: Part, seed: int) -> list[tuple[int, float, Interval]]:
    """(trees, macro F1, its interval) of the first so many trees or iterations, on some of the holdout's rows.

    Args:
        model: fitted.
        part: the holdout; at most `MOST_ROWS` of its rows are used.
        seed: of their choice and of the resampling.

    """
    part = part.take(_some(len(part.labels), seed))
    stages = _stages(model, model.encoder.transform(part.typed))
    total = (
        len(model.estimator.estimators_)
        if isinstance(model.estimator, RandomForestClassifier)
        else model.estimator.n_iter_
    )
    wanted = set(np.unique(np.linspace(1, total, min(POINTS, total)).astype(int)).tolist())
    curve = []
    for number, answers in enumerate(stages, start=1):
        if number in wanted:
            labels = model.spread(answers).argmax(axis=1)
            counts = confusion_counts(part.labels, labels, model.classes)
            score = float(matrix_scores(counts)["macro_f1"])
            curve.append((number, score, score_intervals(counts, seed)["macro_f1"]))
    return curve


def _stages(model: Model, features: Any) -> Iterator[np.ndarray[Any, np.dtype[np.float64]]]:
    """Answers after each tree or iteration; a forest's as sums, whose largest is the mean's."""
    if isinstance(model.estimator, HistGradientBoostingClassifier):
        with boosting_threads(len(features)):
            yield from model.estimator.staged_predict_proba(features)
        return
    dense = features if isinstance(features, np.ndarray) else features.toarray()
    votes = np.zeros((len(dense), len(model.estimator.classes_)))
    for tree in model.estimator.estimators_:
        votes += tree.predict_proba(dense)
        yield votes


def _some(rows: int, seed: int) -> Codes:
    chosen = np.random.default_rng(seed).choice(rows, min(rows, MOST_ROWS), replace=False)
    return np.sort(chosen)
