"""A training that is killed, or loses MLflow, ends as if nothing had happened."""

import time
from pathlib import Path

from housing_core.api.status import TrainingProgress
from housing_core.bundle import GRAPH_FILE, read_summary
from housing_core.registry import PROGRESS_TAG, Registry
from tests.integration.training.program import Ended, Program, task
from tests.mlflow_server import MlflowServer, stock_client

MODEL = "training-test.istanbul"


def graph_of(registry: Registry, version: str | None, folder: Path) -> bytes:
    bundle = registry.download_bundle(MODEL, version or "", folder / f"bundle-{version}")
    return (bundle / GRAPH_FILE).read_bytes()


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
    bundle = registry.download_bundle(MODEL, resumed.outcome.version or "", tmp_path / "bundle")
    assert read_summary(bundle).resumed_from_trees == trees
    assert graph_of(registry, resumed.outcome.version, tmp_path) == graph_of(
        registry, first.outcome.version, tmp_path
    )


def test_a_training_whose_data_changed_meanwhile_starts_over_and_says_so(
    istanbul: Path, mlflow_server: MlflowServer, tmp_path: Path
) -> None:
    data = tmp_path / "listings.csv"
    lines = istanbul.read_text("utf-8").splitlines(keepends=True)
    data.write_text("".join(lines[:1200]), "utf-8")
    given = task(data, name="changed", key="changed")
    killed = Program(given, mlflow_server.url, tmp_path / "1")
    killed.wait_for("4 of 20 trees")
    killed.kill()
    data.write_text("".join(lines[:1300]), "utf-8")
    again = Program({**given, "attempt": 2}, mlflow_server.url, tmp_path / "2").end()
    assert again.code == 0, again.output
    assert any("belongs to another forest" in message for message in again.messages)
    assert not any(message.startswith("resumed") for message in again.messages)


def test_mlflow_may_be_away_when_training_ends(
    istanbul: Path, mlflow_server: MlflowServer, registry: Registry, tmp_path: Path
) -> None:
    program = Program(task(istanbul, name="away", key="away"), mlflow_server.url, tmp_path / "1")
    try:
        program.wait_for("20 of 20 trees")
        mlflow_server.stop()
        program.wait_for("MLflow does not answer; trying again")
        time.sleep(2)
    finally:
        mlflow_server.start()
    ended = program.end()
    assert ended.code == 0, ended.output
    assert ended.outcome is not None
    assert [v.number for v in registry.versions("training-test.away")] == [ended.outcome.version]


def test_mlflow_may_be_away_when_training_begins(
    izmir: Path, mlflow_server: MlflowServer, tmp_path: Path
) -> None:
    mlflow_server.stop()
    try:
        program = Program(task(izmir, name="early", key="early"), mlflow_server.url, tmp_path / "1")
        program.wait_for("MLflow does not answer; trying again")
    finally:
        mlflow_server.start()
    ended = program.end()
    assert ended.code == 0, ended.output
