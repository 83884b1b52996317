"""The full report as a run in the model's experiment in MLflow."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

from mlflow.entities import Metric, Run, RunTag

from housing_core.drift_report import HTML_FILE, JSON_FILE, DriftReport
from housing_core.registry import Registry, translated
from housing_core.times import parse_time
from housing_monitoring.history import REPORTS, PastReport, metrics_of, past_report
from housing_monitoring.page import page

REPORT_TAG = "housing-operator.dev/drift-report"
"""On a run: the report that it holds."""

_VERSION_TAG = "housing-operator.dev/model-version"
_VERDICT_TAG = "housing-operator.dev/verdict"

_FINISHED = "FINISHED"
_NOT_IN_METRIC_NAMES = re.compile(r"[^\w.\- ]")
_METRIC_NAME_LIMIT = 200


def publish(registry: Registry, report: DriftReport) -> str:
    """Write a report to MLflow, once: a report that is there is left as it is.

    Returns:
        Id of the run that holds it.

    Raises:
        RegistryError: as of `Registry`.

    """
    experiment = registry.experiment(report.model_name)
    client = registry.client
    with translated(f"drift report {report.report_id}"):
        run = _find(registry, experiment, report.report_id)
        if run is not None and run.info.status == _FINISHED:
            return str(run.info.run_id)
        if run is None:
            run = client.create_run(
                experiment,
                start_time=int(parse_time(report.time).timestamp() * 1000),
                tags=_tags(report),
                run_name=f"drift-{report.report_id}",
            )
        # A run that an interrupted monitor left behind is completed.
        run_id = str(run.info.run_id)
        whole = report.model_copy(update={"run_id": run_id})
        client.log_batch(
            run_id,
            metrics=_metrics(report),
            tags=[RunTag(key, value) for key, value in _tags(report).items()],
        )
        client.log_text(run_id, whole.model_dump_json(indent=1), JSON_FILE)
        past = [*_earlier(registry, experiment), past_report(report)]
        client.log_text(run_id, page(whole, past), HTML_FILE)
        client.set_terminated(run_id, _FINISHED)
    return run_id


def _find(registry: Registry, experiment: str, report_id: str) -> Run | None:
    runs = registry.client.search_runs(
        [experiment],
        f"tags.`{REPORT_TAG}` = '{report_id}'",
        order_by=["attributes.start_time ASC"],
        max_results=1,
    )
    return runs[0] if runs else None


def _earlier(registry: Registry, experiment: str) -> list[PastReport]:
    """The newest reports that are complete, oldest first."""
    runs = registry.client.search_runs(
        [experiment],
        f"tags.`{REPORT_TAG}` LIKE '%' and attributes.status = '{_FINISHED}'",
        order_by=["attributes.start_time DESC"],
        max_results=REPORTS - 1,
    )
    return [
        PastReport(
            time=datetime.fromtimestamp(run.info.start_time / 1000, UTC),
            version=run.data.tags.get(_VERSION_TAG, "unknown"),
            verdict=run.data.tags.get(_VERDICT_TAG, "unknown"),
            metrics=run.data.metrics,
        )
        for run in reversed(runs)
    ]


def _tags(report: DriftReport) -> dict[str, str]:
    return {
        REPORT_TAG: report.report_id,
        _VERSION_TAG: report.model_version,
        _VERDICT_TAG: report.verdict,
        "mlflow.note.content": report.reason,
    }


def _metrics(report: DriftReport) -> list[Metric]:
    found: dict[str, float | None] = {**metrics_of(report)}
    for feature in report.features:
        name = _NOT_IN_METRIC_NAMES.sub("_", feature.name)[:_METRIC_NAME_LIMIT]
        found[f"psi.{name}"] = feature.psi
    now = int(time.time() * 1000)
    return [Metric(name, value, now, 0) for name, value in found.items() if value is not None]
