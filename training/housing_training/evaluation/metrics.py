"""Scores on the holdout, and a baseline beside them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from housing_core.bundle import ScoreIntervals, Scores
from housing_training.data.target import Classes
from housing_training.evaluation.intervals import auc_interval, class_intervals, score_intervals

BASELINE_NAME = "LogisticRegression"
CALIBRATION_BINS = 10

Probabilities = np.ndarray[Any, Any]


def score(truth: Classes, predicted: Classes, probabilities: Probabilities) -> Scores:
    """Scores of predictions.

    Args:
        truth: (rows,) class index.
        predicted: (rows,) class index.
        probabilities: (rows, classes).

    Returns:
        Macro averages are over the classes that occur in truth or predictions; ROC-AUC is
        one-versus-rest, None unless every class occurs in the truth.

    """
    classes = list(range(probabilities.shape[1]))
    options: dict[str, Any] = {"average": "macro", "zero_division": 0}
    return Scores(
        accuracy=float(accuracy_score(truth, predicted)),
        macro_f1=float(f1_score(truth, predicted, **options)),
        precision=float(precision_score(truth, predicted, **options)),
        recall=float(recall_score(truth, predicted, **options)),
        roc_auc=_roc_auc(truth, probabilities),
        confusion_matrix=confusion_matrix(truth, predicted, labels=classes).tolist(),
    )


def _roc_auc(truth: Classes, probabilities: Probabilities) -> float | None:
    if len(np.unique(truth)) < probabilities.shape[1]:
        return None
    if probabilities.shape[1] == 2:
        return float(roc_auc_score(truth, probabilities[:, 1]))
    normalised = probabilities / probabilities.sum(axis=1, keepdims=True)
    return float(roc_auc_score(truth, normalised, multi_class="ovr", average="macro"))


def intervals(
    truth: Classes, scores: Scores, probabilities: Probabilities, seed: int
) -> ScoreIntervals:
    """95 % intervals of scores.

    Args:
        truth: (rows,) class index.
        scores: what `score` gave for these rows.
        probabilities: (rows, classes).
        seed: of the resampling.

    """
    matrix = np.array(scores.confusion_matrix)
    by_class = class_intervals(matrix, seed)
    return ScoreIntervals(
        **score_intervals(matrix, seed),
        roc_auc=auc_interval(truth, np.asarray(probabilities, np.float64)),
        class_precision=by_class["precision"],
        class_recall=by_class["recall"],
        class_f1=by_class["f1"],
    )


def calibration_bins(
    truth: Classes, predicted: Classes, probabilities: Probabilities
) -> list[tuple[float, float, int]]:
    """How sure the model was and how often it was right, in ten bins of equal width.

    Returns:
        Rows (mean confidence of the bin, share that was right, rows in the bin); empty bins are
        left out. Confidence is the probability of the predicted class.

    """
    confidence = probabilities[np.arange(len(predicted)), predicted]
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    rows = []
    for number in range(CALIBRATION_BINS):
        inside = bins == number
        if inside.any():
            right = float(np.mean(truth[inside] == predicted[inside]))
            rows.append((float(confidence[inside].mean()), right, int(inside.sum())))
    return rows


def baseline_scores(
    features: sparse.csr_matrix[Any],
    labels: Classes,
    *,
    holdout: sparse.csr_matrix[Any],
    truth: Classes,
    classes: int,
    seed: int,
) -> tuple[Scores, ScoreIntervals]:
    """What a class-weighted logistic regression on the same features reaches.

    Args:
        features: (rows, features) of the training part, not resampled.
        labels: (rows,).
        holdout: (holdout rows, features).
        truth: (holdout rows,).
        classes: number of classes.
        seed: `random_state`.

    Returns:
        Its scores, and their intervals.

    """
    model = make_pipeline(
        MaxAbsScaler(), LogisticRegression(class_weight="balanced", max_iter=300, random_state=seed)
    )
    with warnings.catch_warnings():
        # A baseline may stop before its last digit.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, labels)
    probabilities = np.zeros((holdout.shape[0], classes))
    probabilities[:, model.classes_] = model.predict_proba(holdout)
    scores = score(truth, model.predict(holdout), probabilities)
    return scores, intervals(truth, scores, probabilities, seed)


def expected_class(probabilities: Probabilities) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(rows,) mean class index by the probabilities: one number that rises with the price."""
    return np.asarray(probabilities, np.float64) @ np.arange(probabilities.shape[1])
