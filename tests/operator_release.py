"""The Helm release of the operator that tests and the demo use."""

from __future__ import annotations

import json

from tests.cluster_client import ROOT, Cluster
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
    there_before = cluster.select("deployments", SYSTEM_NAMESPACE)
    cluster.helm(
        *("upgrade", "--install", RELEASE, str(CHART), "--namespace", SYSTEM_NAMESPACE),
        *(
            "--wait",
            "--timeout",
            "5m",
            *settings,
            "--take-ownership",  # of a CRD that other tests have applied
        ),
    )
    for deployment in there_before:
        name = deployment["metadata"]["name"]
        cluster.kubectl("rollout", "restart", f"deployment/{name}", "-n", SYSTEM_NAMESPACE)
    for deployment in there_before:
        name = deployment["metadata"]["name"]
        cluster.kubectl(
            *("rollout", "status", f"deployment/{name}", "-n", SYSTEM_NAMESPACE, "--timeout=5m"),
            timeout=320,
        )


def _clear_interrupted_release(cluster: Cluster) -> None:
    """Remove a release whose installation was cut short: helm refuses to go on from there."""
    releases = json.loads(
        cluster.helm(
            "list",
            "--namespace",
            SYSTEM_NAMESPACE,
            "--filter",
            f"^{RELEASE}$",
            "--pending",
            "-o",
            "json",
        )
    )
    if releases:
        cluster.helm("uninstall", RELEASE, "--namespace", SYSTEM_NAMESPACE, "--wait")
