"""`python -m housing_monitoring`: one report on the task in HOUSING_TASK, and then its log is kept."""

from __future__ import annotations

import argparse
import logging
import sys
from datetime import UTC, datetime, timedelta

from housing_core import __version__, logs
from housing_core.tasks import (
    ENVIRONMENT_VARIABLE,
    LOG_NOT_KEPT_EXIT_CODE,
    MonitoringTask,
    TaskError,
)

logger = logging.getLogger("housing_monitoring")


def main() -> int:
    """Make one report, and then compact the prediction log and delete what is too old.

    Returns:
        0 when the report was made, whatever its verdict; 1 when it was not, and the next run should
        try; `LOG_NOT_KEPT_EXIT_CODE` when a person has to mend the log's place.

    """
    parser = argparse.ArgumentParser(
        prog="housing_monitoring",
        description="Compare the latest predictions of a HousingModel with what it was trained "
        "on; write the report to MLflow and its summary to status.drift. Then compact its prediction "
        "log, and delete what is older than the task says.",
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
    # The log is kept also while MLflow is away, and never before the report.
    reported = _report(task)
    kept = _keep_log(task)
    return reported or kept


def _report(task: MonitoringTask) -> int:
    # Kubernetes and pyarrow take a second to import, which --help and a bad task need not wait for.
    from housing_core.registry import RegistryError  # noqa: PLC0415 - see above
    from housing_core.storage import StorageError  # noqa: PLC0415 - see above
    from housing_monitoring.kube import StatusError  # noqa: PLC0415 - see above
    from housing_monitoring.run import run  # noqa: PLC0415 - see above

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


def _keep_log(task: MonitoringTask) -> int:
    # As above: loaded once there is a task.
    from housing_core.storage import (  # noqa: PLC0415 - see above
        StorageError,
        StorageUnavailableError,
    )
    from housing_monitoring.log.housekeeping import keep_log, tell  # noqa: PLC0415 - see above

    try:
        retention = timedelta(days=task.retention_days)
        kept = keep_log(task.log_uri, task.model_name, retention, datetime.now(UTC))
    except StorageUnavailableError as error:
        logger.warning("the next run keeps the prediction log: %s", error)
        return 0
    except StorageError as error:
        logger.error("the prediction log is not kept: %s", error)
        return LOG_NOT_KEPT_EXIT_CODE
    tell(kept, task.model_name)
    return LOG_NOT_KEPT_EXIT_CODE if kept.problems else 0


if __name__ == "__main__":
    sys.exit(main())
