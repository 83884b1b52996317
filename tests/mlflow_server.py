"""A real MLflow server as a process of its own, which can be away while a test wants it to."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.processes import end_group
from tests.relay import Relay

if TYPE_CHECKING:
    from mlflow import MlflowClient

START_SECONDS = 240
STOP_SECONDS = 15


def free_port() -> int:
    """Return a TCP port on the loopback interface that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def stock_client(url: str) -> MlflowClient:
    """MLflow's own client, which takes seconds to import: what we write, others must read."""
    from mlflow import MlflowClient

    return MlflowClient(url, url)


class MlflowServer:
    """`mlflow server` with a SQLite backend, its artifacts proxied, all its data under `folder`.

    Clients reach it by a relay, so that it can be `away` without the half minute of a restart.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self._own_port = free_port(), free_port()
        self._relay = Relay(self.port, self._own_port)
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it answers. Does nothing while it runs.

        Raises RuntimeError, with the end of the server's log, if it does not answer within 240 s.
        """
        if self._process is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [
            *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
            *("--host", "127.0.0.1", "--port", str(self._own_port)),
            *("--backend-store-uri", f"sqlite:///{self.folder / 'mlflow.db'}"),
            *("--serve-artifacts", "--artifacts-destination", str(self.folder / "artifacts")),
        ]
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")},
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait_until_it_answers(self._process)
        self._relay.open()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Inside, the server refuses its clients, and has broken with those that it had."""
        self._relay.close()
        try:
            yield
        finally:
            self._relay.open()

    def stop(self) -> None:
        """End the server and its workers, by their own process group. Does nothing when down."""
        process, self._process = self._process, None
        if process is None:
            return
        self._relay.close()
        end_group(process, STOP_SECONDS)
        process.wait(STOP_SECONDS)

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self._own_port}/health", timeout=5):
                    return
            except OSError:
                time.sleep(0.2)
        self.stop()
        tail = self.log.read_text(errors="replace")[-4000:]
        raise RuntimeError(f"the MLflow server did not answer; its log ends:\n{tail}")


@contextmanager
def running_server(folder: Path) -> Iterator[MlflowServer]:
    """Inside, a new server whose data is under the folder."""
    server = MlflowServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
