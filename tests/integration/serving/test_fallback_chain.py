"""Down the fallback chain and up again, as the operator and a client see it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from housing_core.registry import Registry
from tests.bundles import ROWS, register_tiny_bundle
from tests.integration.serving.conftest import MakeTask, StartServing, artifacts_of
from tests.integration.serving.serving_process import ServingProcess
from tests.mlflow_server import MlflowServer, stock_client


def test_the_server_listens_without_mlflow_and_climbs_when_it_comes(
    mlflow_server: MlflowServer, registry: Registry, make_task: MakeTask, start: StartServing
) -> None:
    task = make_task("1")
    register_tiny_bundle(registry, task.model_name)
    with mlflow_server.away():
        serving = start(task)
        serving.wait_until(lambda: "MLflow" in serving.health().message, 30)
        health = serving.health()
        assert (health.status, health.version, health.serving_from) == ("unavailable", None, "None")
        assert serving.client.get("/health/live").status_code == 200
        assert serving.ready().status_code == 503
        refused = serving.predict(ROWS[0])
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "5"
        assert refused.json()["type"] == "urn:housing-operator:problem:no-model"
        assert serving.metric("housing_fallback_level") == 3
    serving.wait_for("1", "Production")
    assert serving.ready().status_code == 200
    assert serving.predict(ROWS[0]).json()["predictions"][0]["class"] == "High"
    assert serving.metric("housing_fallback_level") == 0
    assert serving.stop() == 0


def test_production_breaks_staging_answers_then_a_local_copy_then_production_again(
    mlflow_server: MlflowServer, registry: Registry, make_task: MakeTask, start: StartServing
) -> None:
    task = make_task("1")
    model = task.model_name
    policy = Path(task.policy_file)
    register_tiny_bundle(registry, model, 0.6)
    register_tiny_bundle(registry, model, 0.7)
    registry.set_alias(model, "staging", "2")
    artifacts = artifacts_of(mlflow_server, registry, model, "1")
    broken = artifacts.rename(artifacts.with_name("away"))

    serving = start(task)
    health = serving.wait_for("2", "Staging")
    assert health.status == "degraded"
    assert health.message.startswith("version 1: ")
    assert serving.metric("housing_fallback_level") == 1
    assert serving.metric('housing_model_info{serving_from="Staging",version="2"}') == 1
    answer = serving.predict(ROWS[0]).json()
    assert (answer["servingFrom"], answer["modelVersion"]) == ("Staging", "2")
    unready = serving.ready()
    assert unready.status_code == 503
    assert unready.json()["reason"] == (
        "version 2 answers, but the rollout of version 1 has not finished"
    )
    policy.write_text('{"confirmed_version": "1"}')
    assert serving.ready().status_code == 200
    policy.write_text("broken")
    assert serving.ready().status_code == 503
    assert serving.stop() == 0

    policy.write_text('{"confirmed_version": "1"}')
    with mlflow_server.away():
        serving = start(task)
        health = serving.wait_for("2", "LocalCopy")
        assert health.status == "degraded"
        assert "MLflow did not answer" in health.message
        assert serving.metric("housing_fallback_level") == 2
        assert serving.ready().status_code == 200
        assert serving.predict(ROWS[0]).json()["servingFrom"] == "LocalCopy"

    with _load(serving) as answers:
        serving.wait_for("2", "Staging")
        broken.rename(artifacts)
        serving.wait_for("1", "Production")
        serving.wait_until(lambda: answers[-1] == (200, "1"), 10)
    assert {status for status, _ in answers} == {200}
    switch = answers.index((200, "1"))
    versions = [version for _, version in answers]
    assert (set(versions[:switch]), set(versions[switch:])) == ({"2"}, {"1"})
    assert serving.stop() == 0


def test_a_model_in_the_image_answers_until_mlflow_comes_back(
    mlflow_server: MlflowServer, registry: Registry, make_task: MakeTask, start: StartServing
) -> None:
    task = make_task("2")
    task = task.model_copy(update={"baked_models": str(Path(task.model_cache).with_name("baked"))})
    register_tiny_bundle(registry, task.model_name, 0.6)
    register_tiny_bundle(registry, task.model_name, 0.7)
    stock_client(registry.tracking_uri).download_artifacts(
        registry.version(task.model_name, "1").run_id,
        "model",
        str(_made(Path(task.baked_models) / task.model_name)),
    )
    (Path(task.baked_models) / task.model_name / "model").rename(
        Path(task.baked_models) / task.model_name / "1"
    )
    with ExitStack() as load:
        with mlflow_server.away():
            serving = start(task)
            health = serving.wait_for("1", "LocalCopy")
            assert health.status == "degraded"
            assert "MLflow did not answer" in health.message
            assert serving.metric("housing_fallback_level") == 2
            answers = load.enter_context(_load(serving))
            serving.wait_until(lambda: answers[-1:] == [(200, "1")], 10)
        serving.wait_for("2", "Production", 120)
        serving.wait_until(lambda: answers[-1] == (200, "2"), 10)
    assert set(answers) == {(200, "1"), (200, "2")}
    assert serving.stop() == 0


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


@contextmanager
def _load(serving: ServingProcess) -> Iterator[list[tuple[int, str]]]:
    """Ask all the time, and note status and version of each answer."""
    stop = threading.Event()
    answers: list[tuple[int, str]] = []

    def ask() -> None:
        with httpx.Client(base_url=serving.url, timeout=30) as client:
            while not stop.is_set():
                answer = client.post("/predict", json=ROWS[0])
                answers.append((answer.status_code, answer.json().get("modelVersion")))

    load = threading.Thread(target=ask)
    load.start()
    try:
        yield answers
    finally:
        stop.set()
        load.join()


def test_a_restarted_pod_answers_from_its_copy_while_mlflow_is_away(
    mlflow_server: MlflowServer, registry: Registry, make_task: MakeTask, start: StartServing
) -> None:
    task = make_task("1")
    register_tiny_bundle(registry, task.model_name)
    first = start(task)
    first.wait_for("1", "Production")
    assert first.stop() == 0
    with mlflow_server.away():
        second = start(task)
        assert second.wait_for("1", "Production").status == "ok"
        assert second.ready().status_code == 200
        shutil.rmtree(task.model_cache)
        assert second.predict(ROWS).status_code == 200
        assert second.stop() == 0
