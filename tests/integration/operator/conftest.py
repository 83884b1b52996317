"""A namespace with today's CRD, an operator that looks after it, and models whose pods never run."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from housing_core.registry import Registry
from tests.cluster_client import ROOT, Cluster, Manifest, condition_of
from tests.integration.operator.operator_process import NOWHERE, OperatorProcess
from tests.mlflow_server import MlflowServer

Apply = Callable[..., Manifest]


@pytest.fixture(scope="session")
def registry(mlflow_server: MlflowServer) -> Registry:
    return Registry(mlflow_server.url)


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[str]:
    cluster.apply((ROOT / "manifests" / "crd.yaml").read_text())
    cluster.kubectl(
        *("wait", "--for=condition=Established", "crd/housingmodels.housing-operator.dev")
    )
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
def model() -> str:
    """A name that no other test has."""
    return f"m-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def apply(cluster: Cluster, namespace: str) -> Apply:
    """Apply a HousingModel whose pods never run, blocks laid over its spec."""

    def apply(name: str, **blocks: Any) -> Manifest:
        blocks = {"training": {}, "monitoring": {}, "serving": {}, **blocks}
        blocks["training"] = {**NOWHERE, **blocks["training"]}
        blocks["monitoring"] = {**NOWHERE, **blocks["monitoring"]}
        blocks["serving"] = {"production": NOWHERE, "staging": NOWHERE, **blocks["serving"]}
        cluster.apply(
            {
                "apiVersion": "housing-operator.dev/v1alpha1",
                "kind": "HousingModel",
                "metadata": {"name": name},
                "spec": {"dataset": {"uri": "/data", "target": {"column": "price"}}, **blocks},
            },
            namespace=namespace,
        )
        return cluster.get("housingmodel", name, namespace)

    return apply


@pytest.fixture
def training(cluster: Cluster, namespace: str) -> Callable[[str], Manifest]:
    """Wait until a model's training has its Job, and return the status."""

    def training(name: str) -> Manifest:
        found = cluster.wait_for(
            *("housingmodel", name, namespace),
            lambda found: "training" in found.get("status", {}),
            what="a training in status",
        )
        status: Manifest = found["status"]
        cluster.wait_for(
            *("job", status["training"]["jobName"], namespace), lambda _: True, what="to be there"
        )
        return status

    return training


@pytest.fixture
def condition(cluster: Cluster, namespace: str) -> Callable[[str, str], Manifest]:
    """A condition of a model as it is now."""

    def condition(name: str, kind: str) -> Manifest:
        return condition_of(cluster.get("housingmodel", name, namespace), kind)

    return condition
