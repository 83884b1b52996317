"""A search tries settings in generations, and goes on where it was interrupted as if it had not been."""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from optuna.trial import FrozenTrial

from housing_core.api.spec import Training
from housing_core.bundle import ModelKind, RecipeResult
from housing_training.learning import Prepared
from housing_training.models.candidates import BOOSTING_SETTINGS
from housing_training.selection import search as searching
from housing_training.selection.search import FOLDS, GENERATION, Kept, search, search_space
from tests.unit.training.prepared import few_iterations, prepared_listings

NEVER = "24h"


@pytest.fixture(autouse=True)
def _few_iterations(monkeypatch: pytest.MonkeyPatch) -> None:
    few_iterations(monkeypatch)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepared_listings(tmp_path_factory.mktemp("data"), 400)


class Memory:
    """A store that keeps what JSON keeps, and is gone after so many states when it is told."""

    def __init__(self, states: int | None = None) -> None:
        self.text, self.left = "", states
        self.trials: dict[int, FrozenTrial] = {}

    def load(self) -> Kept:
        return Kept(**json.loads(self.text)) if self.text else Kept()

    def save(self, kept: Kept) -> None:
        self.text = json.dumps({"logs": kept.logs, "seconds": kept.seconds})
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise InterruptedError

    def record(self, trials: Iterable[FrozenTrial]) -> None:
        self.trials |= {trial.number: trial for trial in trials}


class Ticking:
    """A clock on which every look takes a while."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.now = seconds, 0.0

    def __call__(self) -> float:
        self.now += self.seconds
        return self.now


def searched(
    prepared: Prepared,
    store: Memory,
    *,
    model: ModelKind = "EncodedForest",
    trials: int = 6,
    timeout: str = NEVER,
    seconds: float = 0.0,
    **training: Any,
) -> RecipeResult:
    spec = Training.model_validate(
        {
            "recipe": "auto",
            "forest": {"trees": 4, "maxDepth": 3},
            "search": {"trials": trials, "timeout": timeout},
            **training,
        }
    )
    return search(
        prepared.fitter(spec),
        prepared.training,
        RecipeResult(recipe="auto", model=model, digest="d"),
        store,
        say=lambda _: None,
        clock=Ticking(seconds),
    )


def without_seconds(result: RecipeResult) -> dict[str, Any]:
    found = result.model_dump()
    del found["search"]["seconds"]
    return found


@pytest.mark.parametrize("model", ["HashedForest", "EncodedForest", "EncodedBoosting"])
def test_the_winner_is_the_best_of_all_and_no_worse_than_the_models_own(
    prepared: Prepared, model: ModelKind
) -> None:
    store = Memory()
    found = searched(prepared, store, model=model)
    assert sorted(store.trials) == list(range(6))
    values = [t.value for t in store.trials.values() if t.state.name == "COMPLETE"]
    assert found.search is not None
    assert found.search.trials == len(values)
    assert found.search.trials + found.search.pruned == 6
    assert found.search.macro_f1 == max(values)
    assert found.search.own_macro_f1 == store.trials[0].value
    assert found.model == model
    assert bool(found.settings) == (found.search.ahead is not None)
    assert found.digest == "d"
    if found.settings:
        assert set(found.settings) == set(search_space(model, 9))
        assert found.search.ahead == pytest.approx(max(values) - store.trials[0].value)
        assert (found.iterations is not None) == (model == "EncodedBoosting")


def test_a_shallow_forest_is_beaten_and_the_words_say_by_what(prepared: Prepared) -> None:
    found = searched(prepared, Memory(), forest={"trees": 8, "maxDepth": 1})
    assert found.search is not None
    assert found.search.ahead is not None
    assert found.search.ahead > 0.05
    assert found.search.ahead_interval is not None
    assert found.search.ahead_interval.low > 0
    words = found.in_words()
    assert "max_depth" in words
    assert "ahead of the model's own" in words


def test_an_interrupted_search_goes_on_as_if_it_had_not_been(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_store = Memory()
    whole = searched(prepared, whole_store)
    store = Memory(1)
    with pytest.raises(InterruptedError):
        searched(prepared, store)
    fits = 0
    answer = searching.answer_fold

    def counted(*arguments: Any) -> Any:
        nonlocal fits
        fits += 1
        return answer(*arguments)

    monkeypatch.setattr(searching, "answer_fold", counted)
    resumed = searched(prepared, store)
    assert without_seconds(resumed) == without_seconds(whole)
    assert {n: t.params for n, t in store.trials.items()} == {
        n: t.params for n, t in whole_store.trials.items()
    }
    # What is left, and at most the winner's and the own answers once more.
    assert fits <= (6 - GENERATION + 2) * FOLDS


def test_a_search_tells_how_many_trials_and_how_long_are_left(prepared: Prepared) -> None:
    told: list[tuple[int, int, float]] = []
    spec = Training.model_validate(
        {"forest": {"trees": 4}, "search": {"trials": 6, "timeout": "1h"}}
    )
    search(
        prepared.fitter(spec),
        prepared.training,
        RecipeResult(recipe="auto", model="EncodedForest", digest="d"),
        Memory(),
        say=lambda _: None,
        clock=Ticking(1.0),
        report=lambda *how_far: told.append(how_far),
    )
    assert told[0] == (0, 6, pytest.approx(3600, abs=5))
    assert [done for done, _, _ in told] == [0] * 6 + [4] * 6 + [6]
    assert {trials for _, trials, _ in told} == {6}
    assert 0 < told[6][2] < 3600 / 2  # by now the trials say how long they take
    assert told[-1][2] == 0


def test_two_seeds_try_other_settings(prepared: Prepared) -> None:
    first, second = Memory(), Memory()
    searched(prepared, first, trials=4, seed=1)
    searched(prepared, second, trials=4, seed=2)
    assert first.trials[0].params == second.trials[0].params
    assert first.trials[1].params != second.trials[1].params


def test_hopeless_settings_are_given_up_after_a_fold(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = searching.answer_fold

    def poor_when_deep(fold: Any, model: tuple[Any, ModelKind]) -> Any:
        answers = answer(fold, model)
        return answers if model[0].training.forest.max_depth == 3 else np.zeros_like(answers)

    monkeypatch.setattr(searching, "answer_fold", poor_when_deep)
    monkeypatch.setattr(
        searching.optuna.pruners,
        "MedianPruner",
        lambda **_: searching.optuna.pruners.ThresholdPruner(lower=0.5),
    )
    store = Memory()
    found = searched(prepared, store)
    assert found.search is not None
    assert (found.search.trials, found.search.pruned) == (1, 5)
    assert found.settings == {}
    assert [len(store.trials[n].intermediate_values) for n in range(6)] == [FOLDS, 1, 1, 1, 1, 1]


def test_without_time_the_models_own_settings_stay(prepared: Prepared) -> None:
    found = searched(prepared, Memory(), timeout="1s", seconds=2.0)
    assert found.settings == {}
    assert found.search is not None
    assert (found.search.trials, found.search.own_macro_f1) == (0, None)
    assert "ended by search.timeout" in found.in_words()


def test_time_of_earlier_attempts_counts(prepared: Prepared) -> None:
    store = Memory(1)
    with pytest.raises(InterruptedError):
        searched(prepared, store, timeout="1h", seconds=1.0)
    store.text = json.dumps({**json.loads(store.text), "seconds": 3600.0})
    found = searched(prepared, store, timeout="1h", seconds=1.0)
    assert found.search is not None
    assert found.search.note == "ended by search.timeout"
    assert found.search.trials == GENERATION


def test_boostings_own_settings_lie_within_what_is_tried() -> None:
    for name, distribution in search_space("EncodedBoosting", 9).items():
        assert distribution.low <= BOOSTING_SETTINGS[name] <= distribution.high
