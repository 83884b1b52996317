"""What a person would look at first when a test on a cluster fails."""

from __future__ import annotations

import subprocess

from tests.cluster_client import MADE_BY_TESTS, Cluster, CommandError

LOOKS = {
    "objects": ("get", "pods,jobs,cronjobs,deployments,persistentvolumeclaims", "-o", "wide"),
    "events": ("get", "events", "--sort-by=.lastTimestamp"),
    "housingmodels": ("get", "housingmodels", "-o", "yaml"),
}
LOG = ("--all-containers", "--prefix", "--ignore-errors", "--tail=80")


def diagnose() -> list[tuple[str, str]]:
    """Return (title, text) of the objects, Events, HousingModels and pod logs of every test namespace.

    A look that fails gives its error as the text, and spoils no other.
    """
    try:
        cluster = Cluster.connect()
        namespaces = _names(cluster, "namespaces", "-l", MADE_BY_TESTS)
        sections = []
        for namespace in namespaces:
            for title, arguments in LOOKS.items():
                sections.append(_section(cluster, namespace, title, *arguments))
            for pod in _names(cluster, "pods", "-n", namespace):
                sections.append(_section(cluster, namespace, f"log of {pod}", "logs", pod, *LOG))
    except (RuntimeError, CommandError, subprocess.TimeoutExpired) as error:
        return [("cluster", f"it could not be looked at: {error}")]
    return sections


def _names(cluster: Cluster, kind: str, *selection: str) -> list[str]:
    output = cluster.kubectl("get", kind, *selection, "-o", "name", timeout=30)
    return [name.rpartition("/")[2] for name in output.split()]


def _section(cluster: Cluster, namespace: str, title: str, *arguments: str) -> tuple[str, str]:
    try:
        text = cluster.kubectl(*arguments, "-n", namespace, timeout=30)
    except (CommandError, subprocess.TimeoutExpired) as error:
        text = str(error)
    return f"{namespace}: {title}", text
