"""A real Prometheus that finds and scrapes the test cluster's pods by the chart's own configuration."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests import prometheus
from tests.cluster_client import ROOT, Cluster
from tests.mlflow_server import free_port

CHART = ROOT / "charts" / "housing-operator"
START_SECONDS = 60
STOP_SECONDS = 30
STEP = "5s"
SOON = "for: 5s"
"""In place of how long the alerts wait: a story takes minutes."""


@dataclass(frozen=True)
class PrometheusServer:
    """Prometheus on the loopback interface.

    Attributes:
        began: Unix time of its start.
    """

    url: str
    began: float

    def get(self, path: str, **parameters: str | float) -> Any:
        """Return `data` of an answer of the HTTP API. Raises AssertionError with what it said."""
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path} {parameters}: {error.read().decode()}") from error

    def shows(self, query: str) -> bool:
        """Whether a query has had a number since the start."""
        values = (value for one in self.series(query) for _, value in one["values"])
        return any(value not in ("NaN", "+Inf", "-Inf") for value in values)

    def series(self, query: str) -> list[dict[str, Any]]:
        """Return the series of a query since the start; their `values` have a point every 5 s."""
        found: list[dict[str, Any]] = self.get(
            "query_range", query=query, start=self.began, end=time.time(), step=STEP
        )["result"]
        return found


@contextmanager
def watching_cluster(cluster: Cluster, folder: Path) -> Iterator[PrometheusServer]:
    """Run Prometheus with the chart's own scrape configuration and rules until the caller is done.

    It reaches the pods through the API server, so it need not be in the cluster's network.
    """
    targets = folder / "pods.json"
    with cluster.api_server() as api_server, _pods_as_targets(api_server, targets):
        jobs = [through(api_server, job, targets) for job in scrape_configs()]
        with running_prometheus(jobs, folder) as server:
            yield server


@contextmanager
def running_prometheus(
    jobs: list[dict[str, Any]], folder: Path, interval: str = "5s"
) -> Iterator[PrometheusServer]:
    """Run Prometheus with these jobs and the chart's rules, which wait 5 s, until the caller is done."""
    text = (CHART / "prometheus" / "rules.yaml").read_text()
    (folder / "rules.yaml").write_text(re.sub(r"for: \w+$", SOON, text, flags=re.MULTILINE))
    configuration = {
        "global": {"scrape_interval": interval, "evaluation_interval": interval},
        "rule_files": [str(folder / "rules.yaml")],
        "scrape_configs": jobs,
    }
    path = folder / "prometheus.yml"
    path.write_text(json.dumps(configuration))
    subprocess.run([prometheus.program("promtool"), "check", "config", path], check=True)
    address = f"127.0.0.1:{free_port()}"
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(str(prometheus.program("prometheus")), f"--config.file={path}"),
                *(f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}"),
                "--log.level=warn",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _wait_until_ready(f"http://{address}", process, folder)
        yield PrometheusServer(f"http://{address}", time.time())
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def scrape_configs() -> list[dict[str, Any]]:
    """Return the jobs of the chart's scrape configuration."""
    text = (CHART / "prometheus" / "scrape.yaml").read_text()
    found: list[dict[str, Any]] = yaml.safe_load(text)["scrape_configs"]
    return found


def through(api_server: str, job: dict[str, Any], targets: Path) -> dict[str, Any]:
    """Return a job that scrapes through an API server's address without a login.

    Debian builds Prometheus without its discovery for Kubernetes, so a file tells the same.
    """
    pod = [
        "__meta_kubernetes_namespace",
        "__meta_kubernetes_pod_name",
        "__meta_kubernetes_pod_container_port_number",
    ]
    path = "/api/v1/namespaces/$1/pods/$2:$3/proxy/metrics"
    by_proxy: list[dict[str, Any]] = [
        {
            "source_labels": pod,
            "regex": "(.+);(.+);(.+)",
            "replacement": path,
            "target_label": "__metrics_path__",
        },
        # The address becomes the label instance, which must still tell the pods apart.
        {"source_labels": ["__address__"], "target_label": "instance"},
        {"target_label": "__address__", "replacement": api_server.removeprefix("http://")},
    ]
    (discovery,) = job["kubernetes_sd_configs"]
    assert discovery == {"role": "pod"}
    kept = {key: value for key, value in job.items() if key != "kubernetes_sd_configs"}
    return {
        **kept,
        "file_sd_configs": [{"files": [str(targets)]}],
        "relabel_configs": [*job["relabel_configs"], *by_proxy],
    }


@contextmanager
def _pods_as_targets(api_server: str, path: Path) -> Iterator[None]:
    """Keep a file of all pods' ports current, with the labels that `role: pod` gives them."""
    ended = threading.Event()

    def keep_current() -> None:
        while not ended.is_set():
            with suppress(OSError):  # the API server is asked again
                with urllib.request.urlopen(f"{api_server}/api/v1/pods", timeout=30) as answer:
                    pods = json.load(answer)["items"]
                part = path.with_suffix(".part")
                part.write_text(json.dumps([one for pod in pods for one in pod_targets(pod)]))
                part.rename(path)
            ended.wait(3)

    thread = threading.Thread(target=keep_current, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(60)


def pod_targets(pod: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give a target for each port of a pod, as Prometheus documents for `role: pod`."""
    metadata, status = pod["metadata"], pod["status"]
    if "podIP" not in status:
        return
    labels = {
        f"__meta_kubernetes_pod_label_{re.sub('[^a-zA-Z0-9_]', '_', name)}": value
        for name, value in metadata.get("labels", {}).items()
    }
    for container in pod["spec"]["containers"]:
        for port in container.get("ports", []):
            yield {
                "targets": [f"{status['podIP']}:{port['containerPort']}"],
                "labels": {
                    **labels,
                    "__meta_kubernetes_namespace": metadata["namespace"],
                    "__meta_kubernetes_pod_name": metadata["name"],
                    "__meta_kubernetes_pod_phase": status.get("phase", ""),
                    "__meta_kubernetes_pod_container_port_name": port.get("name", ""),
                    "__meta_kubernetes_pod_container_port_number": str(port["containerPort"]),
                },
            }


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(
        f"Prometheus did not start: {(folder / 'prometheus.log').read_text(errors='replace')}"
    )
