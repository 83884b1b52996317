"""Fixtures that more than one kind of test uses: a real MLflow server and a real cluster."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster_client import Cluster
from tests.mlflow_server import MlflowServer, running_server


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A running MLflow server."""
    with running_server(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The test cluster that `make cluster-up` chose, or the one KUBECONFIG points at."""
    return Cluster.connect()
