"""`python -m housing_training`: one training, told by the environment variable HOUSING_TASK."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from housing_core import __version__, logs
from housing_core.log_reading.dataset import FeedbackError
from housing_core.registry import Registry, RegistryError
from housing_core.storage import StorageError, StorageUnavailableError
from housing_core.tasks import (
    ENVIRONMENT_VARIABLE,
    INVALID_DATA_EXIT_CODE,
    TaskError,
    TrainingOutcome,
    TrainingTask,
)
from housing_training.errors import InvalidDataError

TERMINATION_LOG_VARIABLE = "HOUSING_TERMINATION_LOG"
TERMINATION_LOG = "/dev/termination-log"

EXIT_CODES = {"Registered": 0, "NoNewData": 0, "InvalidData": INVALID_DATA_EXIT_CODE, "Failed": 1}

logger = logging.getLogger("housing_training")


def main() -> int:
    """Run the training and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m housing_training",
        description="Train a price classifier from listings and register it in MLflow.",
        epilog=f"{ENVIRONMENT_VARIABLE} holds the training as JSON, MLFLOW_TRACKING_URI the "
        f"address of MLflow; the outcome is written to {TERMINATION_LOG}, or to the file that "
        f"{TERMINATION_LOG_VARIABLE} names. Exit codes: 0 registered or no new data, "
        f"{INVALID_DATA_EXIT_CODE} data that cannot be trained on, 1 a failure that another "
        "attempt may cure.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.parse_args()
    logs.configure()
    logging.captureWarnings(True)  # one JSON object a line, whoever speaks
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    # It misses pip, which the image is without on purpose.
    logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)
    outcome = _train()
    level = logging.INFO if EXIT_CODES[outcome.outcome] == 0 else logging.ERROR
    logger.log(level, outcome.message, extra={"outcome": outcome.outcome})
    _write_outcome(outcome)
    return EXIT_CODES[outcome.outcome]


def _train() -> TrainingOutcome:
    # --help need not wait seconds for scikit-learn and MLflow.
    from housing_training.job import TrainingJob  # noqa: PLC0415 - see above

    try:
        task = TrainingTask.from_environment()
        job = TrainingJob(task, Registry())
    except (TaskError, RegistryError) as error:
        return TrainingOutcome(outcome="Failed", message=str(error))
    try:
        return job.train()
    except InvalidDataError as error:
        return job.fail("InvalidData", str(error))
    except StorageUnavailableError as error:
        return job.fail("Failed", str(error))
    except FeedbackError as error:
        return job.fail("InvalidData", str(error))
    except StorageError as error:
        return job.fail("InvalidData", f"dataset.uri: {error}")
    except RegistryError as error:
        return job.fail("Failed", str(error))
    except MemoryError:
        return job.fail(
            "Failed", "out of memory: raise training.resources or give the forest a maxDepth"
        )
    except Exception as error:
        logger.exception("the training failed in a way that was not foreseen")
        return job.fail("Failed", f"{type(error).__name__}: {error}")


def _write_outcome(outcome: TrainingOutcome) -> None:
    path = Path(os.environ.get(TERMINATION_LOG_VARIABLE, TERMINATION_LOG))
    try:
        path.write_text(outcome.to_termination_message(), encoding="utf-8")
    except OSError as error:
        logger.warning("the outcome cannot be written to %s: %s", path, error)


if __name__ == "__main__":
    sys.exit(main())
