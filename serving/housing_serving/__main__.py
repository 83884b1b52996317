"""`python -m housing_serving`: serve the model that HOUSING_TASK names."""

from __future__ import annotations

from housing_serving.workers import Supervisor, end_at_once_when_told, listen

if __name__ == "__main__":
    # Before the imports below, which take a second: SIGTERM passes the first process of a container
    # by as long as there is no handler.
    end_at_once_when_told()

import argparse
import gc
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from prometheus_client.multiprocess import mark_process_dead

from housing_core import __version__, logs
from housing_core.bundle import BundleError
from housing_core.storage import StorageError
from housing_core.tasks import ENVIRONMENT_VARIABLE, ServingTask, TaskError
from housing_serving.http.accepting import ConnectionCounts
from housing_serving.http.request_log import add_request_fields
from housing_serving.http.tracing import TracingError
from housing_serving.inference.model import Model
from housing_serving.metrics import share_between_workers
from housing_serving.server import Sharing, serve
from housing_serving.service import Service
from housing_serving.versions.loader import load_copy

# The loader tries again by itself, so that one attempt should end soon.
MLFLOW_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}

SWITCH_SECONDS = 0.0005
"""How long the event loop waits for a thread that computes, such as the log's. Python's 5 ms, for
each of the loop's calls, is most of what the slowest answers would take."""


def main() -> None:
    """Serve until SIGTERM or SIGINT, then drain and end with 0.

    Ends with EX_CONFIG of sysexits.h when the environment is no use.
    """
    arguments = _parse_arguments()
    sys.setswitchinterval(SWITCH_SECONDS)
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
        try:
            shared = listen(arguments.host, arguments.port)
        except OSError as error:
            _complain(f"cannot listen on port {arguments.port}: {error}")
        if task.workers == 1:
            serve(Service.for_task(task), shared)
        else:
            sys.exit(supervise(task, shared))
    except (TaskError, StorageError, TracingError) as error:
        _complain(error)


def supervise(task: ServingTask, shared: socket.socket) -> int:
    """Serve with several workers, which share the socket and the pinned version's memory.

    Returns:
        The exit code.

    """
    folder = Path(tempfile.mkdtemp(prefix="housing-metrics-"))
    loaded: list[Model] = []
    counts = ConnectionCounts(task.workers)

    def share() -> bool:
        try:
            model = load_copy(task)
        except BundleError:
            return True  # there is nothing to wait for, and each worker says what is wrong with it
        if model:
            loaded.append(model)
            gc.freeze()  # a collection would write to what is shared
        return model is not None

    def work(slot: int, replaces: bool, beat: Callable[[], None]) -> None:
        share_between_workers(folder, slot)
        try:
            service = Service.for_task(task, loaded[0] if loaded else None)
        except (StorageError, TracingError) as error:
            _complain(error)
        if replaces:
            service.metrics.worker_restarts.inc()
        if slot or replaces:
            # The first worker of a pod says that it has no model yet. The others have siblings
            # that answer, and take no requests away from them before they can.
            service.loader.load_first()
        serve(service, shared, Sharing(counts, slot, beat))

    def ended(slot: int) -> None:
        counts.leave(slot)
        mark_process_dead(slot, path=str(folder))  # type: ignore[no-untyped-call]  # it has no types

    try:
        return Supervisor(task.workers, work=work, share=share, ended=ended).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _complain(error: object) -> NoReturn:
    sys.stderr.write(f"housing_serving: {error}\n")
    sys.exit(os.EX_CONFIG)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m housing_serving",
        description="Serve predictions of one registered model over HTTP.",
        epilog=f"What to serve is in {ENVIRONMENT_VARIABLE}: a ServingTask as JSON, as the "
        "operator gives it. MLflow is found by MLFLOW_TRACKING_URI.",
    )
    parser.add_argument(
        "--host",
        help="address to listen on (default: all, of IPv4 and IPv6)",
    )
    parser.add_argument(
        "--port", type=int, default=8080, help="port to listen on (default: %(default)s)"
    )
    parser.add_argument("--version", action="version", version=__version__)
    return parser.parse_args()


if __name__ == "__main__":
    main()
