"""Calibration makes probabilities honest and never names another class by itself."""

import numpy as np
import pytest

from housing_training.models.calibration import Calibration, fit_calibration


def rows(count: int, sharpness: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Answers that are too sure where sharpness is above 1, and the true class of each row."""
    chance = np.random.default_rng(seed)
    logits = chance.normal(0, 1.5, (count, 3))
    honest = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([chance.choice(3, p=p) for p in honest])
    sharp = np.exp(sharpness * logits)
    return sharp / sharp.sum(axis=1, keepdims=True), truth


def test_answers_that_are_too_sure_become_honest() -> None:
    answers, truth = rows(4000, sharpness=2.0)
    found = fit_calibration(answers, truth, seed=1)
    assert found.scale == pytest.approx(0.5, abs=0.06)
    assert found.log_loss_after < found.log_loss_before
    more, truth = rows(4000, sharpness=2.0, seed=9)
    confidence = found.apply(more).max(axis=1)
    right = found.apply(more).argmax(axis=1) == truth
    assert confidence.mean() == pytest.approx(right.mean(), abs=0.02)
    assert abs(more.max(axis=1).mean() - right.mean()) > 0.1


def test_shifts_take_back_what_class_weights_added() -> None:
    answers, truth = rows(4000, sharpness=1.0)
    weighted = answers * [1, 1, 4]
    weighted /= weighted.sum(axis=1, keepdims=True)
    found = fit_calibration(weighted, truth, seed=1)
    assert found.method == "Platt"
    assert found.apply(weighted)[:, 2].mean() == pytest.approx((truth == 2).mean(), abs=0.01)


def test_a_scale_alone_leaves_the_order_of_the_classes() -> None:
    answers, _ = rows(2000, sharpness=2.0)
    found = Calibration("Temperature", 0.5, (0.0, 0.0, 0.0))
    assert np.array_equal(found.apply(answers).argmax(axis=1), answers.argmax(axis=1))


def test_certain_answers_stay_finite_and_sum_to_one() -> None:
    answers = np.array([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]])
    found = Calibration("Platt", 0.8, (0.1, 0.0, -0.1)).apply(answers)
    assert np.all(found > 0)
    assert found.sum(axis=1) == pytest.approx([1, 1])


def test_few_rows_and_honest_answers_leave_things_as_they_are() -> None:
    answers, truth = rows(30, sharpness=3.0)
    assert fit_calibration(answers, truth, seed=1).is_identity
    answers, truth = rows(4000, sharpness=1.0)
    found = fit_calibration(answers, truth, seed=1)
    assert found.apply(answers) == pytest.approx(answers, abs=0.03)


def test_a_class_that_was_never_held_out_does_not_stop_it() -> None:
    answers, truth = rows(500, sharpness=2.0)
    found = fit_calibration(answers, np.minimum(truth, 1), seed=1)
    assert np.isfinite(found.apply(answers)).all()
