"""What a person would look at first when a test on a cluster fails."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime

from tests.cluster_client import MADE_BY_TESTS, Cluster, CommandError
from tests.operator_release import SYSTEM_NAMESPACE

LOOKS = {
    "objects": ("get", "pods,jobs,cronjobs,deployments,persistentvolumeclaims", "-o", "wide"),
    "events": ("get", "events", "--sort-by=.lastTimestamp"),
    "housingmodels": ("get", "housingmodels", "-o", "yaml"),
}
LOG = ("--all-containers", "--prefix", "--ignore-errors", "--tail=80")


def diagnose(since: datetime) -> list[tuple[str, str]]:
    """Return (title, text) of objects, Events, HousingModels and pod logs, namespace by namespace.

    Of the operator's own namespace, and of those that tests made since a point in time. A look that
    fails gives its error as the text, and spoils no other.
    """
    try:
        cluster = Cluster.connect()
        sections = []
        for namespace in _namespaces(cluster, since):
            for title, arguments in LOOKS.items():
                sections.append(_section(cluster, namespace, title, *arguments))
            for pod in _pods(cluster, namespace):
                sections.append(_section(cluster, namespace, f"log of {pod}", "logs", pod, *LOG))
    except (RuntimeError, CommandError, subprocess.TimeoutExpired) as error:
        return [("cluster", f"it could not be looked at: {error}")]
    return sections


def _namespaces(cluster: Cluster, since: datetime) -> list[str]:
    found = cluster.kubectl("get", "namespaces", "-l", MADE_BY_TESTS, "-o", "json", timeout=30)
    made = [namespace["metadata"] for namespace in json.loads(found)["items"]]
    names = [
        one["name"] for one in made if datetime.fromisoformat(one["creationTimestamp"]) >= since
    ]
    return [SYSTEM_NAMESPACE, *sorted(set(names) - {SYSTEM_NAMESPACE})]


def _pods(cluster: Cluster, namespace: str) -> list[str]:
    """Of those that failed last: of a long output the end is read first."""
    found = cluster.kubectl("get", "pods", "-n", namespace, "-o", "json", timeout=30)
    pods = sorted(json.loads(found)["items"], key=lambda pod: pod["status"]["phase"] == "Failed")
    return [f"pod/{pod['metadata']['name']}" for pod in pods]


def _section(cluster: Cluster, namespace: str, title: str, *arguments: str) -> tuple[str, str]:
    try:
        text = cluster.kubectl(*arguments, "-n", namespace, timeout=30)
    except (CommandError, subprocess.TimeoutExpired) as error:
        text = str(error)
    return f"{namespace}: {title}", text
