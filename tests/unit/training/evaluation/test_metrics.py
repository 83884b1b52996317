"""Scores and calibration by hand-made answers."""

import numpy as np
import pytest
from scipy import sparse

from housing_training.evaluation.metrics import (
    baseline_scores,
    calibration_bins,
    expected_class,
    score,
)

TRUTH = np.array([0, 0, 1, 1, 2, 2])
PREDICTED = np.array([0, 1, 1, 1, 2, 0])
PROBABILITIES = np.array(
    [
        [0.8, 0.1, 0.1],
        [0.4, 0.5, 0.1],
        [0.1, 0.8, 0.1],
        [0.2, 0.7, 0.1],
        [0.1, 0.1, 0.8],
        [0.5, 0.1, 0.4],
    ]
)


def test_scores_are_macro_averages() -> None:
    found = score(TRUTH, PREDICTED, PROBABILITIES)
    assert found.accuracy == pytest.approx(4 / 6)
    assert found.precision == pytest.approx((1 / 2 + 2 / 3 + 1) / 3)
    assert found.recall == pytest.approx((1 / 2 + 1 + 1 / 2) / 3)
    assert found.macro_f1 == pytest.approx((0.5 + 0.8 + 2 / 3) / 3)
    assert found.confusion_matrix == [[1, 1, 0], [0, 2, 0], [1, 0, 1]]
    assert found.roc_auc is not None


def test_a_class_that_occurs_nowhere_does_not_count() -> None:
    found = score(TRUTH[:4], PREDICTED[:4], PROBABILITIES[:4])
    assert found.macro_f1 == pytest.approx((2 / 3 + 0.8) / 2)
    assert found.roc_auc is None


def test_two_classes_have_a_roc_auc() -> None:
    found = score(
        np.array([0, 1]), np.array([0, 1]), np.array([[0.9, 0.1], [0.4, 0.6]], np.float32)
    )
    assert found.roc_auc == 1


def test_calibration_says_how_often_the_model_was_right_when_so_sure() -> None:
    bins = calibration_bins(TRUTH, PREDICTED, PROBABILITIES)
    assert bins == [
        (pytest.approx(0.5), 0, 2),
        (pytest.approx(0.7), 1, 1),
        (pytest.approx(0.8), 1, 3),
    ]


def test_a_certain_answer_falls_into_the_last_bin() -> None:
    assert calibration_bins(np.array([0]), np.array([0]), np.array([[1.0, 0.0]])) == [(1.0, 1.0, 1)]


def test_the_expected_class_rises_with_the_price() -> None:
    assert expected_class(PROBABILITIES[[0, 2, 4]]) == pytest.approx([0.3, 1.0, 1.7])


def test_the_baseline_learns_what_is_linear() -> None:
    features = sparse.csr_matrix(np.arange(300, dtype=np.float32)[:, np.newaxis])
    labels = np.repeat([0, 1, 2], 100)
    found, within = baseline_scores(
        features, labels, holdout=features, truth=labels, classes=3, seed=1
    )
    assert found.accuracy > 0.9
    assert 0.85 < within.accuracy.low < found.accuracy < within.accuracy.high <= 1
