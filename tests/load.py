"""Steady load from inside the cluster: a pod that asks for predictions until it is told to stop.

It runs beside the model, through the Service as any caller does, and counts every answer; a test
or the demo reads the count from its log.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster_client import Cluster
from tests.cluster_pods import pod_manifest

_PROGRAM = Path(__file__).with_name("load_pod.py")
_NAME = "steady-load"


@dataclass(frozen=True)
class LoadResult:
    """What the callers saw.

    Attributes:
        sent: requests.
        failed: requests without a 2xx answer, by status or exception name.
        versions: answers by the model version that gave them.
        seconds: from the first request to the last answer.
        p50_seconds, p99_seconds: percentiles of the time from when a request was due to the whole
            answer.
    """

    sent: int
    failed: dict[str, int]
    versions: dict[str, int]
    seconds: float
    p50_seconds: float
    p99_seconds: float


class SteadyLoad:
    """A pod that sends one listing a request, from a few keep-alive connections, at a steady rate."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace

    def start(
        self,
        url: str,
        listings: list[dict[str, Any]],
        per_second: float = 10,
        connections: int = 4,
    ) -> None:
        """Start the pod and return when its first answers are in.

        Args:
            url: of `/predict`, as it is seen from inside the cluster.
            listings: sent in turn.
            per_second: requests over all connections; 0 for as many as are answered.
            connections: that are kept, each with one request at a time.
        """
        self.cluster.delete("pod", _NAME, self.namespace)
        settings = json.dumps(
            {
                "url": url,
                "listings": listings,
                "perSecond": per_second,
                "connections": connections,
            }
        )
        self.cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": _NAME},
                "data": {"load_pod.py": _PROGRAM.read_text(), "settings.json": settings},
            },
            namespace=self.namespace,
        )
        pod = pod_manifest(
            _NAME, "monitoring", ["python3", "/load/load_pod.py", "/load/settings.json"]
        )
        pod["spec"]["terminationGracePeriodSeconds"] = 30
        pod["spec"]["volumes"].append({"name": "load", "configMap": {"name": _NAME}})
        container = pod["spec"]["containers"][0]
        container["volumeMounts"].append({"name": "load", "mountPath": "/load"})
        # Without a share of its own the caller, not the server, would be what is slow.
        container["resources"] = {"requests": {"cpu": "100m", "memory": "64Mi"}}
        self.cluster.apply(pod, namespace=self.namespace)
        self.cluster.wait_for_condition("pod", _NAME, self.namespace, "Ready")

    def stop(self) -> LoadResult:
        """Stop the pod and return what its callers saw from its start to its end."""
        self.cluster.exec(_NAME, self.namespace, "touch", "/tmp/stop")
        self.cluster.wait_for(
            "pod",
            _NAME,
            self.namespace,
            lambda pod: pod["status"].get("phase") in ("Succeeded", "Failed"),
            what="its end",
        )
        log = self.cluster.kubectl("logs", _NAME, "-n", self.namespace)
        self.cluster.delete("pod", _NAME, self.namespace)
        found = json.loads(log.strip().splitlines()[-1])
        return LoadResult(
            sent=found["sent"],
            failed=found["failed"],
            versions=found["versions"],
            seconds=found["seconds"],
            p50_seconds=found["p50Seconds"],
            p99_seconds=found["p99Seconds"],
        )
