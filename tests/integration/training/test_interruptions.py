"""A training that is killed, or loses MLflow, ends as if nothing had happened."""

import time
from pathlib import Path

import pytest

from housing_core.api.status import TrainingProgress
from housing_core.bundle import GRAPH_FILE, read_summary
from housing_core.registry import PROGRESS_TAG, Registry
from tests.integration.training.conftest import MODEL, bundle_of
from tests.integration.training.mlflow_proxy import mlflow_proxy
from tests.integration.training.program import Ended, Program, task
from tests.mlflow_server import MlflowServer, stock_client


def graph_of(registry: Registry, version: str | None, folder: Path) -> bytes:
    return (bundle_of(registry, version or "", folder) / GRAPH_FILE).read_bytes()


def test_a_killed_training_resumes_and_makes_the_same_forest(
    first: Ended, istanbul: Path, mlflow_server: MlflowServer, registry: Registry, tmp_path: Path
) -> None:
    given = task(istanbul, name="istanbul", key="killed")
    killed = Program(given, mlflow_server.url, tmp_path / "1")
    killed.wait_for("8 of 20 trees")
    killed.kill()
    assert killed.end().outcome is None
    run = registry.run_of_key(MODEL, "killed")
    assert run is not None
    assert TrainingProgress.model_validate_json(run.tags[PROGRESS_TAG]).stage == "grow"

    resumed = Program({**given, "attempt": 2}, mlflow_server.url, tmp_path / "2").end()
    assert resumed.code == 0, resumed.output
    assert resumed.outcome is not None
    trees = next(
        int(message.split()[3]) for message in resumed.messages if message.startswith("resumed")
    )
    assert trees >= 8  # a third checkpoint may have come before the kill
    assert f"resumed from tree {trees}" in resumed.outcome.message
    run_id = resumed.outcome.run_id or ""
    assert stock_client(registry.tracking_uri).get_run(run_id).data.tags[
        "resumed_from_trees"
    ] == str(trees)
    assert first.outcome is not None
    summary = read_summary(bundle_of(registry, resumed.outcome.version or "", tmp_path))
    assert summary.resumed_from_trees == trees
    assert graph_of(registry, resumed.outcome.version, tmp_path) == graph_of(
        registry, first.outcome.version, tmp_path
    )


@pytest.mark.timeout(1800)  # seven programs, one after the other
@pytest.mark.slow
def test_attempts_that_are_killed_in_every_stage_make_the_same_forest(
    first: Ended, istanbul: Path, mlflow_server: MlflowServer, registry: Registry, tmp_path: Path
) -> None:
    given = task(istanbul, name="istanbul", key="stages")
    moments = ("read begins", "encode begins", "select begins", "12 of 20 trees")
    for attempt, moment in enumerate((*moments, "evaluate begins", "register begins"), start=1):
        killed = Program({**given, "attempt": attempt}, mlflow_server.url, tmp_path / str(attempt))
        killed.wait_for(moment, seconds=300)
        killed.kill()
        ended = killed.end()
        assert ended.outcome is None
        if moment == "12 of 20 trees":
            # As if it had been killed between the trees and the marker that says they are whole.
            run = registry.run_of_key(MODEL, "stages")
            assert run is not None
            for marker in mlflow_server.folder.rglob(f"{run.run_id}/artifacts/checkpoints/*.json"):
                if int(marker.stem.partition("-")[2]) > 8:
                    marker.unlink()
        if moment == "evaluate begins":
            assert "an earlier attempt has chosen HashedForest" in ended.messages
            assert "resumed from tree 8 of 20" in ended.messages
    last = Program({**given, "attempt": 7}, mlflow_server.url, tmp_path / "7").end()
    assert last.code == 0, last.output
    assert "resumed from tree 20 of 20" in last.messages
    assert last.outcome is not None
    assert first.outcome is not None
    assert [v.key for v in registry.versions(MODEL)].count("stages") == 1
    assert graph_of(registry, last.outcome.version, tmp_path) == graph_of(
        registry, first.outcome.version, tmp_path
    )


def test_a_training_that_is_killed_while_its_candidates_race_is_made_by_the_next_attempt(
    istanbul: Path, mlflow_server: MlflowServer, registry: Registry, tmp_path: Path
) -> None:
    model = "training-test.race"
    training = {"recipe": "auto", "auto": {"timeBudget": "5s"}}
    given = task(istanbul, name="race", key="race", training=training)
    killed = Program(given, mlflow_server.url, tmp_path / "1")
    killed.wait_for("of 15 fits")
    killed.kill()
    assert killed.end().outcome is None
    run = registry.run_of_key(model, "race")
    assert run is not None
    assert TrainingProgress.model_validate_json(run.tags[PROGRESS_TAG]).stage == "select"
    assert list(mlflow_server.folder.rglob(f"{run.run_id}/artifacts/recipe.json")) == []

    again = Program({**given, "attempt": 2}, mlflow_server.url, tmp_path / "2").end()
    assert again.code == 0, again.output
    assert not any(m.startswith("an earlier attempt has chosen") for m in again.messages)
    assert again.outcome is not None
    assert (again.outcome.outcome, again.outcome.run_id) == ("Registered", run.run_id)
    assert [version.key for version in registry.versions(model)] == ["race"]


def test_what_an_attempt_left_damaged_is_named_and_made_again(
    first: Ended, istanbul: Path, mlflow_server: MlflowServer, registry: Registry, tmp_path: Path
) -> None:
    given = task(istanbul, name="istanbul", key="damaged")
    killed = Program(given, mlflow_server.url, tmp_path / "1")
    killed.wait_for("12 of 20 trees")
    killed.kill()
    run = registry.run_of_key(MODEL, "damaged")
    assert run is not None
    (kept,) = mlflow_server.folder.rglob(
        f"{run.run_id}/artifacts/checkpoints/trees-000008.arrow.zst"
    )
    kept.write_bytes(kept.read_bytes()[:1000])
    registry.upload(run, "recipe.json", b"{")

    resumed = Program({**given, "attempt": 2}, mlflow_server.url, tmp_path / "2").end()
    assert resumed.code == 0, resumed.output
    assert "recipe.json of an earlier attempt is ignored: not readable" in resumed.messages
    assert "checkpoint trees-000008.json is ignored: its trees are damaged" in resumed.messages
    assert "resumed from tree 4 of 20" in resumed.messages
    assert resumed.outcome is not None
    assert first.outcome is not None
    assert graph_of(registry, resumed.outcome.version, tmp_path) == graph_of(
        registry, first.outcome.version, tmp_path
    )


@pytest.mark.parametrize("what", ["data", "spec"])
def test_a_training_that_changed_meanwhile_starts_over_and_says_so(
    istanbul: Path, mlflow_server: MlflowServer, tmp_path: Path, what: str
) -> None:
    data = tmp_path / "listings.csv"
    lines = istanbul.read_text("utf-8").splitlines(keepends=True)
    data.write_text("".join(lines[:1200]), "utf-8")
    given = task(data, name="changed", key=what)
    killed = Program(given, mlflow_server.url, tmp_path / "1")
    killed.wait_for("4 of 20 trees")
    killed.kill()
    if what == "data":
        data.write_text("".join(lines[:1300]), "utf-8")
    else:
        given["training"]["forest"] = {"trees": 20, "maxDepth": 9}
    again = Program({**given, "attempt": 2}, mlflow_server.url, tmp_path / "2").end()
    assert again.code == 0, again.output
    assert any("belongs to another forest" in message for message in again.messages)
    assert not any(message.startswith("resumed") for message in again.messages)


@pytest.mark.parametrize(
    ("asked", "added", "files", "resumed"),
    [
        pytest.param({}, True, 1, True, id="a retry keeps to the files"),
        pytest.param({"trigger": "Request", "token": "now"}, True, 2, False, id="a request"),
        pytest.param(
            {"trigger": "Request", "token": "now"}, False, 1, True, id="of the same files"
        ),
    ],
)
def test_a_person_who_lets_a_training_go_on_has_its_files_listed_anew(
    istanbul: Path,
    mlflow_server: MlflowServer,
    tmp_path: Path,
    *,
    asked: dict[str, str],
    added: bool,
    files: int,
    resumed: bool,
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    header, *lines = istanbul.read_text("utf-8").splitlines(keepends=True)
    (data / "a.csv").write_text("".join([header, *lines[:1200]]), "utf-8")
    given = task(data, name="asked", key=f"{added}-{'-'.join(asked.values())}")
    killed = Program(given, mlflow_server.url, tmp_path / "1")
    killed.wait_for("8 of 20 trees")
    killed.kill()
    if added:
        (data / "b.csv").write_text("".join([header, *lines[1200:1300]]), "utf-8")
    again = Program({**given, **asked, "attempt": 2}, mlflow_server.url, tmp_path / "2").end()
    assert again.code == 0, again.output
    assert any(f"rows read from {files} files" in message for message in again.messages)
    assert any(message.startswith("resumed") for message in again.messages) is resumed


def test_mlflow_may_be_away_when_training_ends(
    istanbul: Path, mlflow_server: MlflowServer, registry: Registry, tmp_path: Path
) -> None:
    program = Program(task(istanbul, name="away", key="away"), mlflow_server.url, tmp_path / "1")
    program.wait_for("20 of 20 trees")
    with mlflow_server.away():
        program.wait_for("MLflow does not answer; trying again")
        time.sleep(2)
    ended = program.end()
    assert ended.code == 0, ended.output
    assert ended.outcome is not None
    assert [v.number for v in registry.versions("training-test.away")] == [ended.outcome.version]


def test_mlflow_may_be_away_when_training_begins(
    izmir: Path, mlflow_server: MlflowServer, tmp_path: Path
) -> None:
    with mlflow_server.away():
        program = Program(task(izmir, name="early", key="early"), mlflow_server.url, tmp_path / "1")
        program.wait_for("MLflow does not answer; trying again")
    ended = program.end()
    assert ended.code == 0, ended.output


def test_mlflow_may_answer_500_for_a_while(
    istanbul: Path, mlflow_server: MlflowServer, registry: Registry, tmp_path: Path
) -> None:
    with mlflow_proxy(mlflow_server.port) as proxy:
        program = Program(task(istanbul, name="broken", key="broken"), proxy.url, tmp_path / "1")
        program.wait_for("4 of 20 trees")
        proxy.broken = True
        program.wait_for("MLflow does not answer; trying again")
        while proxy.failures < 8:  # by then the program waits for seconds between two calls
            time.sleep(0.1)
        proxy.broken = False
        ended = program.end()
    assert ended.code == 0, ended.output
    waits = [line for line in ended.lines if "waited_seconds" in line]
    assert all("500" in line["error"] for line in waits)
    assert waits[-1]["waited_seconds"] > 5
    assert ended.outcome is not None
    assert [v.number for v in registry.versions("training-test.broken")] == [ended.outcome.version]
