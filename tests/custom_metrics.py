"""A custom metrics API in the cluster, in place of prometheus-adapter: the rule of the docs, for one test.

The rule's query is asked of a Prometheus that only the test can reach, so the test tells the pod
behind the API what it was answered.
"""

from __future__ import annotations

import json
import re
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from tests.cluster_client import ROOT, Cluster, Manifest
from tests.cluster_pods import pod_manifest
from tests.https_server import write_certificate
from tests.prometheus_server import PrometheusServer

_PAGE = ROOT / "docs" / "how-to" / "operate.md"
_PROGRAM = Path(__file__).with_name("custom_metrics_pod.py")
_NAME = "custom-metrics"
_PORT = 8443
_API = "v1beta2.custom.metrics.k8s.io"
_TELL_SECONDS = 2.0

Values = Mapping[str, float]
"""Pod → value."""


@dataclass(frozen=True)
class AdapterRule:
    """The rule for prometheus-adapter that the docs give, read as prometheus-adapter reads it."""

    series_query: str
    labels: Mapping[str, str]
    metrics_query: str
    metric: str

    @classmethod
    def of_the_docs(cls) -> AdapterRule:
        """Find it on its page."""
        blocks = re.findall(r"^```yaml\n(.*?)^```", _PAGE.read_text(), re.MULTILINE | re.DOTALL)
        (rule,) = [yaml.safe_load(b)["rules"]["custom"][0] for b in blocks if "seriesQuery" in b]
        series, _, _ = rule["seriesQuery"].partition("{")
        template = re.sub(r"\$\{(\d+)\}", r"\\\1", rule["name"]["as"])
        return cls(
            rule["seriesQuery"],
            {of["resource"]: label for label, of in rule["resources"]["overrides"].items()},
            rule["metricsQuery"].replace("<<.Series>>", series),
            re.sub(rule["name"]["matches"], template, series),
        )

    def values(self, server: PrometheusServer, namespace: str, pods: Sequence[str]) -> Values:
        """What the metric of these pods is now."""
        labels = self.labels
        matchers = f'{labels["namespace"]}="{namespace}",{labels["pod"]}=~"{"|".join(pods)}"'
        query = self.metrics_query.replace("<<.LabelMatchers>>", matchers)
        query = query.replace("<<.GroupBy>>", labels["pod"])
        found = server.get("query", query=query)["result"]
        return {one["metric"][labels["pod"]]: float(one["value"][1]) for one in found}


@contextmanager
def custom_metrics_api(
    cluster: Cluster, namespace: str, metric: str, values: Callable[[], Values], keys: Path
) -> Iterator[None]:
    """Offer a metric of a namespace's pods to autoscalers inside.

    Args:
        values: asked every two seconds.
        keys: folder for a certificate.

    Raises:
        AssertionError: when the cluster has a custom metrics API already.
    """
    assert cluster.find("apiservice", _API, "") is None, f"the cluster has {_API} already"
    cluster.apply(*_objects(metric, keys), namespace=namespace)
    try:
        cluster.wait_for_condition("pod", _NAME, namespace, "Ready")
        cluster.apply(_api_service(namespace))
        cluster.wait_for_condition("apiservice", _API, "", "Available")
        with cluster.api_server() as api_server:
            url = f"{api_server}/api/v1/namespaces/{namespace}/services/https:{_NAME}:443/proxy/"
            ended = threading.Event()
            teller = threading.Thread(target=_tell, args=(url, namespace, metric, values, ended))
            teller.start()
            try:
                yield
            finally:
                ended.set()
                teller.join(60)
    finally:
        # The API first: while one is there that does not answer, no namespace can be deleted.
        cluster.delete("apiservice", _API, "")
        for kind in ("pod", "service", "configmap"):
            cluster.delete(kind, _NAME, namespace)


def _tell(
    url: str, namespace: str, metric: str, values: Callable[[], Values], ended: threading.Event
) -> None:
    while not ended.wait(_TELL_SECONDS):
        items = [
            {
                "describedObject": {
                    "kind": "Pod",
                    "apiVersion": "/v1",
                    "namespace": namespace,
                    "name": pod,
                },
                "metric": {"name": metric},
                "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "value": f"{round(value * 1000)}m",
            }
            for pod, value in values().items()
        ]
        request = urllib.request.Request(url, json.dumps(items).encode(), method="PUT")
        with suppress(OSError):  # it is told again
            urllib.request.urlopen(request, timeout=30).close()


def _objects(metric: str, keys: Path) -> list[Manifest]:
    certificate, key = write_certificate(keys)
    files = {_PROGRAM.name: _PROGRAM, "tls.crt": certificate, "tls.key": key}
    command = ["python3", f"/api/{_PROGRAM.name}", metric, "/api/tls.crt", "/api/tls.key"]
    pod: dict[str, Any] = pod_manifest(_NAME, "monitoring", command)
    pod["metadata"]["labels"] = {"app": _NAME}
    pod["spec"]["volumes"].append({"name": "api", "configMap": {"name": _NAME}})
    pod["spec"]["containers"][0]["volumeMounts"].append({"name": "api", "mountPath": "/api"})
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": _NAME},
            "data": {name: file.read_text() for name, file in files.items()},
        },
        pod,
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": _NAME},
            "spec": {"selector": {"app": _NAME}, "ports": [{"port": 443, "targetPort": _PORT}]},
        },
    ]


def _api_service(namespace: str) -> Manifest:
    group, version = "custom.metrics.k8s.io", "v1beta2"
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": _API},
        "spec": {
            "group": group,
            "version": version,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "insecureSkipTLSVerify": True,
            "service": {"name": _NAME, "namespace": namespace},
        },
    }
