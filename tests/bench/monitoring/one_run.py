"""The whole program on an ordinary window: a process, a real MLflow server, an API server's answer."""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from housing_core.api.spec import Dataset, Target, Thresholds
from housing_core.registry import Registry
from housing_core.tasks import MonitoringTask
from tests.bench.monitoring.engine import image_python
from tests.bundles import register_bundle
from tests.listings import TARGET, Listings, read_listings, write_profile
from tests.mlflow_server import MlflowServer
from tests.prediction_logs import write_traffic

MODEL = "bench.istanbul"
RUN_SECONDS = 120


class TakesEverything(BaseHTTPRequestHandler):
    """An API server that takes every status; the cluster's own is no part of what is timed."""

    def do_PATCH(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


def one_run(rows: int = 10_000, runs: int = 5) -> dict[str, Any]:
    """Wall and CPU seconds of each run, of which each makes a report; and of `--help`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mlflow = MlflowServer(folder / "mlflow")
        kubernetes = ThreadingHTTPServer(("127.0.0.1", 0), TakesEverything)
        threading.Thread(target=kubernetes.serve_forever, daemon=True).start()
        mlflow.start()
        try:
            _register(Registry(mlflow.url), folder / "bundle", rows, folder / "log")
            environment = {
                **{key: value for key, value in os.environ.items() if "KUBE" not in key},
                "KUBECONFIG": str(_kubeconfig(folder / "kubeconfig", kubernetes.server_port)),
                "MLFLOW_TRACKING_URI": mlflow.url,
            }
            found: dict[str, Any] = {
                "rows": rows,
                "runs": [],
                "help": _timed(environment, "--help"),
            }
            for number in range(runs):
                # Another threshold makes another report: each run writes its own to MLflow.
                task = _task(folder, psi=0.25 + number / 1000)
                found["runs"].append(_timed({**environment, "HOUSING_TASK": task.to_environment()}))
                print(found["runs"][-1], flush=True)
            assert (
                len(Registry(mlflow.url).runs(MODEL, "tags.`mlflow.runName` LIKE 'drift%'")) == runs
            )
            return found
        finally:
            mlflow.stop()
            kubernetes.shutdown()


def _timed(environment: dict[str, str], *arguments: str) -> dict[str, float]:
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [str(image_python()), "-m", "housing_monitoring", *arguments]
    done = subprocess.run(
        command, env=environment, capture_output=True, timeout=RUN_SECONDS, check=False
    )
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr.decode()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": wall, "cpu": cpu}


def _register(registry: Registry, folder: Path, rows: int, place: Path) -> None:
    listings = read_listings("istanbul")
    cut = int(len(listings.frame) * 0.5)
    training, holdout = listings.rows(0, cut), listings.rows(cut, len(listings.frame))
    register_bundle(registry, MODEL, write_profile(folder, MODEL, training, holdout))
    traffic = Listings(holdout.frame.iloc[:rows], holdout.classes[:rows])
    classes = traffic.classes.tolist()
    write_traffic(place, MODEL, traffic.records(), classes=classes, end=datetime.now(UTC))


def _task(folder: Path, psi: float) -> MonitoringTask:
    return MonitoringTask(
        namespace="bench",
        name="istanbul",
        production_version="1",
        log_uri=str(folder / "log"),
        dataset=Dataset(uri=str(folder), target=Target(column=TARGET)),
        window_seconds=86_400,
        min_samples=200,
        evaluation_window_seconds=30 * 86_400,
        min_labels=100,
        thresholds=Thresholds(psi=psi),
    )


def _kubeconfig(path: Path, port: int) -> Path:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bench",
        "clusters": [{"name": "bench", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        "users": [{"name": "bench", "user": {"token": "none"}}],
    }
    path.write_text(yaml.safe_dump(content))
    return path
