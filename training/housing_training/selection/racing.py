"""Which candidate is best, by cross-validation on the training part within a time budget.

The candidates race: each fold is fitted for all that are left, and one that is clearly behind the
best (its difference's 95 % interval lies wholly below zero) drops out. The rows that were held out
serve the calibration of the winner too.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import sklearn
from joblib import Parallel, delayed
from sklearn.ensemble import HistGradientBoostingClassifier

from housing_core.api.base import parse_duration
from housing_core.api.spec import Training
from housing_core.bundle import CalibrationResult, CandidateResult, ModelKind, RecipeResult
from housing_training.data.typed_rows import Codes, Part
from housing_training.evaluation.intervals import (
    confusion_counts,
    difference_interval,
    matrix_scores,
    score_intervals,
)
from housing_training.models.calibration import Calibration, fit_calibration
from housing_training.models.candidates import BOOSTING_ITERATIONS, CANDIDATES, Fitter
from housing_training.models.fitted import Model
from housing_training.models.threads import boosting_threads
from housing_training.selection.folds import make_folds, sample

FOLDS = 5
STAGE = 20
"""Iterations of boosting between two looks at the log loss."""

CALIBRATION_TREES = 30
"""Trees of the forest that shows `recipe: seed` its calibration; its votes are a little coarser."""

Answers = np.ndarray[Any, np.dtype[np.float64]]
Report = Callable[[int, int, float], None]
"""Of steps done, steps at most, and seconds left."""


@dataclass
class Racer:
    """A candidate under way.

    Attributes:
        stages: (stages, rows, classes) answers after so many iterations; a forest has one stage.
        judged: (rows,) whether a row was held out so far.
        best: the stage with the least log loss.
        seconds: of each fit.

    """

    name: ModelKind
    stages: Answers
    judged: np.ndarray[Any, np.dtype[np.bool_]]
    best: int = 0
    seconds: list[float] = field(default_factory=list)
    note: str = ""

    @classmethod
    def of(cls, name: ModelKind, rows: int, classes: int) -> Racer:
        """One that has not begun."""
        stages = BOOSTING_ITERATIONS // STAGE if name == "EncodedBoosting" else 1
        return cls(name, np.zeros((stages, rows, classes)), np.zeros(rows, bool))

    @property
    def iterations(self) -> int | None:
        """Iterations of boosting that did best; None of a forest."""
        return (self.best + 1) * STAGE if len(self.stages) > 1 else None

    @property
    def answers(self) -> Answers:
        """(rows, classes); zero where a row was not held out yet."""
        answers: Answers = self.stages[self.best]
        return answers

    @property
    def labels(self) -> Codes:
        """(rows,) class index."""
        labels: Codes = self.answers.argmax(axis=1)
        return labels

    def keep(self, answers: Answers, part: Part, held: Codes) -> None:
        """Keep (stages, held rows, classes) for rows that were not learned from."""
        self.stages[:, held] = answers
        self.judged[held] = True
        named = self.stages[:, self.judged, part.labels[self.judged]]
        self.best = int(np.log(np.maximum(named, 1e-12)).mean(axis=1).argmax())


def staged_answers(model: Model, features: Any) -> Answers:
    """(stages, rows, classes): of a forest one stage, of boosting one every `STAGE` iterations."""
    if not isinstance(model.estimator, HistGradientBoostingClassifier):
        return model.answer_features(features)[np.newaxis]
    staged = model.estimator.staged_predict_proba(features)
    with boosting_threads(len(features)):
        return np.stack(
            [model.spread(answers) for n, answers in enumerate(staged, start=1) if n % STAGE == 0]
        )


def choose(
    fitter: Fitter,
    part: Part,
    training: Training,
    *,
    digest: str,
    say: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    report: Report = lambda *_: None,
) -> RecipeResult:
    """Try the candidates of the recipe, and calibrate the winner.

    Args:
        fitter: of this spec.
        part: the training part.
        training: of the spec.
        digest: kept with the result.
        say: is told how it goes.
        clock: seconds that only rise.
        report: is told after each fit how many of at most how many are done, and the seconds left.

    Raises:
        InvalidDataError: when the rows cannot be parted into folds.

    """
    part = sample(part, training.seed)
    folds = make_folds(part, FOLDS, training.seed)
    if training.recipe == "seed":
        # With times the newest: the others learn from few rows, and those are old.
        return _calibrated_seed(fitter, part, folds[-1 if part.times is not None else 0], digest)
    deadline = clock() + parse_duration(training.auto.time_budget).total_seconds()
    racers = [Racer.of(name, len(part.labels), fitter.classes) for name in CANDIDATES]
    running, left = list(racers), list(folds)

    def fit(racer: Racer, fold: tuple[Codes, Codes]) -> tuple[Answers, float] | None:
        """Answers for the rows held out, and seconds; None where there is no time for it."""
        # What took longer than is left is not begun again; a fit under way is finished.
        is_first = racer is racers[0] and fold is folds[0]
        if not is_first and clock() + max(racer.seconds, default=0.0) > deadline:
            return None
        begun, (learned, held) = clock(), fold
        model = fitter.fit(racer.name, part.take(learned))
        answers = staged_answers(model, model.encoder.transform(part.typed.take(held)))
        return answers, clock() - begun

    while left and running:
        # One fold for each, and then a look at who is beaten; all that are left for one alone.
        now, left = (left[:1], left[1:]) if len(running) > 1 else (left, [])
        fits = [(racer, fold) for fold in now for racer in running]
        # Side by side, since boosting uses one processor on so few rows.
        side_by_side = Parallel(n_jobs=-1, prefer="threads", return_as="generator")
        found = side_by_side(delayed(fit)(*one) for one in fits)
        for (racer, (_, held)), answered in zip(fits, found, strict=True):
            if answered is None:
                racer.note = "auto.timeBudget is used up"
                continue
            racer.keep(answered[0], part, held)
            racer.seconds.append(answered[1])
            report(*_how_far(racers, running, len(folds), deadline - clock()))
        for racer in [racer for racer in running if racer.note]:
            racer.note = f"stopped after {len(racer.seconds)} of {len(folds)} folds: {racer.note}"
            running.remove(racer)
        behind = f"clearly behind after {len(folds) - len(left)} of {len(folds)} folds"
        _drop_the_beaten(running, part, fitter.classes, training.seed, behind)
    tried = [racer for racer in racers if racer.judged.any()]
    best = _best(tried, part, fitter.classes)
    results = [_result(racer, best, part, fitter.classes, training.seed) for racer in racers]
    results.sort(key=lambda result: result.name != best.name)
    for result in results:
        say(_in_words(result))
    calibration = fit_calibration(
        best.answers[best.judged], part.labels[best.judged], training.seed
    )
    return RecipeResult(
        recipe=training.recipe,
        model=best.name,
        iterations=best.iterations,
        candidates=results,
        calibration=calibration_result(calibration),
        digest=digest,
    )


def selection_digest(part: Part, training: Training) -> str:
    """Digest of what a choice depends on, for the next attempt of the same training."""
    digest = hashlib.sha256()
    for values in (part.labels, part.prices, part.homes):
        digest.update(np.ascontiguousarray(values).tobytes())
    digest.update(json.dumps([training.relevant(), sklearn.__version__]).encode())
    return digest.hexdigest()


def calibration_of(result: RecipeResult) -> Calibration:
    """The correction that a result holds."""
    kept = result.calibration
    return Calibration(kept.method, kept.scale, tuple(kept.shifts))


def _calibrated_seed(
    fitter: Fitter, part: Part, fold: tuple[Codes, Codes], digest: str
) -> RecipeResult:
    """The seed's recipe needs no choice; a small forest shows how sure its votes may be."""
    learned, held = fold
    forest = fitter.training.forest
    small = fitter.training.model_copy(
        update={"forest": forest.model_copy(update={"trees": min(forest.trees, CALIBRATION_TREES)})}
    )
    model = replace(fitter, training=small).fit("HashedForest", part.take(learned))
    calibration = fit_calibration(
        model.answer(part.typed.take(held)), part.labels[held], small.seed
    )
    return RecipeResult(
        recipe="seed",
        model="HashedForest",
        calibration=calibration_result(calibration),
        digest=digest,
    )


def calibration_result(calibration: Calibration) -> CalibrationResult:
    """The correction as a result keeps it."""
    return CalibrationResult(
        method=calibration.method,
        scale=calibration.scale,
        shifts=list(calibration.shifts),
        log_loss_before=calibration.log_loss_before,
        log_loss_after=calibration.log_loss_after,
    )


def macro_f1(racer: Racer, part: Part, classes: int) -> float:
    """Over all rows that were held out so far."""
    rows = racer.judged
    counts = confusion_counts(part.labels[rows], racer.labels[rows], classes)
    return float(matrix_scores(counts)["macro_f1"])


def _best(racers: list[Racer], part: Part, classes: int) -> Racer:
    """The winner: who was judged on most rows, and among those the best.

    Who dropped out or ran out of time was judged on fewer; both lose to one who went on.
    """
    most = max(int(racer.judged.sum()) for racer in racers)
    left = [racer for racer in racers if racer.judged.sum() == most]
    return max(left, key=lambda racer: macro_f1(racer, part, classes))


def _how_far(
    racers: Sequence[Racer], running: Sequence[Racer], folds: int, budget: float
) -> tuple[int, int, float]:
    """Fits that need not be waited for, all fits, and the seconds that the others take at most."""
    left = {racer.name: folds - len(racer.seconds) for racer in running}
    known = [second for racer in racers for second in racer.seconds]
    mean = sum(known) / len(known)
    needed = sum(
        left[racer.name] * (sum(racer.seconds) / len(racer.seconds) if racer.seconds else mean)
        for racer in running
    )
    most = folds * len(racers)
    return most - sum(left.values()), most, max(0.0, min(needed, budget))


def _drop_the_beaten(running: list[Racer], part: Part, classes: int, seed: int, note: str) -> None:
    if len(running) < 2:
        return
    best = _best(running, part, classes)
    for racer in list(running):
        if racer is best:
            continue
        both = best.judged & racer.judged
        _, interval = difference_interval(
            part.labels[both], best.labels[both], racer.labels[both], classes, seed
        )
        if interval.low > 0:
            racer.note = note
            running.remove(racer)


def _result(racer: Racer, best: Racer, part: Part, classes: int, seed: int) -> CandidateResult:
    if not racer.judged.any():
        return CandidateResult(name=racer.name, note=racer.note)
    truth, rows = part.labels, racer.judged
    counts = confusion_counts(truth[rows], racer.labels[rows], classes)
    behind, interval = None, None
    if racer is not best:
        both = rows & best.judged
        behind, interval = difference_interval(
            truth[both], best.labels[both], racer.labels[both], classes, seed
        )
    return CandidateResult(
        name=racer.name,
        macro_f1=float(matrix_scores(counts)["macro_f1"]),
        interval=score_intervals(counts, seed)["macro_f1"],
        rows=int(rows.sum()),
        behind=behind,
        behind_interval=interval,
        seconds=round(sum(racer.seconds), 1),
        fits=len(racer.seconds),
        note=racer.note,
    )


def _in_words(result: CandidateResult) -> str:
    text = f"candidate {result.name}, {CANDIDATES[result.name]}"
    if result.macro_f1 is None or result.interval is None:
        return f"{text}: not tried: {result.note}"
    text += (
        f": macro F1 {result.macro_f1:.4f} ({result.interval.low:.4f} to "
        f"{result.interval.high:.4f}) on {result.rows} held-out rows"
    )
    if result.behind is None or result.behind_interval is None:
        return f"{text}; it wins"
    low, high = result.behind_interval.low, result.behind_interval.high
    text += f"; {result.behind:.4f} behind ({low:.4f} to {high:.4f})"
    return f"{text}; {result.note}" if result.note else text
