"""One run of the monitor: one report."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from housing_core import storage
from housing_core.drift_report import DriftReport
from housing_core.log_reading.dataset import list_dataset
from housing_core.registry import Registry
from housing_core.tasks import MonitoringTask
from housing_monitoring.kube import apply_drift
from housing_monitoring.log.labels import read_labelled
from housing_monitoring.log.window import Window, read_window
from housing_monitoring.measures.performance import Labelled
from housing_monitoring.profile import NoProfileError, Profile, fetch_profile
from housing_monitoring.publish import publish
from housing_monitoring.report import judge, without_profile

logger = logging.getLogger(__name__)


def run(task: MonitoringTask, now: datetime) -> DriftReport:
    """Judge the window that ends now, and tell MLflow and the HousingModel.

    Everything can be done again: the same window gives the same report, which MLflow keeps once.

    Args:
        task: what to judge.
        now: aware.

    Raises:
        RegistryError: when MLflow is away, or does not know the version.
        StorageError: when the prediction log cannot be read.
        StatusError: when the API server is away, or refuses.

    """
    registry = Registry()
    try:
        profile = fetch_profile(registry, task.model_name, task.production_version)
    except NoProfileError as error:
        # It will not get a profile by itself: say so on the resource instead of failing for ever.
        report = without_profile(task, _read(task, None, now), now, str(error))
    else:
        report = judge(task, profile, _read(task, profile, now), _labelled(task, profile, now), now)
    report = _with_fingerprint(report, task)
    report = report.model_copy(update={"run_id": publish(registry, report)})
    apply_drift(task.namespace, task.name, report.to_status())
    return report


def _read(task: MonitoringTask, profile: Profile | None, now: datetime) -> Window:
    window = read_window(
        *(task.log_uri, task.model_name, task.production_version, profile),
        start=now - timedelta(seconds=task.window_seconds),
        now=now,
    )
    for name, why in window.skipped_files.items():
        logger.warning("skipped a file of the prediction log", extra={"file": name, "why": why})
    for why, rows in window.skipped_rows.items():
        logger.warning("left rows out", extra={"rows": rows, "why": why})
    return window


def _labelled(task: MonitoringTask, profile: Profile, now: datetime) -> Labelled:
    labelled = read_labelled(
        *(task.log_uri, task.model_name, task.production_version, profile),
        start=now - timedelta(seconds=task.evaluation_window_seconds),
        now=now,
    )
    for why, labels in labelled.skipped.items():
        logger.warning("left labels out", extra={"labels": labels, "why": why})
    return labelled


def _with_fingerprint(report: DriftReport, task: MonitoringTask) -> DriftReport:
    """The report with the digest of the dataset's listing; a dataset that is away is only noted."""
    try:
        digest = storage.fingerprint(list_dataset(task.dataset, task.log_uri, task.model_name))
    except storage.StorageError as error:
        logger.warning("the dataset cannot be listed", extra={"why": str(error)})
        message = f"the dataset cannot be listed, so a change of it would not be seen: {error}"
        return report.model_copy(update={"messages": [*report.messages, message]})
    return report.model_copy(update={"dataset_fingerprint": digest})
