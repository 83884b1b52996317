"""Search for better settings of the model that the recipe chose, by Optuna, in cross-validation.

Trials come in generations of a fixed size: all of a generation are drawn before any of it is
judged, they go fold by fold side by side, and what is clearly worse than former trials is given up.
So what is tried depends neither on how many fits run at once nor on where the search was
interrupted: a kill costs the generation under way. The training part's folds are those of the
choice of the recipe; the holdout is not touched.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import optuna
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from housing_core.api.base import parse_duration
from housing_core.bundle import ModelKind, RecipeResult, SearchResult
from housing_training.data.typed_rows import Codes, Part
from housing_training.evaluation.intervals import difference_interval
from housing_training.models.calibration import fit_calibration
from housing_training.models.candidates import BOOSTING_SETTINGS, Encoded, Fitter
from housing_training.models.forest import Features
from housing_training.selection.folds import make_folds, sample
from housing_training.selection.racing import (
    FOLDS,
    Answers,
    Racer,
    Report,
    calibration_result,
    macro_f1,
    staged_answers,
)
from housing_training.workers.crew import ALONE, Crew

GENERATION = 4
"""Trials that are drawn together, by what is known of all before them."""

SEARCH_TREES = 50
"""Most trees of a forest on trial: more would tell the settings apart no better."""

UNLIMITED_DEPTH = 64
"""A depth that stands for none: on real listings deeper limits change nothing."""

SETTINGS, ITERATIONS = "settings", "iterations"
"""Attributes of a trial in Optuna's study."""

Settings = Mapping[str, float | None]
Distributions = dict[str, FloatDistribution | IntDistribution]

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True)
class Kept:
    """What an earlier attempt left of a search.

    Attributes:
        logs: of Optuna's journal.
        seconds: that it has taken so far.

    """

    logs: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


class Store(Protocol):
    """Where a search survives its process."""

    def load(self) -> Kept:
        """What is there of this search; nothing at first."""

    def save(self, kept: Kept) -> None:
        """Keep a state between two generations."""

    def record(self, trials: Iterable[FrozenTrial]) -> None:
        """Show finished trials to people; those that were shown before may come again."""


class _Journal(BaseJournalBackend):  # type: ignore[misc]  # optuna's types are not followed
    """Optuna's storage as the list of its changes."""

    def __init__(self, logs: list[dict[str, Any]]) -> None:
        self.logs = logs

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        return self.logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self.logs.extend(logs)


@dataclass(frozen=True)
class Fold:
    """One split of the training part, encoded.

    Attributes:
        learned: the rows to learn from.
        held: positions of the rows that are held out.
        features: (held rows, features).

    """

    learned: Encoded
    held: Codes
    features: Features


def answer_fold(fold: Fold, model: tuple[Fitter, ModelKind]) -> Answers:
    """(stages, held rows, classes) of a model that has learned the others."""
    fitter, name = model
    return staged_answers(fitter.fit_encoded(name, fold.learned), fold.features)


def search_space(name: ModelKind, width: int) -> Distributions:
    """What may be tried: setting → its range.

    Args:
        name: the model.
        width: number of features; a forest's splits try a quarter to four times its square root.

    """
    if name == "EncodedBoosting":
        return {
            "learning_rate": FloatDistribution(0.02, 0.2, log=True),
            "max_leaf_nodes": IntDistribution(7, 127, log=True),
            "min_samples_leaf": IntDistribution(5, 100, log=True),
            "l2_regularization": FloatDistribution(0.1, 100.0, log=True),
            "max_features": FloatDistribution(0.1, 1.0),
        }
    root = width**-0.5
    return {
        "max_depth": IntDistribution(4, UNLIMITED_DEPTH, log=True),
        "min_samples_leaf": IntDistribution(1, 20, log=True),
        "max_features": FloatDistribution(root / 4, min(1.0, root * 4), log=True),
    }


def search(
    fitter: Fitter,
    part: Part,
    chosen: RecipeResult,
    store: Store,
    *,
    say: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    crew: Crew = ALONE,
    report: Report = lambda *_: None,
) -> RecipeResult:
    """Try settings of the chosen model, and calibrate the winner.

    Args:
        fitter: of this spec, whose `training.search` says how long.
        part: the training part.
        chosen: what the recipe makes; its own settings are the first trial.
        store: where the trials are kept.
        say: is told how it goes.
        clock: seconds that only rise.
        crew: fits the trials of a generation, side by side where it can.
        report: is told after each fold of a generation how many trials of how many are done, and
            the seconds left.

    """
    return _Search(
        fitter, part, chosen, store, say=say, clock=clock, crew=crew, report=report
    ).run()


class _Search:
    def __init__(
        self,
        fitter: Fitter,
        part: Part,
        chosen: RecipeResult,
        store: Store,
        *,
        say: Callable[[str], None],
        clock: Callable[[], float],
        crew: Crew,
        report: Report,
    ) -> None:
        self.crew, self.report = crew, report
        assert fitter.training.search is not None  # noqa: S101 - the caller has looked
        self.spec, self.seed = fitter.training.search, fitter.training.seed
        forest = fitter.training.forest
        small = forest.model_copy(update={"trees": min(forest.trees, SEARCH_TREES)})
        self.fitter = replace(fitter, training=fitter.training.model_copy(update={"forest": small}))
        self.part = sample(part, self.seed)
        self.chosen, self.name, self.store, self.say = chosen, chosen.model, store, say
        kept = store.load()
        begun = clock() - kept.seconds
        self.seconds: Callable[[], float] = lambda: clock() - begun
        self.journal = _Journal(list(kept.logs))
        self.study = optuna.create_study(
            storage=JournalStorage(self.journal),
            study_name=self.name,
            direction="maximize",
            # Of the same folds, and only of trials that went to the end in former generations.
            pruner=optuna.pruners.MedianPruner(n_startup_trials=GENERATION),
            load_if_exists=True,
        )
        self.splits = make_folds(self.part, FOLDS, self.seed)
        self.folds: dict[int, Fold] = {}
        self.shared: dict[int, Any] = {}
        self.racers: dict[int, Racer] = {}

    @property
    def is_over(self) -> bool:
        return self.seconds() >= parse_duration(self.spec.timeout).total_seconds()

    def run(self) -> RecipeResult:
        before = len(self.study.trials)
        if before:
            self.say(f"search: {before} settings were tried by an earlier attempt")
            self.store.record(self.study.trials)
        self._tell(before)
        while len(self.study.trials) < self.spec.trials and not self.is_over:
            self._generation()
            self.store.save(Kept(self.journal.logs, self.seconds()))
            self.store.record(self.study.trials)
            self.say(self._so_far())
            self._tell(len(self.study.trials))
        result = self._result()
        if result.search is not None:
            self.say(result.search.in_words(result.settings))
        return result

    def _generation(self) -> None:
        first = len(self.study.trials)
        numbers = range(first, min(first + GENERATION, self.spec.trials))
        trials = [self._ask(number) for number in numbers]
        self.racers |= {t.number: self._racer() for t in trials}
        running, pruned = list(trials), []
        for fold in range(len(self.splits)):
            answers = self._answers([trial.user_attrs[SETTINGS] for trial in running], fold)
            for trial in running:
                if self.is_over:
                    break
                self._keep(self.racers[trial.number], next(answers), fold)
                trial.report(self._score(trial.number), fold)
            if self.is_over and fold < len(self.splits) - 1:
                break
            pruned += [
                trial for trial in running if fold < len(self.splits) - 1 and trial.should_prune()
            ]
            running = [trial for trial in running if trial not in pruned]
            self._tell(first)
        for trial in trials:
            racer = self.racers[trial.number]
            trial.set_user_attr(ITERATIONS, racer.iterations)
            if trial in pruned:
                self.study.tell(trial, state=TrialState.PRUNED)
            elif self._is_whole(racer):
                self.study.tell(trial, self._score(trial.number))
            else:
                self.study.tell(trial, state=TrialState.FAIL)
        best = self._best()
        kept = {0, best.number} if best is not None else {0}
        self.racers = {number: racer for number, racer in self.racers.items() if number in kept}

    def _tell(self, done: int) -> None:
        """Say how far it is; how long trials take is told by those of all attempts."""
        seconds = self.seconds()
        left = parse_duration(self.spec.timeout).total_seconds() - seconds
        if done:
            left = min(left, seconds / done * (self.spec.trials - done))
        self.report(done, self.spec.trials, max(0.0, left))

    def _ask(self, number: int) -> Trial:
        """Draw the settings of a trial; what is drawn depends on its number and what was told."""
        # Another seed for each, since what a generator has drawn does not survive a kill.
        self.study.sampler = optuna.samplers.TPESampler(
            seed=(self.seed + number) % 2**32,
            n_startup_trials=2 * GENERATION,
            multivariate=True,
            constant_liar=True,
        )
        space = search_space(self.name, self._fold(0).learned.width)
        if number == 0:
            self.study.enqueue_trial(self._own(space))
        trial = self.study.ask(space)
        settings: dict[str, Any] = dict(trial.params)
        if settings.get("max_depth") == UNLIMITED_DEPTH:
            settings["max_depth"] = None
        # The first has the model's own, which may lie outside of the ranges.
        trial.set_user_attr(SETTINGS, settings if number else {})
        return trial

    def _own(self, space: Distributions) -> dict[str, float]:
        """The model's own settings, or what is nearest to them in the ranges."""
        if self.name == "EncodedBoosting":
            own = {name: BOOSTING_SETTINGS[name] for name in space}
        else:
            forest = self.fitter.training.forest
            width = self._fold(0).learned.width
            own = {
                "max_depth": forest.max_depth or UNLIMITED_DEPTH,
                "min_samples_leaf": forest.min_samples_leaf,
                "max_features": forest.max_features or width**-0.5,
            }
        return {
            name: min(max(value, space[name].low), space[name].high) for name, value in own.items()
        }

    def _racer(self) -> Racer:
        return Racer.of(self.name, len(self.part.labels), self.fitter.classes)

    def _answers(self, settings: Sequence[Settings], number: int) -> Iterator[Answers]:
        """What models with each of the settings answer on a fold."""
        if number not in self.shared:
            self.shared[number] = self.crew.share(self._fold(number))
        models = [(self.fitter.with_settings(self.name, each), self.name) for each in settings]
        return self.crew.map(answer_fold, self.shared[number], models, fills_a_worker=True)

    def _keep(self, racer: Racer, answers: Answers, number: int) -> None:
        racer.keep(answers, self.part, self._fold(number).held)

    def _fold(self, number: int) -> Fold:
        if number not in self.folds:
            learned, held = self.splits[number]
            encoded = self.fitter.encode(self.name, self.part.take(learned))
            features = encoded.encoder.transform(self.part.typed.take(held))
            self.folds[number] = Fold(encoded, held, features)
        return self.folds[number]

    def _score(self, number: int) -> float:
        return macro_f1(self.racers[number], self.part, self.fitter.classes)

    def _is_whole(self, racer: Racer) -> bool:
        return all(racer.judged[held].all() for _, held in self.splits)

    def _trials(self, state: TrialState) -> list[FrozenTrial]:
        return [trial for trial in self.study.trials if trial.state == state]

    def _best(self) -> FrozenTrial | None:
        complete = self._trials(TrialState.COMPLETE)
        return max(complete, key=lambda trial: (trial.value, -trial.number), default=None)

    def _so_far(self) -> str:
        best = self._best()
        text = f"search: {len(self.study.trials)} of {self.spec.trials} settings"
        return text if best is None else f"{text}, macro F1 up to {best.value:.4f}"

    def _result(self) -> RecipeResult:
        best, complete = self._best(), self._trials(TrialState.COMPLETE)
        judged = len(complete) + len(self._trials(TrialState.PRUNED))
        found = SearchResult(
            trials=len(complete),
            pruned=judged - len(complete),
            seconds=round(self.seconds(), 1),
            note="" if judged >= self.spec.trials else "ended by search.timeout",
        )
        if best is None or best.number == 0:
            score = best.value if best is not None else None
            found = found.model_copy(update={"own_macro_f1": score, "macro_f1": score})
            return self.chosen.model_copy(update={"search": found})
        winner, own = self._judged(best), self._judged(self.study.trials[0])
        truth, rows = self.part.labels, winner.judged & own.judged
        ahead, interval = difference_interval(
            truth[rows], winner.labels[rows], own.labels[rows], self.fitter.classes, self.seed
        )
        calibration = fit_calibration(
            winner.answers[winner.judged], truth[winner.judged], self.seed
        )
        return self.chosen.model_copy(
            update={
                "iterations": winner.iterations,
                "settings": best.user_attrs[SETTINGS],
                "calibration": calibration_result(calibration),
                "search": found.model_copy(
                    update={
                        "own_macro_f1": macro_f1(own, self.part, self.fitter.classes),
                        "macro_f1": best.value,
                        "ahead": ahead,
                        "ahead_interval": interval,
                    }
                ),
            }
        )

    def _judged(self, trial: FrozenTrial) -> Racer:
        """The trial's answers, made again when they are those of an earlier attempt."""
        racer = self.racers.get(trial.number)
        if racer is None:
            racer = self._racer()
            for number in range(len(self.splits)):
                (answers,) = self._answers([trial.user_attrs[SETTINGS]], number)
                self._keep(racer, answers, number)
        return racer
