"""Workers of a training as processes of their own, as their pods run them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from optuna.trial import FrozenTrial

from housing_core.tasks import Crewing, WorkerTask
from housing_operator.reconciliation.certificates import shared_certificate
from housing_training.selection.search import Kept
from tests.mlflow_server import free_port

ROOT = Path(__file__).parents[1]

PROGRAM = """
import asyncio, sys
from housing_core import logs
from optuna.trial import FrozenTrial

from housing_core.tasks import WorkerTask
from housing_training.worker import work
logs.configure()
sys.exit(asyncio.run(work(WorkerTask.from_environment(), {first}, {again})))
"""


def new_crewing(folder: Path) -> Crewing:
    """A port of its own, and a certificate as the operator makes it."""
    folder.mkdir()
    made = shared_certificate("test", datetime.now(UTC))
    for name, content in made.items():
        (folder / name).write_text(content)
    return Crewing(tls_folder=str(folder), port=free_port())


class NoStore:
    """A search's store that keeps nothing."""

    def load(self) -> Kept:
        return Kept()

    def save(self, kept: Kept) -> None:
        pass

    def record(self, trials: Iterable[FrozenTrial]) -> None:
        pass


class WorkerProcess:
    """A running worker."""

    def __init__(self, crewing: Crewing, log: Path, *, first: float, again: float) -> None:
        self.log = log
        task = WorkerTask(
            namespace="training-test",
            name="crew",
            scheduler=f"tls://127.0.0.1:{crewing.port}",
            tls_folder=crewing.tls_folder,
        )
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM.format(first=first, again=again)],
                env={**os.environ, "HOUSING_TASK": task.to_environment()},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_for(self, text: str, times: int = 1, seconds: float = 60) -> None:
        """Return as soon as the output holds a text so many times."""
        deadline = time.monotonic() + seconds
        while self.log.read_text().count(text) < times:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as the kernel ends a process that is out of memory."""
        self.process.kill()
        self.process.wait(10)


@contextmanager
def workers(
    crewing: Crewing, folder: Path, number: int, *, first: float = 120, again: float = 60
) -> Iterator[list[WorkerProcess]]:
    """Workers that look for a training for so many seconds at first, and again when it has gone."""
    folder.mkdir(parents=True, exist_ok=True)
    started = [
        WorkerProcess(crewing, folder / f"worker-{each}.log", first=first, again=again)
        for each in range(number)
    ]
    try:
        yield started
    finally:
        for worker in started:
            worker.kill()
