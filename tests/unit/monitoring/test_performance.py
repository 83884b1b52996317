import math

import numpy as np
import pytest
from sklearn.metrics import f1_score

from housing_core.bundle import Reference
from housing_core.drift_report import Performance, Score
from housing_monitoring.measures.clustering import design_effect
from housing_monitoring.measures.performance import (
    CONFIDENCE_BINS,
    Labelled,
    Z,
    evaluate,
)
from housing_monitoring.measures.performance import estimated_accuracy as estimate
from housing_monitoring.measures.scores import Interval, difference, macro_f1, wilson

CLASSES = ["Low", "Medium", "High"]
DAY = 86_400
CALIBRATION = [(0.45, 0.5, 1_000), (0.75, 0.7, 2_000), (0.95, 0.9, 2_000)]
REFERENCE = Reference(
    rows=20_000,
    holdout_rows=5_000,
    features={},
    class_shares={},
    scores={"accuracy": 0.74, "macro_f1": 0.73},
    calibration=CALIBRATION,
)


def confidences(*values: float, rows: int = 100) -> np.ndarray:
    """Rows with each of these confidences, well mixed."""
    bins = (np.tile(values, rows) * CONFIDENCE_BINS).astype(int)
    return np.eye(CONFIDENCE_BINS, dtype=np.int64)[bins]


def estimated_accuracy(
    found: np.ndarray, calibration: list[tuple[float, float, int]]
) -> Score | None:
    return estimate(found.sum(axis=0), design_effect(found), calibration)


NOTHING = np.zeros((0, CONFIDENCE_BINS), np.int64)


def labelled(rows: int, accuracy: float, seed: int = 1) -> Labelled:
    """Predictions of which exactly so many are right, an hour after each other."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 3, rows)
    wrong = random.permutation(rows) >= round(rows * accuracy)
    predicted = np.where(wrong, (truth + random.integers(1, 3, rows)) % 3, truth)
    return Labelled(truth, predicted, np.arange(rows, dtype=np.int64) * 3_600_000_000)


def judged(
    found: Labelled, reference: Reference = REFERENCE, sure: np.ndarray = NOTHING
) -> Performance:
    return evaluate(
        found, sure, reference, classes=CLASSES, labels_needed=100, window_seconds=30 * DAY
    )


def test_without_labels_there_is_no_score_and_no_crash() -> None:
    found = judged(Labelled.none())
    assert (found.labels, found.accuracy, found.macro_f1, found.periods) == (0, None, None, [])
    assert found.estimated_accuracy is None


def test_scores_are_those_of_the_confusion_matrix() -> None:
    rows = labelled(1_000, 0.7)
    found = judged(rows)
    assert found.accuracy is not None
    assert found.macro_f1 is not None
    assert found.accuracy.value == 0.7
    assert np.trace(found.confusion_matrix) == 700
    assert found.macro_f1.value == pytest.approx(
        f1_score(rows.truth, rows.predicted, average="macro")
    )
    assert (found.start, found.end) == ("1970-01-01T00:00:00Z", "1970-02-11T15:00:00Z")


def test_a_fall_of_the_accuracy_has_an_interval_that_allows_for_the_holdout() -> None:
    accuracy = judged(labelled(1_000, 0.64)).accuracy
    assert accuracy is not None
    assert accuracy.drop == pytest.approx(0.1)
    before, now = wilson(3_700, 5_000, Z), wilson(640, 1_000, Z)
    assert accuracy.drop_lower == pytest.approx(
        0.1 - math.hypot(0.74 - before.lower, now.upper - 0.64)
    )
    few = judged(labelled(1_000, 0.64), REFERENCE.model_copy(update={"holdout_rows": 50})).accuracy
    assert few is not None
    assert few.drop_lower is not None
    assert few.drop_lower < 0 < accuracy.drop_lower


@pytest.mark.parametrize("accuracy", [0.0, 1.0])
def test_labels_that_are_all_wrong_or_all_right_are_scored_with_an_interval(
    accuracy: float,
) -> None:
    found = judged(labelled(200, accuracy))
    for score in (found.accuracy, found.macro_f1):
        assert score is not None
        assert score.value == accuracy
        assert 0 <= score.lower <= score.value <= score.upper <= 1
        assert score.lower < score.upper


def test_an_old_profile_without_scores_or_calibration_is_read_and_nothing_is_compared() -> None:
    old = REFERENCE.model_copy(update={"scores": {}, "calibration": []})
    found = judged(labelled(200, 0.2), old, confidences(0.9))
    assert found.accuracy is not None
    assert (found.accuracy.value, found.accuracy.reference, found.accuracy.drop) == (
        0.2,
        None,
        None,
    )
    assert found.estimated_accuracy is None


def test_an_accuracy_that_did_not_fall_seems_to_once_in_a_thousand_reports() -> None:
    random = np.random.default_rng(3)
    rows, holdout, reports = 300, 5_000, 40_000
    now = random.binomial(rows, 0.78, reports)
    before = random.binomial(holdout, 0.78, reports)
    alarms = sum(
        difference(wilson(b, holdout, Z), wilson(n, rows, Z)).lower > 0
        for n, b in zip(now.tolist(), before.tolist(), strict=True)
    )
    assert alarms / reports < 0.002


def test_a_fall_by_ten_points_is_seen_in_a_thousand_labels() -> None:
    found = [judged(labelled(1_000, 0.64 + shift / 1_000)).accuracy for shift in range(-20, 21, 10)]
    for score in found:
        assert score is not None
        assert score.drop is not None
        assert score.drop_lower is not None
        assert score.drop > max(0.05, score.drop - score.drop_lower)


def test_labels_that_come_in_clusters_prove_less() -> None:
    right = np.repeat(np.random.default_rng(5).random(50) < 0.6, 20).astype(np.int64)
    found = judged(Labelled(np.ones(1_000, np.int64), right, np.arange(1_000)))
    assert found.design_effect > 8
    mixed = judged(labelled(1_000, 0.6))
    assert mixed.design_effect == 1.0
    assert found.accuracy is not None
    assert mixed.accuracy is not None
    assert found.accuracy.upper - found.accuracy.lower > 2 * (
        mixed.accuracy.upper - mixed.accuracy.lower
    )


def test_the_interval_of_macro_f1_holds_the_truth_as_often_as_it_says() -> None:
    shares = np.array([[0.3, 0.08, 0.02], [0.08, 0.25, 0.07], [0.0, 0.05, 0.15]])
    truth, _ = macro_f1((shares * 1_000_000).astype(np.int64))
    random = np.random.default_rng(9)
    missed = 0
    for confusion in random.multinomial(400, shares.ravel(), size=4_000):
        value, variance = macro_f1(confusion.reshape(3, 3))
        missed += abs(value - truth) > 1.96 * math.sqrt(variance / 400)
    assert missed / 4_000 == pytest.approx(0.05, abs=0.015)


def test_a_class_that_never_occurs_is_left_out_of_the_average() -> None:
    value, variance = macro_f1(np.array([[5, 0, 0], [0, 5, 0], [0, 0, 0]]))
    assert value == 1.0
    assert variance > 0


def test_periods_show_the_accuracy_by_time() -> None:
    found = judged(labelled(72, 0.5))
    assert [(p.start, p.end, p.labels) for p in found.periods] == [
        ("1970-01-01T00:00:00Z", "1970-01-02T00:00:00Z", 24),
        ("1970-01-02T00:00:00Z", "1970-01-03T00:00:00Z", 24),
        ("1970-01-03T00:00:00Z", "1970-01-04T00:00:00Z", 24),
    ]
    values = [period.accuracy.value for period in found.periods if period.accuracy]
    assert np.mean(values) == pytest.approx(0.5)


def test_the_estimate_is_the_holdout_s_accuracy_where_the_confidence_is_the_holdout_s() -> None:
    found = estimated_accuracy(confidences(0.45, 0.75, 0.75, 0.95, 0.95), CALIBRATION)
    assert found is not None
    assert found.value == pytest.approx(0.74)
    assert found.reference == pytest.approx(0.74)
    assert found.drop == pytest.approx(0.0)


def test_a_model_that_becomes_unsure_is_estimated_to_be_worse() -> None:
    found = estimated_accuracy(confidences(0.45, 0.45, 0.75), CALIBRATION)
    assert found is not None
    assert found.value == pytest.approx((0.5 + 0.5 + 0.7) / 3)
    assert found.drop_lower is not None
    assert 0.05 < found.drop_lower < found.drop < found.drop_upper  # type: ignore[operator]


def test_a_confidence_that_the_holdout_never_had_is_taken_for_its_nearest() -> None:
    found = estimated_accuracy(confidences(0.05), CALIBRATION)
    assert found is not None
    assert found.value == pytest.approx(0.5)


def test_the_estimate_and_its_interval_hold_in_simulations() -> None:
    random = np.random.default_rng(2)
    shares, right = np.array([0.2, 0.4, 0.4]), np.array([0.5, 0.7, 0.9])
    cells = np.array([4, 7, 9])
    outside = 0
    for _ in range(1_000):
        sizes = random.multinomial(2_000, shares)
        calibration = [
            (cell / 10 + 0.05, float(random.binomial(size, p)) / size, int(size))
            for cell, size, p in zip(cells, sizes, right, strict=True)
        ]
        window = np.eye(CONFIDENCE_BINS, dtype=np.int64)[random.choice(cells, 500, p=shares)]
        found = estimated_accuracy(window, calibration)
        assert found is not None
        assert found.drop_lower is not None
        outside += found.drop_lower > 0
    assert outside <= 5


def test_wilson_s_interval_is_the_textbook_s() -> None:
    found = wilson(15, 50, 1.96)
    assert (found.lower, found.upper) == (
        pytest.approx(0.191, abs=5e-4),
        pytest.approx(0.438, abs=5e-4),
    )
    # Newcombe 1998, table II, example (a), method 10.
    apart = difference(wilson(56, 70, 1.959964), wilson(48, 80, 1.959964))
    assert apart == Interval(
        pytest.approx(0.2), pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4)
    )
