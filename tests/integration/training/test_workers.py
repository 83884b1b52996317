"""A training on several processes: its model is that of one, whoever is killed in the middle."""

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from housing_core.api.spec import Forest, Training
from housing_core.bundle import GRAPH_FILE, RecipeResult
from housing_core.registry import Registry
from housing_training.job import FILES_ARTIFACT
from housing_training.models.forest import grow_forest
from housing_training.selection.search import search
from housing_training.worker import NO_TRAINING_EXIT_CODE, TERMINATED_EXIT_CODE
from housing_training.workers.crew import ALONE, Crew
from housing_training.workers.dask_crew import DaskCrew
from tests.integration.training.conftest import Train
from tests.integration.training.mlflow_proxy import mlflow_proxy
from tests.integration.training.program import Program, task
from tests.mlflow_server import MlflowServer
from tests.training_workers import NoStore, new_crewing, workers
from tests.unit.training.prepared import few_iterations, prepared_listings

SETTINGS = {"forest": {"trees": 100}, "checkpoint": {"everyTrees": 10}}


def rows() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    chance = np.random.default_rng(0)
    features = chance.random((2000, 12)).astype(np.float32)
    return features, (features.sum(axis=1) > 6).astype(np.int64)


def nodes_of(trees: list[DecisionTreeClassifier]) -> list[bytes]:
    return [tree.tree_.__getstate__()["nodes"].tobytes() for tree in trees]


def grown(crew: Crew, trees: int = 30, resumed: int = 0) -> list[bytes]:
    features, labels = rows()
    settings = Forest(trees=trees)
    whole = grow_forest(features, labels, settings, seed=5)
    first = whole.estimators_[:resumed]
    made = grow_forest(features, labels, settings, seed=5, resumed=first, crew=crew)
    assert np.array_equal(made.predict_proba(features), whole.predict_proba(features))
    assert nodes_of(made.estimators_) == nodes_of(whole.estimators_)
    return nodes_of(made.estimators_)


def until_there(said: list[str], crew: DaskCrew, number: int) -> None:
    """Let the crew look until so many workers have come."""
    deadline = time.monotonic() + 60
    while not any(message.startswith(f"{number} of") for message in said):
        assert time.monotonic() < deadline, said
        grown(crew, trees=1)


def test_a_worker_that_is_killed_in_the_middle_costs_the_training_no_tree(
    *, istanbul: Path, train: Train, mlflow_server: MlflowServer, registry: Registry, tmp_path: Path
) -> None:
    crewing = new_crewing(tmp_path / "tls")
    with (
        mlflow_proxy(mlflow_server.port) as proxy,
        workers(crewing, tmp_path, 2) as (first, second),
    ):
        given = task(
            istanbul,
            name="crew",
            key="crew",
            training={**SETTINGS, "distributed": {"workers": 2}},
            crewing=crewing.model_dump(),
        )
        # The last request before the first tree.
        proxy.waiting_path = FILES_ARTIFACT
        program = Program(given, proxy.url, tmp_path / "crew")
        for worker in (first, second):
            worker.wait_for("working for the training")
        proxy.go_on.set()
        program.wait_for("2 of 2 workers are there")
        first.kill()
        ended = program.end()
        assert ended.code == 0, ended.output
        assert any(message.startswith("1 of 2 workers are there") for message in ended.messages)
        second.wait_for("the training's pod is gone")
    # As without `distributed`; and so does a training that cannot have workers.
    given |= {"key": "alone", "crewing": {"tls_folder": str(tmp_path / "nowhere")}}
    alone = train(given)
    assert alone.code == 0, alone.output
    assert any("the training goes on without workers" in message for message in alone.messages)
    graphs = [
        (registry.download_bundle("training-test.crew", number, tmp_path / number) / GRAPH_FILE)
        for number in ("1", "2")
    ]
    assert graphs[0].read_bytes() == graphs[1].read_bytes()
    assert ended.outcome is not None
    assert ended.outcome.outcome == "Registered"


@pytest.mark.parametrize("resumed", [0, 10, 25, 30])
def test_the_trees_are_those_of_one_process(resumed: int, tmp_path: Path) -> None:
    said: list[str] = []
    with DaskCrew(new_crewing(tmp_path / "tls"), 2, said.append) as crew:
        grown(crew, resumed=resumed)
    assert (
        said == ["none of 2 workers is there: the training goes on in its own pod"][: 30 - resumed]
    )


def test_a_call_that_fails_on_a_worker_is_made_here(tmp_path: Path) -> None:
    said: list[str] = []
    with DaskCrew(new_crewing(tmp_path / "tls"), 1, said.append) as crew:
        assert list(crew.map(square_here, crew.share("no"), range(4))) == [0, 1, 4, 9]
        with pytest.raises(ValueError, match="no: 5"):
            list(crew.map(refuse, crew.share("no"), range(5, 9)))
    assert "a call that failed is made in this pod: ValueError: no: 2" in said


def square_here(shared: str, number: int) -> int:
    """The square; Dask makes its calls in threads of its own, where it fails."""
    if threading.current_thread() is not threading.main_thread():
        refuse(shared, number)
    return number**2


def refuse(shared: str, number: int) -> int:
    raise ValueError(f"{shared}: {number}")


@pytest.mark.parametrize("dask_connects_again", [True, False])
def test_a_connection_that_breaks_costs_the_forest_no_tree(
    dask_connects_again: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    async def in_vain(*_: Any, **__: Any) -> None:
        raise AssertionError  # as Dask does when a result comes before the scheduler's welcome

    def cut_once(message: str) -> None:
        if not said:
            client = crew._client
            if not dask_connects_again:
                monkeypatch.setattr(client, "_ensure_connected", in_vain)
            client.loop.add_callback(client.scheduler_comm.comm.abort)
        said.append(message)

    with DaskCrew(new_crewing(tmp_path / "tls"), 1, cut_once) as crew:
        grown(crew)
        grown(crew)
    assert ["scheduler-connection-lost" in message for message in said] == [False, True]


def test_a_worker_works_for_the_next_pod_of_a_training_and_ends_when_there_is_none(
    tmp_path: Path,
) -> None:
    crewing = new_crewing(tmp_path / "tls")
    with workers(crewing, tmp_path, 1, again=5) as (worker,):
        for pod in (1, 2):
            said: list[str] = []
            with DaskCrew(crewing, 1, said.append) as crew:
                worker.wait_for("working for the training", pod)
                until_there(said, crew, 1)
        assert worker.process.wait(30) == 0


def test_a_worker_that_is_asked_to_end_does_so_at_once(tmp_path: Path) -> None:
    crewing = new_crewing(tmp_path / "tls")
    with (
        DaskCrew(crewing, 1, lambda _: None),
        workers(crewing, tmp_path, 1) as (worker,),
    ):
        worker.wait_for("working for the training")
        worker.process.terminate()
        assert worker.process.wait(5) == TERMINATED_EXIT_CODE


def test_a_worker_that_finds_no_training_ends(tmp_path: Path) -> None:
    with workers(new_crewing(tmp_path / "tls"), tmp_path, 1, first=1) as (worker,):
        assert worker.process.wait(60) == NO_TRAINING_EXIT_CODE


def test_who_has_not_the_trainings_key_is_no_worker(tmp_path: Path) -> None:
    crewing, said = new_crewing(tmp_path / "tls"), list[str]()
    stranger = new_crewing(tmp_path / "other").model_copy(update={"port": crewing.port})
    with (
        DaskCrew(crewing, 1, said.append) as crew,
        workers(stranger, tmp_path, 1, first=3) as (worker,),
    ):
        assert worker.process.wait(60) == NO_TRAINING_EXIT_CODE
        grown(crew)
    assert [message.partition(":")[0] for message in said] == ["none of 1 workers is there"]


# Boosting in this process alone, where it can be told to end soon.
@pytest.mark.parametrize(("model", "number"), [("EncodedForest", 2), ("EncodedBoosting", 0)])
def test_a_search_on_workers_finds_what_it_finds_alone(
    model: Any, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_iterations(monkeypatch)
    prepared = prepared_listings(tmp_path, 400)
    spec = Training.model_validate(
        {"forest": {"trees": 4, "maxDepth": 3}, "search": {"trials": 6, "timeout": "1h"}}
    )

    def found(crew: Crew) -> dict[str, Any]:
        result = search(
            prepared.fitter(spec),
            prepared.training,
            RecipeResult(recipe="auto", model=model, digest="d"),
            NoStore(),
            say=lambda _: None,
            crew=crew,
        ).model_dump()
        del result["search"]["seconds"]
        return result

    crewing, said = new_crewing(tmp_path / "tls"), list[str]()
    with (
        DaskCrew(crewing, number, said.append) as crew,
        workers(crewing, tmp_path, number) as started,
    ):
        for worker in started:
            worker.wait_for("working for the training")
        assert found(crew) == found(ALONE)
    assert said[0].startswith("2 of 2 workers are there" if number else "none of 0")
