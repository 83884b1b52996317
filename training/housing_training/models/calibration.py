"""Probabilities that mean what they say: a model's answers, corrected on rows that it has not seen.

Resampling and class weights distort a forest's votes, and boosting is too sure of itself. The
correction is softmax(scale · log(answer) + shift), temperature scaling (Guo et al. 2017) with one
shift a class; which of its parameters are free is chosen by the log loss on held-out rows. The class
that a model names stays its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

from housing_training.data.target import Classes

FLOOR = 1e-3
"""An answer counts as at least this much: 100 trees that agree are not certain."""

FOLDS = 5
MIN_ROWS = 50
"""Fewer held-out rows say too little about four parameters."""

Probabilities = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Calibration:
    """The correction.

    Attributes:
        method: `None`, `Temperature` (scale only) or `Platt` (scale and shifts).
        scale: of the logarithm; below 1 for a model that is too sure.
        shifts: one a class.
        floor: least answer that is told from 0.
        log_loss_before, log_loss_after: cross-validated, on rows that the model has not seen.

    """

    method: str = "None"
    scale: float = 1.0
    shifts: tuple[float, ...] = ()
    floor: float = FLOOR
    log_loss_before: float | None = None
    log_loss_after: float | None = None

    @property
    def is_identity(self) -> bool:
        """Whether answers stay as they are."""
        return self.method == "None"

    def apply(self, answers: Probabilities) -> Probabilities:
        """(rows, classes) answers → (rows, classes) probabilities."""
        if self.is_identity:
            return answers
        logits = np.log(np.maximum(answers, self.floor))
        corrected: Probabilities = np.exp(
            log_softmax(self.scale * logits + np.array(self.shifts), axis=1)
        )
        return corrected


def fit_calibration(answers: Probabilities, truth: Classes, seed: int) -> Calibration:
    """The correction with the least cross-validated log loss on rows that the model has not seen.

    Args:
        answers: (rows, classes) of a model that has not learned from these rows.
        truth: (rows,) class index.
        seed: of the folds.

    """
    rows, classes = answers.shape
    if rows < MIN_ROWS:
        return Calibration()
    folds = np.random.default_rng(seed).permutation(rows) % FOLDS
    losses = {"None": _log_loss(np.maximum(answers, FLOOR), truth)}
    for method in ("Temperature", "Platt"):
        parts = []
        for fold in range(FOLDS):
            learned, held = folds != fold, folds == fold
            fitted = _fit(method, answers[learned], truth[learned], classes)
            parts.append(_log_loss(fitted.apply(answers[held]), truth[held]) * held.sum())
        losses[method] = float(sum(parts)) / rows
    best = min(losses, key=lambda method: losses[method])
    chosen = _fit(best, answers, truth, classes) if best != "None" else Calibration()
    return Calibration(
        method=chosen.method,
        scale=chosen.scale,
        shifts=chosen.shifts,
        log_loss_before=losses["None"],
        log_loss_after=losses[best],
    )


def _fit(method: str, answers: Probabilities, truth: Classes, classes: int) -> Calibration:
    logits = np.log(np.maximum(answers, FLOOR))
    at = np.arange(len(truth))
    free = classes if method == "Platt" else 0
    wanted = np.eye(classes)[truth]

    def loss(parameters: np.ndarray[Any, Any]) -> tuple[float, np.ndarray[Any, Any]]:
        shifts = parameters[1:] if free else np.zeros(classes)
        log_p = log_softmax(parameters[0] * logits + shifts, axis=1)
        gap = (np.exp(log_p) - wanted) / len(truth)
        gradient = [np.sum(gap * logits)]
        value = -log_p[at, truth].mean()
        if free:
            gradient += (gap.sum(axis=0) + 1e-6 * shifts).tolist()  # shifts count up to a constant
            value += 5e-7 * float(shifts @ shifts)
        return float(value), np.array(gradient)

    found = minimize(loss, np.array([1.0] + [0.0] * free), jac=True, method="L-BFGS-B").x
    shifts = tuple(float(shift) for shift in found[1:]) if free else (0.0,) * classes
    return Calibration(method, max(float(found[0]), 1e-3), shifts)


def _log_loss(probabilities: Probabilities, truth: Classes) -> float:
    named = probabilities[np.arange(len(truth)), truth] / probabilities.sum(axis=1)
    return float(-np.log(np.maximum(named, 1e-12)).mean())
