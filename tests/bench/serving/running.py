"""A server of the comparison while it runs, and what it is asked."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.bench.serving import load
from tests.bench.serving.prepare import prepare
from tests.bench.serving.servers import OURS, Row, Server, servers, variables
from tests.mlflow_server import free_port
from tests.processes import end_group

START_SECONDS = 120.0
STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Prepared:
    """What `prepare` has made: its folder, listings, and the pipeline's answers to them."""

    folder: Path
    rows: list[Row]
    expected: np.ndarray

    @classmethod
    def read(cls) -> Prepared:
        """Make it when it is not there yet."""
        folder = prepare()
        rows = json.loads((folder / "rows.json").read_text("utf-8"))
        return cls(folder, rows, np.array(json.loads((folder / "answers.json").read_text("utf-8"))))


def body_of(server: Server, rows: Sequence[Row]) -> bytes:
    """A request of that server for some listings."""
    return json.dumps(server.body(rows), ensure_ascii=False).encode()


@contextmanager
def running(server: Server, prepared: Path, own: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The server on its cores, ended with all its processes."""
    python = server.python()
    with (own / "output.log").open("wb") as log:
        process = subprocess.Popen(
            ["taskset", "-c", server.cores, python, *server.command],
            env=variables(server, prepared, own),
            cwd=own,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end_group(process, STOP_SECONDS)


@contextmanager
def answering(prepared: Prepared, name: str) -> Iterator[tuple[Server, load.Target, list[bytes]]]:
    """A server that has given its first answer, and a body for each listing."""
    with tempfile.TemporaryDirectory(prefix="bench-serving-") as folder:
        own, port = Path(folder), free_port()
        server = servers(prepared.folder, own, port)[name]
        server.setup(prepared.folder, own)
        bodies = [body_of(server, [row]) for row in prepared.rows]
        with running(server, prepared.folder, own) as process:
            first_answer(process, port, server, bodies[0], own)
            script = load.write_script(own / "rotate.lua", server.path, bodies)
            yield server, load.Target(port, script, process.pid), bodies


def without_a_server(prepared: Prepared) -> dict[str, list[float]]:
    """Rows at once → microseconds of encoding and of inference for a row, on the server's core."""
    server = servers(prepared.folder, Path(), 0)[OURS]
    program = ("taskset", "-c", server.cores, server.python(), "-m", "apps.in_process")
    done = subprocess.run(
        [*program, prepared.folder / "same-forest", prepared.folder / "rows.json"],
        env=variables(server, prepared.folder, prepared.folder),
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, list[float]] = json.loads(done.stdout)
    return found


def first_answer(
    process: subprocess.Popen[bytes], port: int, server: Server, body: bytes, own: Path
) -> float:
    """Seconds from the start of the process to its first answer."""
    begun = time.monotonic()
    while True:
        try:
            load.ask(port, server.path, body)
        except (OSError, ValueError) as error:
            late = time.monotonic() - begun > START_SECONDS
            if late or process.poll() is not None:
                log = (own / "output.log").read_text(errors="replace")
                raise AssertionError(f"no answer: {error}; its log ends: {log[-400:]}") from error
            time.sleep(0.01)
        else:
            return time.monotonic() - begun
