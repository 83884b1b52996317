"""`python -m housing_serving`: serve the model that HOUSING_TASK names."""

from __future__ import annotations

import argparse
import os
import signal
import sys

from housing_core import __version__, logs
from housing_core.storage import StorageError
from housing_core.tasks import ENVIRONMENT_VARIABLE, ServingTask, TaskError
from housing_serving.app import Service
from housing_serving.request_log import add_request_fields
from housing_serving.server import build_server
from housing_serving.tracing import TracingError

# The loader tries again by itself, so that one attempt should end soon.
MLFLOW_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def main() -> None:
    """Serve until SIGTERM or SIGINT, then drain and end with 0.

    Ends with EX_CONFIG of sysexits.h when the environment is no use.
    """
    arguments = _parse_arguments()
    logs.configure()
    add_request_fields()
    for name, value in MLFLOW_SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        task = ServingTask.from_environment()
        if not task.version.isdigit():
            raise TaskError(f"version {task.version!r} is not a number of a version in MLflow")
        if not os.environ.get("MLFLOW_TRACKING_URI"):
            raise TaskError("MLFLOW_TRACKING_URI is not set: give the MLflow server's address")
        service = Service.for_task(task)
    except (TaskError, StorageError, TracingError) as error:
        sys.stderr.write(f"housing_serving: {error}\n")
        sys.exit(os.EX_CONFIG)
    # uvicorn raises the signal again when it has ended; that is no failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    build_server(service, arguments.host, arguments.port).run()


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m housing_serving",
        description="Serve predictions of one registered model over HTTP.",
        epilog=f"What to serve is in {ENVIRONMENT_VARIABLE}: a ServingTask as JSON, as the "
        "operator gives it. MLflow is found by MLFLOW_TRACKING_URI.",
    )
    parser.add_argument(
        "--host",
        default="0.0.0.0",  # noqa: S104 - a pod is reached from outside of it
        help="address to listen on (default: %(default)s)",
    )
    parser.add_argument(
        "--port", type=int, default=8080, help="port to listen on (default: %(default)s)"
    )
    parser.add_argument("--version", action="version", version=__version__)
    return parser.parse_args()


if __name__ == "__main__":
    main()
