"""What the tests of the monitor do with a model: register versions, log traffic, run the monitor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema

from housing_core.api.spec import Dataset, Target, Thresholds
from housing_core.drift_report import HTML_FILE, JSON_FILE, DriftReport
from housing_core.registry import Registry
from housing_core.registry_types import Run
from housing_core.tasks import MonitoringTask
from housing_monitoring.publish import REPORT_TAG
from tests.bundles import register_bundle
from tests.cluster_client import ROOT, Cluster, Manifest
from tests.listings import CLASSES, TARGET, Listings, write_profile
from tests.prediction_logs import write_labels, write_traffic

RUN_SECONDS = 120
BATCH = 50
PRICES = (1e6, 4e6, 9e6)
"""One of each class."""

SCHEMA = ROOT / "docs" / "reference" / "drift-report.schema.json"


@dataclass(frozen=True)
class Ended:
    """How a process of the monitor ended; every line of its log was JSON."""

    code: int
    lines: list[dict[str, Any]]

    @property
    def message(self) -> str:
        """The last line's message."""
        return str(self.lines[-1]["message"])


@dataclass(frozen=True)
class Monitored:
    """One model under test.

    Attributes:
        kubeconfig: speaks as the model's monitor.
        folder: of this test; the log is in `log`, the dataset in `dataset`.

    """

    cluster: Cluster
    namespace: str
    name: str
    registry: Registry
    kubeconfig: Path
    folder: Path

    @property
    def model_name(self) -> str:
        return f"{self.namespace}.{self.name}"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def task(self, **changes: Any) -> MonitoringTask:
        settings: dict[str, Any] = {
            "namespace": self.namespace,
            "name": self.name,
            "production_version": "1",
            "log_uri": str(self.log),
            "dataset": Dataset(uri=f"{self.folder}/dataset", target=Target(column=TARGET)),
            "window_seconds": 86_400,
            "min_samples": 200,
            "evaluation_window_seconds": 30 * 86_400,
            "min_labels": 100,
            "thresholds": Thresholds(),
        }
        return MonitoringTask(**(settings | changes))

    def register(self, training: Listings, holdout: Listings) -> str:
        """Register a version with the profile of these listings; it has no graph."""
        folder = write_profile(self.folder / "bundle", self.model_name, training, holdout)
        return register_bundle(self.registry, self.model_name, folder)

    def log_traffic(self, listings: Listings, **more: Any) -> None:
        write_traffic(
            self.log,
            self.model_name,
            listings.records(),
            classes=listings.classes.tolist(),
            end=datetime.now(UTC),
            **more,
        )

    def log_labels(self, listings: Listings, rows: range, right: float) -> None:
        """Write the prices of some of the logged rows: a share `right` of them as predicted.

        The rows are those of `log_traffic(listings, request="r")`.
        """
        position = {name: number for number, name in enumerate(CLASSES)}
        labels = []
        for number, row in enumerate(rows):
            truth = position[listings.classes[row]]
            if number * 37 % 100 >= 100 * right:
                truth = (truth + 1) % len(CLASSES)
            labels.append((f"r{row // BATCH}", row % BATCH, PRICES[truth]))
        write_labels(self.log, self.model_name, labels, datetime.now(UTC))

    def run(self, task: MonitoringTask | None = None, **environment: str) -> Ended:
        """Run `python -m housing_monitoring` to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "housing_monitoring"],
            env={
                **{name: value for name, value in os.environ.items() if "KUBE" not in name},
                "KUBECONFIG": str(self.kubeconfig),
                "MLFLOW_TRACKING_URI": self.registry.tracking_uri,
                "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
                "HOUSING_TASK": (task or self.task()).to_environment(),
                **environment,
            },
            capture_output=True,
            timeout=RUN_SECONDS,
            check=False,
        )
        assert done.stdout == b""
        return Ended(done.returncode, [json.loads(line) for line in done.stderr.splitlines()])

    def housing_model(self) -> Manifest:
        """The object as the API server has it, with the owners of its fields."""
        found: Manifest = json.loads(
            self.cluster.kubectl(
                *("get", "housingmodel", self.name, "-n", self.namespace),
                *("-o", "json", "--show-managed-fields"),
            )
        )
        return found

    def status(self) -> Manifest:
        status: Manifest = self.housing_model().get("status", {})
        return status

    def drift(self) -> Manifest:
        drift: Manifest = self.status()["drift"]
        return drift

    def report_runs(self) -> list[Run]:
        """The runs in MLflow that hold reports on this model, oldest first."""
        return self.registry.runs(self.model_name, f"tags.`{REPORT_TAG}` LIKE '%'")

    def report(self, run_id: str) -> DriftReport:
        """The report as a run holds it; it is as the published schema says."""
        content = self.registry.download_run_file(run_id, JSON_FILE)
        jsonschema.validate(json.loads(content), json.loads(SCHEMA.read_text()))
        return DriftReport.model_validate_json(content)

    def page(self, run_id: str) -> str:
        return self.registry.download_run_file(run_id, HTML_FILE).decode()
