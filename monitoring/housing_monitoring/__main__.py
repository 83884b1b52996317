"""`python -m housing_monitoring`: one report on the task in HOUSING_TASK."""

from __future__ import annotations

import argparse
import logging
import sys
from datetime import UTC, datetime

from housing_core import __version__, logs
from housing_core.tasks import ENVIRONMENT_VARIABLE, MonitoringTask, TaskError

logger = logging.getLogger("housing_monitoring")


def main() -> int:
    """Make one report.

    Returns:
        0 when it was made, whatever its verdict; 1 when it was not, and the next run should try.

    """
    parser = argparse.ArgumentParser(
        prog="housing_monitoring",
        description="Compare the latest predictions of a HousingModel with what it was trained "
        "on; write the report to MLflow and its summary to status.drift.",
        epilog=f"{ENVIRONMENT_VARIABLE} holds the task as JSON and MLFLOW_TRACKING_URI the "
        "address of MLflow; the operator sets both.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.parse_args()
    logs.configure()
    try:
        task = MonitoringTask.from_environment()
    except TaskError as error:
        logger.error("%s", error)
        return 1
    return _report(task)


def _report(task: MonitoringTask) -> int:
    # MLflow and Kubernetes take a second to import, which --help and a bad task need not wait for.
    from housing_core.registry import RegistryError  # noqa: PLC0415
    from housing_core.storage import StorageError  # noqa: PLC0415
    from housing_monitoring.kube import StatusError  # noqa: PLC0415
    from housing_monitoring.run import run  # noqa: PLC0415

    try:
        report = run(task, datetime.now(UTC))
    except (RegistryError, StorageError, StatusError) as error:
        logger.error("no report: %s", error, extra={"model": task.model_name})
        return 1
    logger.info(
        "%s: %s",
        report.verdict,
        report.reason,
        extra={
            "model": report.model_name,
            "version": report.model_version,
            "report": report.report_id,
            "run": report.run_id,
            "samples": report.samples,
            "alerts": len(report.alerts),
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
