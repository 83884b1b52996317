"""`python -m tests.bench.serving`: compare ways to serve the same forest; README.md says how."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.bench.serving import load, report
from tests.bench.serving.prepare import prepare
from tests.bench.serving.servers import Row, Server, servers, variables
from tests.mlflow_server import free_port

QUICK = ("housing-operator", "empty FastAPI route", "mlflow models serve")
START_SECONDS = 120.0
STOP_SECONDS = 30.0
WARM_UP_SECONDS = 2.0
BATCH_ROWS = 1_000
BATCHES = 7
TOLERANCE = 1e-5

DISTURBED = 0.1
"""A window in which others used more than this share of a core is measured again, ..."""

REPEATS = 2
"""... so often; then the last one counts, and the table says so."""


@dataclass(frozen=True)
class Prepared:
    """What `prepare` has made: its folder, listings, and the pipeline's answers to them."""

    folder: Path
    rows: list[Row]
    expected: np.ndarray  # type: ignore[type-arg]

    @classmethod
    def read(cls) -> Prepared:
        """Make it when it is not there yet."""
        folder = prepare()
        rows = json.loads((folder / "rows.json").read_text("utf-8"))
        return cls(folder, rows, np.array(json.loads((folder / "answers.json").read_text("utf-8"))))


@dataclass
class Result:
    """What was seen of one server; lists have an entry for each pass."""

    name: str
    cold_start: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    alone: list[load.Window] = field(default_factory=list)
    together: list[load.Window] = field(default_factory=list)
    own_p50: list[float] = field(default_factory=list)
    own_p99: list[float] = field(default_factory=list)
    batch: list[float] = field(default_factory=list)
    disturbed: int = 0
    failure: str = ""


def main() -> None:
    """Measure and write the table."""
    arguments = _parse_arguments()
    prepared = Prepared.read()
    every = servers(prepared.folder, Path(), 0)
    names = QUICK if arguments.quick else arguments.servers or list(every)
    results = {name: Result(name) for name in names}
    for number in range(arguments.passes):
        for name in names:
            result = results[name]
            if result.failure:
                continue
            print(f"pass {number + 1} of {arguments.passes}: {name}", flush=True)
            try:
                _measure(prepared, name, arguments.seconds, result)
            except (OSError, ValueError, AssertionError, subprocess.SubprocessError) as error:
                result.failure = " ".join(str(error).split())[:300] or type(error).__name__
                print(f"  failed: {result.failure}", flush=True)
    text = report.table(list(results.values()), arguments.passes, arguments.seconds)
    print(text)
    if arguments.output:
        arguments.output.write_text(report.page(text, prepared.folder), encoding="utf-8")
    if any(result.failure for result in results.values()):
        sys.exit(1)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.serving", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}")
    parser.add_argument("--servers", nargs="*", help="only these")
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="of one window")
    parser.add_argument("--output", type=Path, help="write the page here")
    return parser.parse_args()


def _measure(prepared: Prepared, name: str, seconds: float, result: Result) -> None:
    """One pass of one server."""
    with tempfile.TemporaryDirectory(prefix="bench-serving-") as folder:
        own, port = Path(folder), free_port()
        server = servers(prepared.folder, own, port)[name]
        rows = prepared.rows
        bodies = [_body(server, [row]) for row in rows]
        server.setup(prepared.folder, own)
        with _running(server, prepared.folder, own) as process:
            result.cold_start.append(_first_answer(process, port, server, bodies[0], own))
            _check(port, server, prepared)
            script = load.write_script(own / "rotate.lua", server.path, bodies)
            target = load.Target(port, script, process.pid)
            load.drive(target, 32, WARM_UP_SECONDS)
            for connections, windows in ((1, result.alone), (32, result.together)):
                windows.append(_window(target, connections, seconds, result))
            took = load.ask_in_turn(port, server.path, bodies, seconds)
            result.own_p50.append(float(np.percentile(took, 50)))
            result.own_p99.append(float(np.percentile(took, 99)))
            many = [_body(server, [*rows] * (BATCH_ROWS // len(rows)))]
            took = [load.ask_in_turn(port, server.path, many, 0)[0] for _ in range(BATCHES)]
            result.batch.append(statistics.median(took))
            result.megabytes.append(load.tree_megabytes(process.pid))


def _window(target: load.Target, connections: int, seconds: float, result: Result) -> load.Window:
    """One window of wrk, by the rule for disturbed ones."""
    for _ in range(REPEATS + 1):
        window = load.drive(target, connections, seconds)
        if window.others <= DISTURBED:
            return window
    result.disturbed += 1
    return window


def _body(server: Server, rows: Sequence[Row]) -> bytes:
    return json.dumps(server.body(rows), ensure_ascii=False).encode()


@contextmanager
def _running(server: Server, prepared: Path, own: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The server on the first core, ended with all its processes."""
    python = server.python()
    with (own / "output.log").open("wb") as log:
        process = subprocess.Popen(
            ["taskset", "-c", "0", python, *server.command],
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
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                process.wait(STOP_SECONDS)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue


def _first_answer(
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
                raise AssertionError(f"no answer: {error}; its log ends: {log[-1500:]}") from error
            time.sleep(0.01)
        else:
            return time.monotonic() - begun


def _check(port: int, server: Server, prepared: Prepared) -> None:
    """Every answer must be the model's: scikit-learn's, or for ours that of the golden rows, which
    training compared with scikit-learn."""
    if server.shares is None:
        return
    asked, expected = prepared.rows, prepared.expected
    if server.name == "housing-operator":
        golden = json.loads((prepared.folder / "bundle" / "golden.json").read_text("utf-8"))
        asked = [one["row"] for one in golden]
        expected = np.array([one["probabilities"] for one in golden])
    answers = [
        np.array(server.shares(load.ask(port, server.path, _body(server, [row]))), float)[0]
        for row in asked
    ]
    difference = float(np.abs(np.array(answers) - expected).max())
    assert difference <= TOLERANCE, f"its answers are off by {difference:.2g}"
    many = np.array(server.shares(load.ask(port, server.path, _body(server, asked))), float)
    difference = float(np.abs(many - expected).max())
    assert difference <= TOLERANCE, f"its answers to many rows are off by {difference:.2g}"


if __name__ == "__main__":
    if shutil.which("taskset") is None:
        sys.exit("taskset is not on PATH: install util-linux")
    main()
