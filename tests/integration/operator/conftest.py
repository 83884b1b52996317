"""A namespace with today's CRD, and an operator that looks after it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from housing_core.registry import Registry
from tests.cluster_client import Cluster
from tests.integration.operator.models import Models
from tests.integration.operator.operator_process import OperatorProcess
from tests.mlflow_server import MlflowServer


@pytest.fixture(scope="session")
def registry(mlflow_server: MlflowServer) -> Registry:
    return Registry(mlflow_server.url)


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[str]:
    cluster.install_crd()
    name = f"operator-{uuid.uuid4().hex[:8]}"
    cluster.create_namespace(name)
    yield name
    cluster.delete("namespace", name, "", wait=False)


@pytest.fixture(scope="module")
def operator(
    cluster: Cluster,
    namespace: str,
    mlflow_server: MlflowServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[OperatorProcess]:
    """A running operator. A test that ends it must start it again."""
    folder: Path = tmp_path_factory.mktemp("operator")
    process = OperatorProcess(cluster, namespace, mlflow_server.url, folder)
    process.start()
    yield process
    process.stop()


@pytest.fixture
def models(cluster: Cluster, namespace: str, operator: OperatorProcess) -> Iterator[Models]:
    """HousingModels and their operator, whose log and metrics are shown beside a test that fails."""
    yield Models(cluster, namespace, operator)
    print(operator.tail())
    with suppress(OSError):  # it may not run
        # A log without a line may be of an operator that saw no event, or was stuck in a call.
        print(*re.findall(r"^housing_operator_.*", operator.metrics(), re.MULTILINE), sep="\n")


@pytest.fixture
def name() -> str:
    """A name that no other test gives a model."""
    return f"m-{uuid.uuid4().hex[:8]}"
