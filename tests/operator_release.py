"""The Helm release of the operator that tests and the demo use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster_client import ROOT, Cluster, Manifest, wait_until
from tests.cluster_pods import REGISTRY, TAG

CHART = ROOT / "charts" / "housing-operator"
RELEASE = "housing-operator"
SYSTEM_NAMESPACE = "housing-system"


def install_operator(cluster: Cluster, **values: str) -> None:
    """Install the chart with the images of `make images`, or bring what is there up to date.

    `values` are further chart values, dots written as two underscores (`mlflow__workers="2"`). Its
    namespace enforces the restricted level. The pods start anew, since a tag does not say which
    image it stood for when they started. Raises CommandError, with what helm said, when it fails.
    """
    cluster.create_namespace(SYSTEM_NAMESPACE)
    _clear_interrupted_release(cluster)
    values = {"image__registry": REGISTRY, "image__tag": TAG, **values}
    settings = [f"--set={name.replace('__', '.')}={value}" for name, value in values.items()]
    there_before = [
        one["metadata"]["name"] for one in cluster.select("deployments", SYSTEM_NAMESPACE)
    ]
    for name in there_before:
        _scale(cluster, name, 1)  # a test that was cut short may have left none
    cluster.helm(
        *("upgrade", "--install", RELEASE, str(CHART), "--namespace", SYSTEM_NAMESPACE),
        *("--wait", "--timeout=5m", *settings),
        # A CRD that other tests have applied becomes the release's, whatever they wrote there.
        *("--take-ownership", "--force-conflicts"),
    )
    for name in there_before:
        cluster.kubectl("rollout", "restart", f"deployment/{name}", "-n", SYSTEM_NAMESPACE)
    for name in there_before:
        cluster.kubectl(
            *("rollout", "status", f"deployment/{name}", "-n", SYSTEM_NAMESPACE, "--timeout=5m"),
            timeout=320,
        )


@contextmanager
def scaled_to_zero(cluster: Cluster, deployment: str) -> Iterator[None]:
    """A program of the release is away inside, its pods gone, and back and ready afterwards."""
    selector = cluster.get("deployment", deployment, SYSTEM_NAMESPACE)["spec"]["selector"]
    labels = ",".join(f"{key}={value}" for key, value in selector["matchLabels"].items())

    def pods_gone() -> tuple[bool, Manifest | None]:
        pods = cluster.select("pods", SYSTEM_NAMESPACE, labels)
        return not pods, next(iter(pods), None)

    _scale(cluster, deployment, 0)
    try:
        wait_until(pods_gone, what=f"the pods of {deployment} to go", timeout=120)
        yield
    finally:
        _scale(cluster, deployment, 1)
        cluster.wait_for_condition(
            "deployment", deployment, SYSTEM_NAMESPACE, "Available", timeout=300
        )


def _scale(cluster: Cluster, deployment: str, replicas: int) -> None:
    cluster.kubectl(
        *("scale", f"deployment/{deployment}", "-n", SYSTEM_NAMESPACE, f"--replicas={replicas}")
    )


def _clear_interrupted_release(cluster: Cluster) -> None:
    """Remove a release whose installation was cut short: helm refuses to go on from there."""
    releases = json.loads(
        cluster.helm(
            *("list", "--namespace", SYSTEM_NAMESPACE, "--filter", f"^{RELEASE}$"),
            *("--pending", "--output=json"),
        )
    )
    if releases:
        cluster.helm("uninstall", RELEASE, "--namespace", SYSTEM_NAMESPACE, "--wait")
