"""The Helm chart, rendered: what the tests of this folder look at."""

from __future__ import annotations

import copy
import functools
import json
import subprocess
from collections.abc import Iterator
from typing import Any

import yaml

from tests.cluster_client import ROOT, CommandError, Manifest, chosen_environment

CHART = ROOT / "charts" / "housing-operator"

# What must work: one entry for each way to install that the documentation names.
VARIANTS: dict[str, Manifest] = {
    "default": {},
    "some-namespaces": {"watchNamespaces": ["default", "kube-public"]},
    "second-release": {
        "crds": {"enabled": False},
        "clusterScoped": {"enabled": False},
        "watchNamespaces": ["default"],
    },
    "cluster-scoped-parts-only": {"operator": {"enabled": False}, "mlflow": {"enabled": False}},
    "external-mlflow": {
        "mlflow": {"enabled": False, "trackingUri": "https://mlflow.example.com"},
        "operator": {
            "env": [
                {
                    "name": "MLFLOW_TRACKING_TOKEN",
                    "valueFrom": {"secretKeyRef": {"name": "mlflow", "key": "token"}},
                }
            ]
        },
    },
    "database-and-s3": {
        "mlflow": {
            "backendStoreUriSecret": {"name": "mlflow-database"},
            "artifactsDestination": "s3://models/mlflow",
            "workers": 2,
            "allowedHosts": ["mlflow.example.com"],
            "corsAllowedOrigins": ["https://mlflow.example.com"],
            "serviceAccount": {
                "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/m"}
            },
            "env": [{"name": "AWS_DEFAULT_REGION", "value": "eu-central-1"}],
        }
    },
    "s3-only": {"mlflow": {"artifactsDestination": "s3://models"}},
    "scheduled-somewhere": {
        "image": {
            "registry": "registry.example.com:5000/team/",
            "tag": "1.2.3",
            "pullPolicy": "Always",
        },
        "imagePullSecrets": [{"name": "registry"}],
        "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "tolerations": [{"key": "mlops", "operator": "Exists", "effect": "NoSchedule"}],
        "mlflow": {"persistence": {"size": "5Gi", "storageClass": "gp3"}},
    },
    "no-network-policies": {"networkPolicy": {"enabled": False}},
    "prometheus-operator-and-grafana": {
        "metrics": {
            "serviceMonitor": {"enabled": True},
            "podMonitor": {"enabled": True},
            "prometheusRule": {"enabled": True, "runbookUrl": "https://runbooks.example.com/x"},
            "labels": {"release": "kube-prometheus-stack"},
            "dashboards": {"enabled": True, "mlflowUrl": "https://mlflow.example.com/mlops"},
        }
    },
    "scrape-annotations": {"metrics": {"annotations": {"enabled": True}}},
}

MONITORING_KINDS = ("ServiceMonitor", "PodMonitor", "PrometheusRule")
"""Of monitoring.coreos.com/v1, which a cluster with the Prometheus Operator knows."""


def helm(*arguments: str, values: Manifest | None = None) -> str:
    """Run helm with values, which take nothing from a cluster.

    Raises CommandError with all that helm said.
    """
    command = ["helm", *arguments]
    if values is not None:
        command += ["--values", "-"]
    done = subprocess.run(
        command,
        env=chosen_environment(),
        input=json.dumps(values),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode != 0:
        raise CommandError(command, done.stderr + done.stdout)
    return done.stdout


def with_images(values: Manifest) -> Manifest:
    """Return values that name a registry, as every installation must."""
    return {**values, "image": {"registry": "localhost", "tag": "dev", **values.get("image", {})}}


def render_text(
    values: Manifest,
    *,
    release: str = "housing-operator",
    namespace: str = "housing-system",
    known: tuple[str, ...] = MONITORING_KINDS,
) -> str:
    """Return the chart's manifests as YAML text, for a cluster that knows these further kinds.

    Raises CommandError when helm refuses the values.
    """
    kinds = [f"--api-versions=monitoring.coreos.com/v1/{kind}" for kind in known]
    return helm("template", release, str(CHART), "--namespace", namespace, *kinds, values=values)


def render(
    values: Manifest, *, release: str = "housing-operator", namespace: str = "housing-system"
) -> list[Manifest]:
    """Return the chart's manifests for values that name a registry where they do not yet."""
    return copy.deepcopy(_rendered(json.dumps(with_images(values)), release, namespace))


@functools.cache
def _rendered(values: str, release: str, namespace: str) -> list[Manifest]:
    """Kept, since most tests look at one of a few variants."""
    text = render_text(json.loads(values), release=release, namespace=namespace)
    return [manifest for manifest in yaml.load_all(text, yaml.CSafeLoader) if manifest]


def only(manifests: list[Manifest], kind: str, name: str | None = None) -> Manifest:
    """Return the one manifest of a kind (and name)."""
    (found,) = (
        manifest
        for manifest in manifests
        if manifest["kind"] == kind and name in (None, manifest["metadata"]["name"])
    )
    return found


def containers(manifest: Manifest) -> Iterator[dict[str, Any]]:
    """Give the containers of a Deployment, those that run first included."""
    pod = manifest["spec"]["template"]["spec"]
    yield from pod.get("initContainers", [])
    yield from pod["containers"]


def environment(container: dict[str, Any]) -> dict[str, Any]:
    """Return a container's environment: values, or where they come from."""
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}


def deployments(manifests: list[Manifest]) -> list[Manifest]:
    """Return the Deployments among manifests."""
    return [one for one in manifests if one["kind"] == "Deployment"]
