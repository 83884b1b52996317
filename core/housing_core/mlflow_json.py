"""MLflow's JSON: its versions and runs as values of ours, and ours as it takes them. Pure."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from housing_core.registry_types import RegisteredVersion, Run

KEY_TAG = "housing-operator.dev/key"
"""On a run and on a version: the training that made it."""

REJECTED_TAG = "housing-operator.dev/rejected"
"""On a version: why it is not served."""

PROGRESS_TAG = "housing-operator.dev/progress"
"""On the run of a training under way: `TrainingProgress` as JSON."""

PARENT_TAG = "mlflow.parentRunId"
"""MLflow shows a run with it below the run that it names."""


def version_of(version: Mapping[str, Any]) -> RegisteredVersion:
    """A version of a registered model."""
    tags = _mapping(version.get("tags", []))
    return RegisteredVersion(
        number=str(version["version"]),
        run_id=version.get("run_id") or None,
        key=tags.get(KEY_TAG),
        rejected=tags.get(REJECTED_TAG),
        created=_time(version["creation_timestamp"]),
    )


def run_of(run: Mapping[str, Any]) -> Run:
    """A run of an experiment."""
    info, data = run["info"], run.get("data", {})
    return Run(
        run_id=info["run_id"],
        experiment=info["experiment_id"],
        status=info["status"],
        started=_time(info["start_time"]),
        artifacts=info["artifact_uri"],
        tags=_mapping(data.get("tags", [])),
        metrics={metric["key"]: float(metric["value"]) for metric in data.get("metrics", [])},
        params=_mapping(data.get("params", [])),
    )


def pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags or parameters as MLflow takes them."""
    return [{"key": key, "value": value} for key, value in values.items()]


def _mapping(pairs: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {pair["key"]: pair.get("value", "") for pair in pairs}


def milliseconds(moment: datetime | None) -> int:
    """Since 1970; of now when it is None."""
    return round((moment.timestamp() if moment else time.time()) * 1000)


def _time(milliseconds: int | str) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


def json_number(value: float) -> float | str:
    """As protobuf's JSON writes doubles, which JSON itself has no words for."""
    if math.isnan(value):
        return "NaN"
    return value if math.isfinite(value) else f"{'-' if value < 0 else ''}Infinity"
