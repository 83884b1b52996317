"""Pods that tests start themselves: to fill a volume with data, or to run one command in a cluster."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.cluster_client import Cluster, CommandError, Manifest

REGISTRY = os.environ.get("HOUSING_IMAGE_REGISTRY", "localhost")
TAG = "dev"


def image(program: str) -> str:
    """Return the name of an image that `make images` made: operator, training, serving, ..."""
    return f"{REGISTRY}/housing-operator/{program}:{TAG}"


def claim_manifest(name: str, size: str = "1Gi") -> Manifest:
    """Return a ReadWriteOnce claim of the default storage class."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
    }


def pod_manifest(name: str, program: str, command: list[str], claim: str | None = None) -> Manifest:
    """Return a pod that the restricted level admits; the claim is mounted at /mnt/claims/<claim>."""
    mounts: list[dict[str, Any]] = [{"name": "tmp", "mountPath": "/tmp"}]
    volumes: list[dict[str, Any]] = [{"name": "tmp", "emptyDir": {}}]
    if claim is not None:
        mounts.append({"name": "claim", "mountPath": f"/mnt/claims/{claim}"})
        volumes.append({"name": "claim", "persistentVolumeClaim": {"claimName": claim}})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "runAsGroup": 10001,
                "fsGroup": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "main",
                    "image": image(program),
                    "imagePullPolicy": "IfNotPresent",
                    "command": command,
                    "volumeMounts": mounts,
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
            "volumes": volumes,
        },
    }


def run_in_cluster(
    cluster: Cluster,
    namespace: str,
    program: str,
    command: list[str],
    *,
    claim: str | None = None,
    part_of_housing_operator: bool = False,
    timeout: float = 120,
) -> str:
    """Run one command in a pod of a program's image, and return its log.

    The chart's network policies let a pod that is part of housing-operator reach MLflow.
    Raises CommandError with the log when it ends with an error, or is not done in `timeout`.
    """
    name = f"run-{time.time_ns():x}"
    pod = pod_manifest(name, program, command, claim)
    if part_of_housing_operator:
        pod["metadata"]["labels"] = {"app.kubernetes.io/part-of": "housing-operator"}
    cluster.apply(pod, namespace=namespace)
    try:
        pod = cluster.wait_for(
            "pod",
            name,
            namespace,
            lambda pod: pod["status"].get("phase") in ("Succeeded", "Failed"),
            what=f"end of {shlex.join(command)}",
            timeout=timeout,
        )
        log = cluster.kubectl("logs", name, "-n", namespace)
        if pod["status"]["phase"] == "Failed":
            raise CommandError(command, log)
        return log
    finally:
        cluster.delete("pod", name, namespace, wait=False)


def fill_claim(
    cluster: Cluster, namespace: str, claim: str, files: Mapping[str, Path | str | bytes]
) -> None:
    """Put files on a claim, which is made when it is not there: {path on the claim: file or content}."""
    if cluster.find("persistentvolumeclaim", claim, namespace) is None:
        cluster.apply(claim_manifest(claim), namespace=namespace)
    name = f"fill-{time.time_ns():x}"
    folder = f"/mnt/claims/{claim}"
    cluster.apply(
        pod_manifest(name, "training", ["sleep", "600"], claim),
        namespace=namespace,
    )
    try:
        cluster.wait_for_condition("pod", name, namespace, "Ready")
        for path, content in files.items():
            data = content.read_bytes() if isinstance(content, Path) else content
            target = f"{folder}/{path}"
            write = 'mkdir -p "$(dirname "$0")" && cat >"$0.part" && mv "$0.part" "$0"'
            cluster.exec(name, namespace, "sh", "-c", write, target, stdin=data)
    finally:
        cluster.delete("pod", name, namespace)
