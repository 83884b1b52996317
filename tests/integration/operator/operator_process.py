"""The operator as a process of its own, on the test cluster and a real MLflow server."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.cluster_client import Cluster
from tests.mlflow_server import free_port

START_SECONDS = 90
STOP_SECONDS = 30


class OperatorProcess:
    """`python -m housing_operator` for one namespace; its ports stay the same over restarts."""

    def __init__(self, cluster: Cluster, namespace: str, tracking_uri: str, folder: Path) -> None:
        self.metrics_port, self.health_port = free_port(), free_port()
        self.log = folder / "operator.log"
        # What the tests' own MLflow client has set is not the operator's.
        inherited = {k: v for k, v in cluster.environment.items() if not k.startswith("MLFLOW_")}
        self._environment = {
            **inherited,
            "MLFLOW_TRACKING_URI": tracking_uri,
            "HOUSING_TRAINING_IMAGE": "example.com/training:1",
            "HOUSING_SERVING_IMAGE": "example.com/serving:1",
            "HOUSING_MONITORING_IMAGE": "example.com/monitoring:1",
            "HOUSING_WATCH_NAMESPACES": namespace,
            "PYTHONFAULTHANDLER": "1",  # as in its image
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers its probe. Raises RuntimeError with its log if not."""
        command = [
            *(sys.executable, "-m", "housing_operator"),
            *("--metrics-port", str(self.metrics_port), "--health-port", str(self.health_port)),
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self.health()
            except OSError:
                time.sleep(0.2)
            else:
                return
        self.kill()
        raise RuntimeError(f"the operator did not start; its log ends:\n{self.tail()}")

    def stop(self) -> int:
        """Ask it to end, and return how it ended."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """End it without asking."""
        return self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop it and start it again."""
        self.stop()
        self.start()

    def health(self, host: str = "127.0.0.1") -> str:
        """Return the answer to the liveness probe. Raises OSError when it is none or an error."""
        return _get(f"http://{host}:{self.health_port}/healthz")

    def metrics(self, host: str = "127.0.0.1") -> str:
        """Return what Prometheus scrapes."""
        return _get(f"http://{host}:{self.metrics_port}/metrics")

    def metric(self, name: str) -> float:
        """Return the sum over all labels of a metric's samples."""
        lines = self.metrics().splitlines()
        found = [line for line in lines if line.startswith((f"{name} ", f"{name}{{"))]
        return sum(float(line.rpartition(" ")[2]) for line in found)

    def tail(self) -> str:
        """Return the end of its log, and how it ended where nobody had ended it."""
        ended = self._process.poll() if self._process else None
        last_line = "" if ended is None else f"the operator ended by itself, with {ended}\n"
        return self.log.read_text(errors="replace")[-6000:] + last_line

    def _end(self, how: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(how)
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
            raise RuntimeError(f"the operator did not end; its log ends:\n{self.tail()}") from None


def _get(url: str) -> str:
    try:
        return _read(url)
    except http.client.RemoteDisconnected:
        return _read(url)  # an answer that is cut off is asked for again, as any scraper does


def _read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        text: str = answer.read().decode()
        return text
