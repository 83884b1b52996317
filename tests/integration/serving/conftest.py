"""Real MLflow, real bundles, real serving processes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from housing_core.registry import Registry
from housing_core.tasks import ServingTask
from tests.integration.serving.serving_process import ServingProcess, serving_task
from tests.mlflow_server import MlflowServer

StartServing = Callable[..., ServingProcess]
MakeTask = Callable[..., ServingTask]

_numbers = itertools.count(1)


@pytest.fixture
def registry(mlflow_server: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server.url)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return Registry(mlflow_server.url)


@pytest.fixture
def make_task(tmp_path: Path) -> MakeTask:
    """Make a task for a model that no other test has."""
    name = f"model-{next(_numbers)}"

    return partial(serving_task, tmp_path, name)


@pytest.fixture
def start(mlflow_server: MlflowServer, tmp_path: Path) -> Iterator[StartServing]:
    """Start serving processes; the ones that still run are ended with the test."""
    started: list[ServingProcess] = []

    def start_one(
        task: ServingTask, tracking_uri: str = mlflow_server.url, **options: Any
    ) -> ServingProcess:
        started.append(ServingProcess(task, tracking_uri, tmp_path, **options))
        return started[-1]

    yield start_one
    for process in started:
        if process.process.poll() is None:
            process.process.kill()
            process.process.wait()


def artifacts_of(server: MlflowServer, registry: Registry, model: str, version: str) -> Path:
    """Folder in which the MLflow server keeps the model of a version."""
    run_id = registry.version(model, version).run_id
    (folder,) = (server.folder / "artifacts").glob(f"*/{run_id}/artifacts/model")
    return folder
