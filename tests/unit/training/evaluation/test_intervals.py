"""Intervals hold what they promise, and agree with the plain way of making them."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

from housing_training.evaluation.intervals import (
    ahead_interval,
    auc_interval,
    class_scores,
    confusion_counts,
    difference_interval,
    matrix_scores,
    score_intervals,
)


def made_up(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, a predicted class and probabilities that are right more often than not."""
    chance = np.random.default_rng(seed)
    truth = chance.choice(3, rows, p=[0.4, 0.4, 0.2])
    logits = chance.normal(0, 1, (rows, 3))
    logits[np.arange(rows), truth] += 1.5
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return truth, probabilities.argmax(axis=1), probabilities


def test_scores_of_counts_are_those_of_scikit_learn() -> None:
    truth, predicted, _ = made_up(500, 1)
    counts = confusion_counts(truth, predicted, 3)
    scores, by_class = matrix_scores(counts), class_scores(counts)
    assert scores["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert by_class["precision"] == pytest.approx(precision_score(truth, predicted, average=None))
    assert by_class["recall"] == pytest.approx(recall_score(truth, predicted, average=None))


def test_a_class_that_never_occurs_is_left_out_of_the_averages() -> None:
    counts = confusion_counts(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), 3)
    assert matrix_scores(counts)["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)


def test_intervals_are_those_of_resampled_rows() -> None:
    truth, predicted, _ = made_up(800, 2)
    chance = np.random.default_rng(3)
    drawn = [chance.integers(0, 800, 800) for _ in range(400)]
    plain = np.quantile(
        [f1_score(truth[at], predicted[at], average="macro") for at in drawn], [0.025, 0.975]
    )
    found = score_intervals(confusion_counts(truth, predicted, 3), seed=4)["macro_f1"]
    assert [found.low, found.high] == pytest.approx(plain, abs=0.01)


def test_nineteen_of_twenty_intervals_hold_the_true_score() -> None:
    truth, predicted, probabilities = made_up(200_000, 5)
    true_f1 = f1_score(truth, predicted, average="macro")
    true_auc = roc_auc_score(truth, probabilities, multi_class="ovr", average="macro")
    held_f1 = held_auc = 0
    for number in range(200):
        part = slice(number * 500, (number + 1) * 500)
        f1 = score_intervals(confusion_counts(truth[part], predicted[part], 3), 6)["macro_f1"]
        auc = auc_interval(truth[part], probabilities[part])
        assert auc is not None
        held_f1 += f1.low <= true_f1 <= f1.high
        held_auc += auc.low <= true_auc <= auc.high
    assert 180 <= held_f1 <= 198
    assert 180 <= held_auc <= 198


def test_two_classes_have_an_auc_interval_around_their_auc() -> None:
    truth, _, probabilities = made_up(400, 7)
    two = truth < 2
    part = probabilities[two, :2] / probabilities[two, :2].sum(axis=1, keepdims=True)
    found = auc_interval(truth[two], part)
    assert found is not None
    assert found.low < roc_auc_score(truth[two], part[:, 1]) < found.high
    assert auc_interval(np.zeros(10, int), np.full((10, 3), 1 / 3)) is None


def test_the_same_seed_gives_the_same_interval() -> None:
    counts = confusion_counts(*made_up(300, 8)[:2], 3)
    assert score_intervals(counts, 1) == score_intervals(counts, 1)
    assert score_intervals(counts, 1) != score_intervals(counts, 2)


def test_a_difference_on_the_same_rows_is_known_better_than_each_score() -> None:
    truth, first, _ = made_up(2000, 9)
    second = first.copy()
    second[:100] = (truth[:100] + 1) % 3
    difference, interval = difference_interval(truth, first, second, 3, seed=1)
    expected = f1_score(truth, first, average="macro") - f1_score(truth, second, average="macro")
    assert difference == pytest.approx(expected)
    assert 0 < interval.low < difference < interval.high
    alone = score_intervals(confusion_counts(truth, first, 3), 1)["macro_f1"]
    assert interval.high - interval.low < alone.high - alone.low
    assert difference_interval(truth, first, first, 3, seed=1)[1].high == 0


def test_models_of_one_truth_are_as_far_apart_as_in_a_paired_comparison() -> None:
    truth, first, _ = made_up(600, 7)
    _, second, _ = made_up(600, 8)
    ahead, interval = ahead_interval((truth, first), (truth, second), (3, 3), seed=1)
    difference, paired = difference_interval(truth, first, second, 3, seed=1)
    assert ahead == pytest.approx(difference)
    assert [interval.low, interval.high] == pytest.approx([paired.low, paired.high], abs=0.01)


def test_models_of_other_classes_are_compared_on_the_rows_that_both_answered() -> None:
    truth, first, _ = made_up(800, 9)
    # Two classes of the same rows, and a model that is right where the first one is.
    coarse = (truth == 2).astype(np.int64)
    second = np.where(first == truth, coarse, 1 - coarse)
    ahead, interval = ahead_interval((truth, first), (coarse, second), (3, 2), seed=1)
    assert ahead == pytest.approx(
        f1_score(truth, first, average="macro") - f1_score(coarse, second, average="macro")
    )
    chance = np.random.default_rng(3)
    drawn = [chance.integers(0, 800, 800) for _ in range(400)]
    plain = np.quantile(
        [
            f1_score(truth[at], first[at], average="macro")
            - f1_score(coarse[at], second[at], average="macro")
            for at in drawn
        ],
        [0.025, 0.975],
    )
    assert [interval.low, interval.high] == pytest.approx(plain, abs=0.01)
