"""A HousingModel at a real API server, its versions in a real MLflow, and a monitor's own identity."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from housing_core.api import HousingModelSpec
from housing_core.registry import Registry
from housing_operator.observation import Model
from housing_operator.resources.monitoring import rights
from tests.cluster_client import Cluster
from tests.integration.monitoring.monitored import Monitored
from tests.listings import Listings, read_listings
from tests.mlflow_server import MlflowServer


@pytest.fixture(scope="session")
def namespace(cluster: Cluster) -> Iterator[str]:
    cluster.install_crd()
    name = f"monitoring-{uuid4().hex[:8]}"
    cluster.create_namespace(name)
    yield name
    cluster.delete("namespace", name, "", wait=False)


@pytest.fixture
def monitored(
    cluster: Cluster, namespace: str, mlflow_server: MlflowServer, tmp_path: Path
) -> Iterator[Monitored]:
    """A HousingModel without versions, and what its monitor may do, by the operator's own rules."""
    name = f"istanbul-{uuid4().hex[:6]}"
    account = f"tests-{name}"
    # An operator that happens to be in the cluster does nothing for a suspended model, and what
    # it owns by its usual names may come and go.
    spec = {
        "suspend": True,
        "monitoring": {"serviceAccountName": account},
        "dataset": {"uri": f"{tmp_path}/dataset", "target": {"column": "Fiyat"}},
    }
    cluster.apply(
        {
            "apiVersion": "housing-operator.dev/v1alpha1",
            "kind": "HousingModel",
            "metadata": {"name": name},
            "spec": spec,
        },
        namespace=namespace,
    )
    model = Model(
        namespace=namespace,
        name=name,
        uid="",
        generation=1,
        resource_version="",
        annotations={},
        spec=spec,
        status={},
    )
    role, binding = rights(model, HousingModelSpec.model_validate(spec))
    for made in (role, binding):
        made["metadata"]["name"] = account
    binding["roleRef"]["name"] = account
    service_account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}}
    cluster.apply(service_account, role, binding, namespace=namespace)
    kubeconfig = _kubeconfig(cluster, account, namespace, tmp_path / "kubeconfig")
    yield Monitored(cluster, namespace, name, Registry(mlflow_server.url), kubeconfig, tmp_path)
    cluster.delete("housingmodel", name, namespace, wait=False)


@pytest.fixture(scope="session")
def istanbul() -> tuple[Listings, Listings]:
    """Training part and holdout."""
    listings = read_listings("istanbul")
    cut = int(len(listings.frame) * 0.8)
    return listings.rows(0, cut), listings.rows(cut, len(listings.frame))


@pytest.fixture
def registered(monitored: Monitored, istanbul: tuple[Listings, Listings]) -> Monitored:
    assert monitored.register(*istanbul) == "1"
    return monitored


def _kubeconfig(cluster: Cluster, account: str, namespace: str, path: Path) -> Path:
    """Write a kubeconfig that speaks as a ServiceAccount."""
    found = json.loads(cluster.kubectl("config", "view", "--raw", "--minify", "-o", "json"))
    token = cluster.kubectl("create", "token", account, "-n", namespace).strip()
    found["users"] = [{"name": account, "user": {"token": token}}]
    found["contexts"][0]["context"]["user"] = account
    path.write_text(json.dumps(found))
    return path
