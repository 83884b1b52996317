"""The full report as a run in the model's experiment in MLflow."""

from __future__ import annotations

import hashlib
import re

from housing_core.drift_report import HTML_FILE, JSON_FILE, DriftReport
from housing_core.registry import Registry
from housing_core.registry_types import Run
from housing_core.times import parse_time
from housing_monitoring.page.history import REPORTS, PastReport, metrics_of, past_report
from housing_monitoring.page.html import page

REPORT_TAG = "housing-operator.dev/drift-report"
"""On a run: the report that it holds."""

_VERSION_TAG = "housing-operator.dev/model-version"
_VERDICT_TAG = "housing-operator.dev/verdict"

_CONTENT_TAG = "housing-operator.dev/report-digest"

_FINISHED = "FINISHED"
_NOT_IN_METRIC_NAMES = re.compile(r"[^\w.\- ]")
_METRIC_NAME_LIMIT = 200


def publish(registry: Registry, report: DriftReport) -> str:
    """Write a report to MLflow, as one run for each report id.

    A report that is there is left as it is, unless it says something else by now: labels that came
    since change the evaluation of a window, and not always its id. Then the run's report is
    replaced; so is one that an interrupted monitor left behind.

    Returns:
        Id of the run that holds it.

    Raises:
        RegistryError: as of `Registry`.

    """
    run, content = _find(registry, report), _digest(report)
    if run is not None and run.status == _FINISHED and run.tags.get(_CONTENT_TAG) == content:
        return run.run_id
    if run is None:
        run = registry.create_run(
            report.model_name,
            _tags(report),
            name=f"drift-{report.report_id}",
            started=parse_time(report.time),
        )
    whole = report.model_copy(update={"run_id": run.run_id})
    registry.log(run.run_id, metrics=_metrics(report), tags=_tags(report))
    registry.upload(run, JSON_FILE, whole.model_dump_json(indent=1).encode())
    past = [*_earlier(registry, report.model_name, run), past_report(report)]
    registry.upload(run, HTML_FILE, page(whole, past).encode())
    # Last: what is interrupted before this is done again.
    registry.log(run.run_id, tags={_CONTENT_TAG: content})
    registry.end_run(run.run_id)
    return run.run_id


def _digest(report: DriftReport) -> str:
    """Of what the report says; its time and its run are no part of that."""
    said = report.model_dump_json(exclude={"time", "run_id"})
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _find(registry: Registry, report: DriftReport) -> Run | None:
    condition = f"tags.`{REPORT_TAG}` = '{report.report_id}'"
    return next(iter(registry.runs(report.model_name, condition, limit=1)), None)


def _earlier(registry: Registry, model: str, own: Run) -> list[PastReport]:
    """The newest reports before this one that are complete, oldest first."""
    condition = f"tags.`{REPORT_TAG}` LIKE '%' and attributes.status = '{_FINISHED}'"
    return [
        PastReport(
            time=run.started,
            version=run.tags.get(_VERSION_TAG, "unknown"),
            verdict=run.tags.get(_VERDICT_TAG, "unknown"),
            metrics=run.metrics,
        )
        for run in reversed(registry.runs(model, condition, newest=True, limit=REPORTS))
        if run.run_id != own.run_id and run.started <= own.started
    ]


def _tags(report: DriftReport) -> dict[str, str]:
    return {
        REPORT_TAG: report.report_id,
        _VERSION_TAG: report.model_version,
        _VERDICT_TAG: report.verdict,
        "mlflow.note.content": report.reason,
    }


def _metrics(report: DriftReport) -> dict[str, float]:
    found: dict[str, float | None] = {**metrics_of(report)}
    for feature in report.features:
        name = _NOT_IN_METRIC_NAMES.sub("_", feature.name)[:_METRIC_NAME_LIMIT]
        found[f"psi.{name}"] = feature.psi
    return {name: value for name, value in found.items() if value is not None}
