"""`python -m housing_serving` as a process of its own, without pandas."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from housing_core.tasks import ServingHealth, ServingTask
from tests.mlflow_server import free_port

# pyarrow imports pandas where it finds it: a second of processor time in the log's first write, which
# the image is spared.
AS_IN_THE_IMAGE = """
import runpy, sys

class NoPandas:
    def find_spec(name, path=None, target=None):
        if name == "pandas":
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, NoPandas)
runpy.run_module("housing_serving", run_name="__main__")
"""

START_SECONDS = 60
STOP_SECONDS = 30


def serving_task(folder: Path, name: str, version: str, **changes: Any) -> ServingTask:
    """Make a task whose files are all in a folder."""
    values = {
        "namespace": "serving",
        "name": name,
        "track": "production",
        "version": version,
        "policy_file": str(folder / "policy.json"),
        "log_uri": str(folder / "log"),
        "model_cache": str(folder / "cache"),
    }
    return ServingTask(**{**values, **changes})


class ServingProcess:
    """One serving process; what it writes goes to `<folder>/serving.log`.

    It listens already, unless one asks for it as soon as it can be told to end.
    """

    def __init__(
        self, task: ServingTask, tracking_uri: str, folder: Path, *, listens: bool = True
    ) -> None:
        self.task = task
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_file = folder / "serving.log"
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", AS_IN_THE_IMAGE, f"--port={self.port}"],
                env={
                    **os.environ,
                    "HOUSING_TASK": task.to_environment(),
                    "MLFLOW_TRACKING_URI": tracking_uri,
                    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
                },
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.client = httpx.Client(base_url=self.url, timeout=30)
        try:
            self.wait_until(self._listens if listens else self._handles_sigterm, START_SECONDS)
        except BaseException:  # nobody else could end it
            self.process.kill()
            self.process.wait()
            raise

    def health(self) -> ServingHealth:
        """What `/health` says, as the operator reads it."""
        answer = self.client.get("/health")
        assert answer.status_code == 200
        return ServingHealth.model_validate_json(answer.content)

    def ready(self) -> httpx.Response:
        """The answer of the readiness probe."""
        return self.client.get("/health/ready")

    def predict(self, body: Any, **headers: str) -> httpx.Response:
        """Send a prediction request; bytes go as they are."""
        if isinstance(body, bytes):
            headers.setdefault("Content-Type", "application/json")
            return self.client.post("/predict", content=body, headers=headers)
        return self.client.post("/predict", json=body, headers=headers)

    def metric(self, sample: str) -> float | None:
        """Value of a sample by its text, for example `housing_requests_total{code="200",route="predict"}`."""
        for line in self.client.get("/metrics").text.splitlines():
            name, _, value = line.rpartition(" ")
            if name == sample:
                return float(value)
        return None

    def wait_for(self, version: str, level: str, seconds: float = 60) -> ServingHealth:
        """Wait until this version answers at this level."""
        self.wait_until(
            lambda: (self.health().version, self.health().serving_from) == (version, level), seconds
        )
        return self.health()

    def wait_until(self, holds: Callable[[], bool], seconds: float) -> None:
        """Wait, and show the process's log when it does not come."""
        deadline = time.monotonic() + seconds
        while not holds():
            gone = self.process.poll() is not None
            if gone or time.monotonic() > deadline:
                tail = self.log_file.read_text(errors="replace")[-4000:]
                raise AssertionError(f"{'ended' if gone else 'late'}; the log ends:\n{tail}")
            time.sleep(0.05)

    def terminate(self) -> None:
        """Send SIGTERM; the process goes on draining."""
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """Send SIGTERM, wait for the end and return the exit code."""
        if self.process.poll() is None:
            self.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.client.close()

    def _handles_sigterm(self) -> bool:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (handled,) = re.findall(r"^SigCgt:\s*(\w+)$", status, re.MULTILINE)
        return bool(int(handled, 16) >> (signal.SIGTERM - 1) & 1)

    def _listens(self) -> bool:
        try:
            return self.client.get("/health/live").status_code == 200
        except httpx.TransportError:
            return False
