"""A real Prometheus that finds and scrapes the test cluster's pods by the chart's own configuration."""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
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
INTERVAL = "5s"
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

    def series(self, query: str) -> list[dict[str, Any]]:
        """Return the series of a query since the start; their `values` have a point every 5 s."""
        found: list[dict[str, Any]] = self.get(
            "query_range", query=query, start=self.began, end=time.time(), step=INTERVAL
        )["result"]
        return found


@contextmanager
def running_prometheus(cluster: Cluster, folder: Path) -> Iterator[PrometheusServer]:
    """Run Prometheus with the chart's scrape configuration and rules until the caller is done.

    It reaches the pods through the API server, so it need not be in the cluster's network.
    """
    with cluster.api_server() as api_server:
        rules = re.sub(
            r"for: \w+$", SOON, (CHART / "prometheus" / "rules.yaml").read_text(), flags=re.M
        )
        (folder / "rules.yaml").write_text(rules)
        configuration = {
            "global": {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL},
            "rule_files": [str(folder / "rules.yaml")],
            "scrape_configs": [through(api_server, job) for job in scrape_configs()],
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


def through(api_server: str, job: dict[str, Any]) -> dict[str, Any]:
    """Return a job that asks and scrapes through an API server's address without a login."""
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
        {
            "target_label": "__address__",
            "replacement": api_server.removeprefix("http://"),
        },
    ]
    return {
        **job,
        "kubernetes_sd_configs": [{"role": "pod", "api_server": api_server}],
        "relabel_configs": [*job["relabel_configs"], *by_proxy],
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
