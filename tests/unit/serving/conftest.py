"""A loaded model and a task, for tests of what stands on them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from housing_core.tasks import ServingTask
from housing_serving.app import create_app
from housing_serving.inference.model import Model, load_model
from housing_serving.service import Service
from housing_serving.versions.readiness import Serving
from tests.bundles import tiny_bundle
from tests.unit.serving.api_client import ApiClient


@pytest.fixture
def task(tmp_path: Path) -> ServingTask:
    return ServingTask(
        namespace="tests",
        name="tiny",
        track="production",
        version="1",
        policy_file=str(tmp_path / "policy.json"),
        log_uri=str(tmp_path / "log"),
        model_cache=str(tmp_path / "cache"),
        max_rows=10,
    )


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(tiny_bundle(tmp_path_factory.mktemp("bundle")), "1")


@pytest.fixture
def serving(model: Model) -> Serving:
    return Serving(model, "Production", datetime(2026, 11, 23, tzinfo=UTC), "")


@pytest.fixture
def service(task: ServingTask) -> Service:
    return Service.for_task(task)


@pytest.fixture
def make_api(service: Service) -> Callable[[Serving], ApiClient]:
    """Make a client of an application that serves what it is told to, with no loader running."""

    def make(serving: Serving) -> ApiClient:
        service.loader._serving = serving
        return ApiClient(create_app(service))

    return make


@pytest.fixture
def make_service(task: ServingTask, serving: Serving) -> Callable[..., ApiClient]:
    """Make a client of an application whose task differs."""

    def make(**changes: Any) -> ApiClient:
        service = Service.for_task(task.model_copy(update=changes))
        service.loader._serving = serving
        return ApiClient(create_app(service))

    return make


@pytest.fixture
def api(make_api: Callable[[Serving], ApiClient], serving: Serving) -> ApiClient:
    return make_api(serving)
