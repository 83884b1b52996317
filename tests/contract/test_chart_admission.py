"""A real API server takes the chart as it stands, under the restricted pod security level."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests import prometheus
from tests.cluster_client import Cluster, CommandError, Manifest
from tests.contract.chart import VARIANTS, render

NAME = "chart-contract"


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace that enforces the restricted level."""
    cluster.create_namespace(NAME)
    yield NAME
    cluster.delete("namespace", NAME, "")


@pytest.fixture(scope="module", autouse=True)
def monitoring_resources(cluster: Cluster) -> Iterator[None]:
    """The Prometheus Operator's resources, by its own definitions where the cluster has none."""
    there = cluster.kubectl("get", "crd", "--output=name")
    missing = {
        f"crd/{name}": text
        for name, text in prometheus.custom_resource_definitions().items()
        if f"/{name}\n" not in there
    }
    if missing:
        cluster.apply(*missing.values())
        cluster.kubectl("wait", "--for=condition=Established", *missing)
    yield
    if missing:
        cluster.kubectl("delete", *missing)


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_the_api_server_takes_every_object_without_a_warning(
    cluster: Cluster, namespace: str, values: Manifest
) -> None:
    manifests = render(values, release=NAME, namespace=namespace)
    # A Deployment that the level forbids gets a warning only, and its pods are refused later.
    pods = [pod_of(manifest) for manifest in manifests if manifest["kind"] == "Deployment"]
    dry_run(cluster, *manifests, *pods)


def test_the_restricted_level_is_really_enforced_here(cluster: Cluster, namespace: str) -> None:
    careless = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "careless", "namespace": namespace},
        "spec": {"containers": [{"name": "main", "image": "localhost/any"}]},
    }
    with pytest.raises(CommandError, match="violates PodSecurity"):
        dry_run(cluster, careless)


def pod_of(deployment: Manifest) -> Manifest:
    """Return a pod of a Deployment, under an account that is there before the chart is."""
    template = deployment["spec"]["template"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": deployment["metadata"]["name"],
            "namespace": deployment["metadata"]["namespace"],
            "labels": template["metadata"]["labels"],
        },
        "spec": {**template["spec"], "serviceAccountName": "default"},
    }


def dry_run(cluster: Cluster, *manifests: Manifest) -> None:
    """Ask the API server to take manifests and keep nothing; CommandError also for a warning."""
    cluster.kubectl(
        *("apply", "--server-side", "--dry-run=server", "--validate=strict"),
        *("--warnings-as-errors", "--force-conflicts", "--field-manager=tests", "-f", "-"),
        stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}),
    )
