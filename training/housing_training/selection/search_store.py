"""A search in MLflow: its state in the training's run, and a nested run for each trial."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from optuna.trial import FrozenTrial, TrialState
from pydantic import BaseModel, ConfigDict, ValidationError

from housing_training.selection.search import ITERATIONS, SETTINGS, Kept
from housing_training.tracking import TrainingRun

FOLDER = "search"

_STATUS = {
    TrialState.COMPLETE: "FINISHED",
    TrialState.PRUNED: "KILLED",
    TrialState.FAIL: "KILLED",
}

logger = logging.getLogger(__name__)


class State(BaseModel):
    """What an attempt leaves to the next.

    Attributes:
        number: how many were written before it.
        digest: of what the trials depend on.
        logs: of Optuna's journal.

    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    number: int
    digest: str
    seconds: float
    logs: list[dict[str, Any]]


class SearchStore:
    """Implements `search.Store` for one training's run."""

    def __init__(self, run: TrainingRun, digest: str, say: Callable[[str], None]) -> None:
        """Nothing is sent yet.

        Args:
            run: of the training.
            digest: `selection_digest`; what was left by another search is passed over.
            say: is told of what is passed over.

        """
        self.run, self.digest, self.say = run, digest, say
        self.written = 0
        self.shown: set[int] = set()

    def load(self) -> Kept:
        """The newest state that is whole and of this search."""
        newest: State | None = None
        for name in self.run.names(FOLDER):
            try:
                state = State.model_validate_json(self.run.download(f"{FOLDER}/{name}"))
            except ValidationError:
                self.say(f"{FOLDER}/{name} of an earlier attempt is ignored: not readable")
                continue
            self.written = max(self.written, state.number + 1)
            if state.digest != self.digest:
                self.say(f"{FOLDER}/{name} of an earlier attempt is ignored: of other data")
            elif newest is None or newest.number < state.number:
                newest = state
        return Kept(newest.logs, newest.seconds) if newest is not None else Kept()

    def save(self, kept: Kept) -> None:
        """Write the state over the last but one: one that is whole is always there."""
        state = State(number=self.written, digest=self.digest, seconds=kept.seconds, logs=kept.logs)
        self.run.upload(f"{FOLDER}/state-{self.written % 2}.json", state.model_dump_json().encode())
        self.written += 1

    def record(self, trials: Iterable[FrozenTrial]) -> None:
        """A nested run for each finished trial that has none."""
        for trial in trials:
            if trial.number in self.shown or not trial.state.is_finished():
                continue
            scores = {"macro_f1": list(trial.intermediate_values.items())}
            attributes = trial.user_attrs
            iterations = attributes.get(ITERATIONS)
            self.run.nested(
                f"trial {trial.number}",
                status=_STATUS[trial.state],
                params=trial.params,
                metrics=scores,
                tags={
                    "state": trial.state.name.lower(),
                    "settings": "searched" if attributes.get(SETTINGS) else "the model's own",
                    **({"iterations": str(iterations)} if iterations else {}),
                },
            )
            self.shown.add(trial.number)
