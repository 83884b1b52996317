"""The registry's door against a real MLflow server."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
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
from tests.bundles import register_bundle, register_tiny_bundle, tiny_bundle
from tests.mlflow_server import MlflowServer, free_port

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
    assert registry.run_of_key(one, "k") != registry.run_of_key(other, "k")


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
    client = registry.client
    run = client.create_run(registry.experiment(model))
    client.log_artifacts(run.info.run_id, str(empty), "model")
    client.create_registered_model(model)
    client.create_model_version(model, f"{run.info.artifact_uri}/model", run.info.run_id)
    with pytest.raises(NotInRegistryError):
        registry.download_bundle_file(model, "1", bundle.REFERENCE_FILE)
    with pytest.raises(NotInRegistryError):
        registry.download_bundle(model, "1", tmp_path / "bundle")


def test_an_artifact_of_a_run_is_fetched_or_not_there(registry: Registry, model: str) -> None:
    run = registry.client.create_run(registry.experiment(model)).info.run_id
    registry.client.log_text(run, "Kadıköy", "notes/one.txt")
    registry.client.log_text(run, "Şile", "two.txt")
    assert registry.download_run_file(run, "notes/one.txt").decode() == "Kadıköy"
    assert registry.download_run_file(run, "two.txt").decode() == "Şile"
    with pytest.raises(NotInRegistryError):
        registry.download_run_file(run, "notes/two.txt")
    with pytest.raises(NotInRegistryError):
        registry.download_run_file("0" * 32, "notes/one.txt")


def test_programs_that_start_together_share_one_experiment(
    mlflow_server: MlflowServer, model: str
) -> None:
    registries = [Registry(mlflow_server.url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda registry: registry.experiment(model), registries))
    assert len(found) == 1


def test_the_oldest_run_of_a_training_is_its_run(registry: Registry, model: str) -> None:
    experiment = registry.experiment(model)
    runs = [registry.client.create_run(experiment, tags={KEY_TAG: "k"}) for _ in range(2)]
    assert registry.run_of_key(model, "k") == runs[0].info.run_id
    assert registry.run_of_key(model, "other") is None


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
    for name, ask in questions.items():
        started = time.monotonic()
        with pytest.raises(RegistryUnavailableError, match="did not answer"):
            ask()
        assert time.monotonic() - started < PATIENCE_SECONDS, name
    assert list(tmp_path.iterdir()) == []


def test_an_mlflow_that_goes_away_and_comes_back_is_used_again(
    mlflow_server: MlflowServer,
    registry: Registry,
    model: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    number = register_tiny_bundle(registry, model)
    mlflow_server.stop()
    try:
        with pytest.raises(RegistryUnavailableError):
            registry.download_bundle_file(model, number, bundle.SCHEMA_FILE)
    finally:
        mlflow_server.start()
    assert registry.version(model, number).number == number


def test_a_registry_without_an_address_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(RegistryError, match="MLFLOW_TRACKING_URI is not set"):
        Registry()
