"""The registry's door against a real MLflow server."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from housing_core import bundle
from housing_core.registry import (
    KEY_TAG,
    NotInRegistryError,
    Registry,
    RegistryError,
    RegistryUnavailableError,
)
from housing_core.registry_types import Run
from tests.bundles import register_bundle, register_tiny_bundle, tiny_bundle
from tests.mlflow_server import MlflowServer, free_port, stock_client

PATIENCE_SECONDS = 20
"""Longest that a program waits for an MLflow that is away, by the retries of `registry`."""


@pytest.fixture(scope="module")
def registry(mlflow_server: MlflowServer) -> Registry:
    return Registry(mlflow_server.url)


@pytest.fixture
def model() -> str:
    return f"tests-{uuid4().hex[:8]}.istanbul"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("bundle") / "bundle")


def test_a_model_that_nobody_registered_has_neither_versions_nor_aliases(
    registry: Registry, model: str
) -> None:
    assert registry.versions(model) == []
    assert registry.aliases(model) == {}
    assert registry.version_of_key(model, "k") is None
    with pytest.raises(NotInRegistryError, match=f"version 1 of {model} is not in MLflow"):
        registry.version(model, "1")


def test_versions_come_oldest_first_with_their_keys(
    registry: Registry, model: str, folder: Path
) -> None:
    for position in range(11):
        register_bundle(registry, model, folder, key=f"k{min(position, 9)}")
    found = registry.versions(model)
    assert [version.number for version in found] == [str(n) for n in range(1, 12)]
    assert found[0].key == "k0"
    assert found[0].run_id
    assert registry.version(model, "11") == found[10]
    lower = registry.version_of_key(model, "k9")
    assert lower is not None
    assert lower.number == "10"


def test_aliases_are_set_moved_and_removed(registry: Registry, model: str, folder: Path) -> None:
    for _ in range(2):
        register_bundle(registry, model, folder)
    registry.set_alias(model, "staging", "2")
    registry.set_alias(model, "production", "1")
    assert registry.aliases(model) == {"staging": "2", "production": "1"}
    registry.set_alias(model, "production", "2")
    registry.delete_alias(model, "staging")
    registry.delete_alias(model, "staging")
    assert registry.aliases(model) == {"production": "2"}


def test_an_alias_of_a_version_that_is_not_there_is_refused(
    registry: Registry, model: str, folder: Path
) -> None:
    register_bundle(registry, model, folder)
    with pytest.raises(NotInRegistryError):
        registry.set_alias(model, "production", "9")
    assert registry.aliases(model) == {}


def test_a_rejection_can_be_taken_back(registry: Registry, model: str, folder: Path) -> None:
    number = register_bundle(registry, model, folder)
    registry.reject(model, number, "macro F1 0.41 < 0.5" + "." * 1_000)
    rejected = registry.version(model, number).rejected
    assert rejected is not None
    assert rejected.startswith("macro F1 0.41 < 0.5")
    registry.accept(model, number)
    assert registry.version(model, number).rejected is None


def test_models_of_one_name_in_two_namespaces_do_not_meet(registry: Registry, folder: Path) -> None:
    one, other = (f"{space}-{uuid4().hex[:8]}.istanbul" for space in ("one", "other"))
    register_bundle(registry, one, folder, key="k")
    register_bundle(registry, other, folder, key="k")
    register_bundle(registry, other, folder)
    registry.set_alias(one, "production", "1")
    assert (len(registry.versions(one)), len(registry.versions(other))) == (1, 2)
    assert registry.aliases(other) == {}
    assert registry.experiment(one) != registry.experiment(other)
    runs = [registry.run_of_key(model, "k") for model in (one, other)]
    assert len({run.run_id for run in runs if run is not None}) == 2


def test_a_bundle_is_downloaded_whole_and_replaces_what_was_there(
    registry: Registry, model: str, folder: Path, tmp_path: Path
) -> None:
    number = register_bundle(registry, model, folder)
    destination = tmp_path / "cache" / "1"
    destination.mkdir(parents=True)
    (destination / "stale").touch()
    registry.download_bundle(model, number, destination)
    assert {file.name for file in destination.iterdir()} == {file.name for file in folder.iterdir()}
    assert [path.name for path in destination.parent.iterdir()] == ["1"]
    assert bundle.read_reference(destination) == bundle.read_reference(folder)


def test_one_file_of_a_bundle_is_fetched_without_the_rest(
    registry: Registry, model: str, folder: Path
) -> None:
    number = register_bundle(registry, model, folder)
    content = registry.download_bundle_file(model, number, bundle.REFERENCE_FILE)
    assert content == (folder / bundle.REFERENCE_FILE).read_bytes()


def test_what_is_not_in_a_bundle_is_not_there(
    registry: Registry, model: str, folder: Path, tmp_path: Path
) -> None:
    number = register_bundle(registry, model, folder)
    with pytest.raises(NotInRegistryError):
        registry.download_bundle_file(model, number, "nothing.json")
    with pytest.raises(NotInRegistryError):
        registry.download_bundle_file(model, "9", bundle.REFERENCE_FILE)
    with pytest.raises(NotInRegistryError):
        registry.download_bundle(f"{model}-2", "1", tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_a_version_without_a_bundle_has_none(
    registry: Registry, model: str, tmp_path: Path
) -> None:
    empty = tmp_path / "model"
    empty.mkdir()
    (empty / "README.md").write_text("made by hand")
    run = registry.create_run(model, {})
    registry.upload_folder(run, empty, "model")
    registry.register(model, run, "model")
    with pytest.raises(NotInRegistryError):
        registry.download_bundle_file(model, "1", bundle.REFERENCE_FILE)
    with pytest.raises(NotInRegistryError):
        registry.download_bundle(model, "1", tmp_path / "bundle")


def test_an_artifact_of_a_run_is_fetched_or_not_there(registry: Registry, model: str) -> None:
    run = registry.create_run(model, {})
    registry.upload(run, "notes/bir şey.txt", "Kadıköy".encode())
    registry.upload(run, "iki.txt", "Şile".encode())
    assert registry.download_run_file(run.run_id, "notes/bir şey.txt").decode() == "Kadıköy"
    assert registry.download_run_file(run.run_id, "iki.txt").decode() == "Şile"
    assert registry.run_files(run) == ["iki.txt", "notes"]
    assert registry.run_files(run, "notes") == ["bir şey.txt"]
    assert registry.run_files(run, "nothing") == []
    with pytest.raises(NotInRegistryError):
        registry.download_run_file(run.run_id, "notes/iki.txt")
    with pytest.raises(NotInRegistryError):
        registry.download_run_file("0" * 32, "iki.txt")


def test_what_a_run_holds_is_what_mlflow_s_own_client_reads(
    mlflow_server: MlflowServer, registry: Registry, model: str
) -> None:
    started = datetime(2026, 11, 25, 10, tzinfo=UTC)
    run = registry.create_run(model, {"city": "Şile"}, name="a-run", started=started)
    params = {f"p{n}": "x" for n in range(201)}
    metrics = {f"m{n}": n / 7 for n in range(301)} | {"nan": math.nan, "inf": -math.inf}
    registry.log(run.run_id, params=params, metrics=metrics, tags={"more": "ç"})
    registry.log_dataset(run.run_id, "s3://bucket/listings", "0123", files=2, rows=30)
    registry.upload(run, "reports/rapor.html", b"<html>")
    registry.end_run(run.run_id, "FAILED")
    found = stock_client(mlflow_server.url).get_run(run.run_id)
    assert (found.info.run_name, found.info.status) == ("a-run", "FAILED")
    assert found.info.start_time == started.timestamp() * 1000
    assert found.info.end_time > found.info.start_time
    assert {"city": "Şile", "more": "ç"}.items() <= found.data.tags.items()
    assert found.data.params == params
    assert math.isnan(found.data.metrics.pop("nan"))
    assert found.data.metrics.pop("inf") < -1e300
    assert found.data.metrics == {f"m{n}": pytest.approx(n / 7) for n in range(301)}
    (dataset,) = found.inputs.dataset_inputs
    assert dataset.dataset.digest == "0123"
    assert json.loads(dataset.dataset.profile) == {"num_rows": 30, "num_files": 2}
    again = registry.run(run.run_id)
    assert (again.status, again.started, again.tags["city"]) == ("FAILED", started, "Şile")
    (sought,) = registry.runs(model, "tags.city = 'Şile'")
    assert sought.run_id == run.run_id
    registry.resume_run(run.run_id)
    assert registry.run(run.run_id).status == "RUNNING"
    nested = registry.nested_run(run, "trial 1", {"trial": "1"})
    registry.log(nested.run_id, metrics={"macro_f1": [(1, 0.5), (2, 0.75)]})
    assert registry.nested_run(run, "trial 1", {}).run_id == nested.run_id
    client = stock_client(mlflow_server.url)
    assert client.get_run(nested.run_id).data.tags["mlflow.parentRunId"] == run.run_id
    history = client.get_metric_history(nested.run_id, "macro_f1")
    assert [(point.step, point.value) for point in history] == [(1, 0.5), (2, 0.75)]


def test_versions_that_mlflow_s_own_client_registered_are_read(
    mlflow_server: MlflowServer, registry: Registry, model: str
) -> None:
    client = stock_client(mlflow_server.url)
    experiment, file = registry.experiment(model), f"{bundle.BUNDLE_PATH}/{bundle.SCHEMA_FILE}"
    run = client.create_run(experiment)
    client.log_text(run.info.run_id, "{}", f"model/{file}")
    logged = client.create_logged_model(experiment)
    registry.upload(
        Run("", "", "", datetime.now(UTC), logged.artifact_location, {}, {}), file, b"[]"
    )
    client.create_registered_model(model)
    client.create_model_version(model, f"runs:/{run.info.run_id}/model", run.info.run_id)
    source = f"models:/{logged.model_id}"
    client.create_model_version(model, source, run.info.run_id, model_id=logged.model_id)
    client.copy_model_version(f"models:/{model}/1", f"{model}-copy")
    assert registry.versions(model)[0].run_id == run.info.run_id
    assert registry.download_bundle_file(model, "1", bundle.SCHEMA_FILE) == b"{}"
    assert registry.download_bundle_file(model, "2", bundle.SCHEMA_FILE) == b"[]"
    assert registry.download_bundle_file(f"{model}-copy", "1", bundle.SCHEMA_FILE) == b"{}"


def test_programs_that_start_together_share_one_experiment(
    mlflow_server: MlflowServer, model: str
) -> None:
    registries = [Registry(mlflow_server.url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda registry: registry.experiment(model), registries))
    assert len(found) == 1


def test_the_oldest_run_of_a_training_is_its_run(registry: Registry, model: str) -> None:
    runs = [registry.create_run(model, {KEY_TAG: "k"}) for _ in range(2)]
    found = registry.run_of_key(model, "k")
    assert found is not None
    assert found.run_id == runs[0].run_id
    assert registry.run_of_key(model, "other") is None


def test_a_look_at_the_runs_of_a_model_makes_no_experiment(registry: Registry, model: str) -> None:
    assert registry.run_of_key(model, "k") is None
    client = stock_client(registry.tracking_uri)
    assert client.get_experiment_by_name(model) is None


def test_what_mlflow_refuses_is_not_taken_for_an_outage(registry: Registry) -> None:
    with pytest.raises(RegistryError) as caught:
        registry.version("no/such:name", "one")
    assert not isinstance(caught.value, RegistryUnavailableError)
    with pytest.raises(RegistryError) as caught:
        registry.experiment("x" * 10_000)
    assert not isinstance(caught.value, RegistryUnavailableError)


def test_an_mlflow_that_is_away_is_told_apart_and_soon(tmp_path: Path) -> None:
    registry = Registry(f"http://127.0.0.1:{free_port()}")
    questions = {
        "versions": lambda: registry.versions("a.b"),
        "download": lambda: registry.download_bundle("a.b", "1", tmp_path / "bundle"),
    }

    def patience(ask: Callable[[], object]) -> float:
        started = time.monotonic()
        with pytest.raises(RegistryUnavailableError, match="did not answer"):
            ask()
        return time.monotonic() - started

    with ThreadPoolExecutor() as both:
        took = dict(zip(questions, both.map(patience, questions.values()), strict=True))
    assert max(took.values()) < PATIENCE_SECONDS, took
    assert list(tmp_path.iterdir()) == []


def test_an_mlflow_that_goes_away_and_comes_back_is_used_again(
    mlflow_server: MlflowServer, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    registry = Registry(mlflow_server.url)
    number = register_tiny_bundle(registry, model)
    with mlflow_server.away(), pytest.raises(RegistryUnavailableError):
        registry.download_bundle_file(model, number, bundle.SCHEMA_FILE)
    assert registry.version(model, number).number == number


def test_a_registry_without_an_address_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(RegistryError, match="MLFLOW_TRACKING_URI is not set"):
        Registry()
