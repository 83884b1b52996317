"""Every combination of broken links of the fallback chain, with a real MLflow."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from housing_core.bundle import BUNDLE_PATH
from housing_core.registry import Registry
from housing_core.tasks import ServingTask
from housing_serving.versions.fallback import LONGEST_DOWNLOAD_RETRY_SECONDS
from housing_serving.versions.loader import ModelLoader
from housing_serving.versions.model_cache import MARKER, ModelCache
from housing_serving.versions.policy import PolicyFile
from housing_serving.versions.source import ModelSource
from tests.bundles import register_tiny_bundle, spoil, tiny_bundle
from tests.integration.serving.conftest import MakeTask, artifacts_of
from tests.mlflow_server import MlflowServer, free_port


def _loader(
    task: ServingTask,
    source: ModelSource | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> ModelLoader:
    return ModelLoader(
        task,
        PolicyFile(Path(task.policy_file)),
        ModelCache(Path(task.model_cache), task.model_name),
        source or ModelSource(task.model_name),
        clock=clock,
    )


class _CountingSource(ModelSource):
    """The real source, which notes what it is asked to download."""

    def __init__(self, model_name: str) -> None:
        super().__init__(model_name)
        self.fetched: list[str] = []

    def fetch(self, version: str, destination: Path) -> None:
        self.fetched.append(version)
        super().fetch(version, destination)


def _copy(task: ServingTask, version: str, confidence: float, *, good: bool = True) -> Path:
    folder = tiny_bundle(
        Path(task.model_cache) / task.model_name / version, confidence, wrong=not good
    )
    (folder / MARKER).write_text("{}")
    return folder


@pytest.fixture
def mlflow_down(monkeypatch: pytest.MonkeyPatch) -> None:
    _take_mlflow_away(monkeypatch)


def _take_mlflow_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lead new clients to a port that nothing listens on."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.mark.parametrize("copy", ["good", "broken", "none"])
@pytest.mark.parametrize("staging", ["good", "broken", "rejected", "none"])
@pytest.mark.parametrize("pinned", ["good", "broken", "rejected"])
def test_the_best_link_that_holds_is_served(
    registry: Registry, make_task: MakeTask, pinned: str, staging: str, copy: str
) -> None:
    task = make_task("2")
    model = task.model_name
    assert register_tiny_bundle(registry, model, 0.6) == "1"
    assert register_tiny_bundle(registry, model, 0.7, wrong=pinned == "broken") == "2"
    assert register_tiny_bundle(registry, model, 0.8, wrong=staging == "broken") == "3"
    if staging != "none":
        registry.set_alias(model, "staging", "3")
    for version, state in (("2", pinned), ("3", staging)):
        if state == "rejected":
            registry.reject(model, version, "the online gate failed")
    if copy != "none":
        _copy(task, "1", 0.6, good=copy == "good")
    loader = _loader(task)
    loader.attempt()

    links = [("2", "Production", pinned), ("3", "Staging", staging), ("1", "LocalCopy", copy)]
    held = [(version, level) for version, level, state in links if state == "good"]
    expected_version, expected_level = held[0] if held else (None, "None")
    assert (loader.serving.version, loader.serving.level) == (expected_version, expected_level)
    assert loader.settled is (pinned == "good")
    if pinned == "broken":
        assert "version 2: golden row 0: a probability is off by 0.25" in loader.serving.message
    if pinned == "rejected":
        assert "version 2 is rejected: the online gate failed" in loader.serving.message
    if pinned == "good":
        assert loader.serving.message == ""
        assert ModelCache(Path(task.model_cache), model).versions().count("2") == 1


@pytest.mark.usefixtures("mlflow_down")
@pytest.mark.parametrize(
    ("copies", "version", "level"),
    [
        (["2"], "2", "Production"),
        (["1", "2", "3"], "2", "Production"),
        (["1", "3"], "3", "LocalCopy"),
        (["1"], "1", "LocalCopy"),
        ([], None, "None"),
    ],
)
def test_local_copies_answer_while_mlflow_is_down(
    make_task: MakeTask, copies: list[str], version: str | None, level: str
) -> None:
    task = make_task("2")
    for copy in copies:
        _copy(task, copy, 0.6)
    loader = _loader(task)
    loader.attempt()
    assert (loader.serving.version, loader.serving.level) == (version, level)
    assert not loader.settled
    if level != "Production":
        assert "MLflow did not answer" in loader.serving.message


def test_a_version_that_the_operator_rejects_is_let_go(
    registry: Registry, make_task: MakeTask
) -> None:
    task = make_task("2")
    for confidence in (0.6, 0.7):
        register_tiny_bundle(registry, task.model_name, confidence)
    loader = _loader(task)
    loader.attempt()
    assert loader.serving.version == "2"
    Path(task.policy_file).write_text('{"rejected_versions": ["2"]}')
    loader.attempt()
    assert loader.serving.version is None
    registry.set_alias(task.model_name, "staging", "1")
    loader.attempt()
    assert (loader.serving.version, loader.serving.level) == ("1", "Staging")
    Path(task.policy_file).write_text("{}")
    loader.attempt()
    assert (loader.serving.version, loader.serving.level) == ("2", "Production")


def test_a_broken_copy_of_the_pinned_version_is_mended_from_mlflow(
    registry: Registry, make_task: MakeTask
) -> None:
    task = make_task("1")
    register_tiny_bundle(registry, task.model_name)
    folder = _copy(task, "1", 0.9)
    spoil(folder)
    loader = _loader(task)
    loader.attempt()
    assert loader.settled
    again = _loader(task)
    again.attempt()
    assert again.settled
    assert (folder / "model.onnx").stat().st_size > 100


def test_what_is_in_memory_goes_on_answering_when_everything_else_is_gone(
    registry: Registry, make_task: MakeTask
) -> None:
    task = make_task("2")
    register_tiny_bundle(registry, task.model_name)
    register_tiny_bundle(registry, task.model_name, wrong=True)
    registry.set_alias(task.model_name, "staging", "1")
    loader = _loader(task)
    loader.attempt()
    first = loader.serving
    assert (first.version, first.level) == ("1", "Staging")
    shutil.rmtree(task.model_cache)
    registry.delete_alias(task.model_name, "staging")
    loader.attempt()
    assert (loader.serving.version, loader.serving.level) == ("1", "LocalCopy")
    assert loader.serving.model is first.model


def test_a_cache_that_cannot_be_written_does_not_keep_a_model_from_answering(
    registry: Registry, make_task: MakeTask
) -> None:
    task = make_task("1")
    Path(task.model_cache).write_text("a file where the folder should be")
    register_tiny_bundle(registry, task.model_name)
    loader = _loader(task)
    loader.attempt()
    assert loader.settled


def test_a_version_whose_files_are_gone_is_not_served(
    registry: Registry, make_task: MakeTask, mlflow_server: MlflowServer
) -> None:
    task = make_task("1")
    register_tiny_bundle(registry, task.model_name)
    shutil.rmtree(artifacts_of(mlflow_server, registry, task.model_name, "1"))
    loader = _loader(task)
    loader.attempt()
    assert loader.serving.version is None
    assert loader.serving.message.startswith("version 1: ")


def test_a_bad_bundle_is_downloaded_ever_more_seldom_and_served_once_it_is_mended(
    registry: Registry, make_task: MakeTask, mlflow_server: MlflowServer
) -> None:
    task = make_task("1")
    register_tiny_bundle(registry, task.model_name, wrong=True)
    source = _CountingSource(task.model_name)
    now = 0.0
    loader = _loader(task, source, lambda: now)
    loader.attempt()
    message = loader.serving.message
    assert "golden row 0" in message
    for _ in range(120):  # an hour, tried twice a minute
        now += 30
        loader.attempt()
    assert 8 <= len(source.fetched) <= 25
    assert loader.serving.message == message
    bundle = artifacts_of(mlflow_server, registry, task.model_name, "1") / BUNDLE_PATH
    shutil.rmtree(bundle)
    tiny_bundle(bundle)
    now += LONGEST_DOWNLOAD_RETRY_SECONDS
    loader.attempt()
    assert loader.settled


def test_a_version_that_was_never_registered_is_named(
    registry: Registry, make_task: MakeTask
) -> None:
    task = make_task("7")
    register_tiny_bundle(registry, task.model_name)
    loader = _loader(task)
    loader.attempt()
    assert "version 7" in loader.serving.message
    assert "is not in MLflow" in loader.serving.message
