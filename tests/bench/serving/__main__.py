"""`python -m tests.bench.serving`: compare ways to serve the same forest; README.md says how."""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from tests.bench.serving import load, report
from tests.bench.serving.results_page import write_comparison
from tests.bench.serving.running import (
    Prepared,
    body_of,
    first_answer,
    running,
    without_a_server,
)
from tests.bench.serving.servers import LIMIT, MLFLOW, OURS, SWITCHED_LOG, Row, Server, servers
from tests.mlflow_server import free_port

QUICK = (OURS, LIMIT, MLFLOW)
WARM_UP_SECONDS = 2.0
BATCH_ROWS = 1_000
BATCHES = 7
TOLERANCE = 1e-5

DISTURBED = 0.1
"""A window or a start in which others used more than this share of a core is measured again, ..."""

REPEATS = 2
"""... so often; then the last one counts, and the table says so."""

Measured = TypeVar("Measured")

MOST_LINES = 10
"""With the path of its requests in them, that a server may write: access logs are off, for all."""


@dataclass
class Result:
    """What was seen of one server; lists have an entry for each pass."""

    name: str
    cold_start: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    alone: list[load.Window] = field(default_factory=list)
    together: list[load.Window] = field(default_factory=list)
    own_alone: list[tuple[float, float]] = field(default_factory=list)
    """Milliseconds: p50 and p99."""
    own_together: list[tuple[float, float]] = field(default_factory=list)
    batch: list[float] = field(default_factory=list)
    windows: int = 0
    disturbed: int = 0
    failure: str = ""


def main() -> None:
    """Measure and write the table."""
    arguments = _parse_arguments()
    prepared = Prepared.read()
    every = servers(prepared.folder, Path(), 0)
    rows = [name for name in every if name != SWITCHED_LOG]
    names = QUICK if arguments.quick else arguments.servers or rows
    for name in names:
        every[name].python()
    if arguments.prepare:
        print("models and environments are there: make bench-serving measures")
        return
    in_process = without_a_server(prepared)
    load.take_the_last_core()
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
                result.failure = " ".join(str(error).split())[:900] or type(error).__name__
                print(f"  failed: {result.failure}", flush=True)
        text = report.table(list(results.values()), number + 1, arguments.seconds, in_process)
        if arguments.output:  # after each pass, so that a run that is cut short leaves what it has
            write_comparison(arguments.output, report.page(text, prepared.folder))
    print(text)
    if any(result.failure for result in results.values()):
        sys.exit(1)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.serving", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}")
    parser.add_argument(
        "--prepare", action="store_true", help="make models and environments, measure nothing"
    )
    parser.add_argument("--servers", nargs="*", help="only these")
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="of one window")
    parser.add_argument("--output", type=Path, help="write the page here")
    return parser.parse_args()


def _measure(prepared: Prepared, name: str, seconds: float, result: Result) -> None:
    """One pass of one server, which is started anew where its start was disturbed."""
    result.windows += 1
    for repeat in range(REPEATS + 1):
        with tempfile.TemporaryDirectory(prefix="bench-serving-") as folder:
            own, port = Path(folder), free_port()
            server = servers(prepared.folder, own, port)[name]
            server.setup(prepared.folder, own)
            body = body_of(server, prepared.rows[:1])
            watch = load.Watch()
            with running(server, prepared.folder, own) as process:
                cold_start = first_answer(process, port, server, body, own)
                disturbed = watch.others() > DISTURBED
                if disturbed and repeat < REPEATS:
                    continue
                result.disturbed += disturbed
                result.cold_start.append(cold_start)
                _check(port, server, prepared)
                target = load.Target(port, own / "rotate.lua", process.pid)
                _load(server, prepared, target, seconds, result)
                result.megabytes.append(load.tree_megabytes(process.pid))
                return


def _load(
    server: Server, prepared: Prepared, target: load.Target, seconds: float, result: Result
) -> None:
    """All windows of a server that runs."""
    bodies = [body_of(server, [row]) for row in prepared.rows]
    load.write_script(target.script, server.path, bodies)
    load.drive(target, 32, WARM_UP_SECONDS)
    log = target.script.with_name("output.log")
    written = len(log.read_bytes())
    asking = (target.port, server.path, bodies, seconds)
    result.alone.append(_window(partial(load.drive, target, 1, seconds), result))
    result.together.append(_window(partial(load.drive, target, 32, seconds), result))
    took = _window(partial(load.ask_in_turn, *asking), result)
    result.own_alone.append(_p50_and_p99(took))
    took = _window(partial(load.ask_at_once, *asking, 32), result)
    result.own_together.append(_p50_and_p99(took))
    many = [body_of(server, [*prepared.rows] * (BATCH_ROWS // len(prepared.rows)))]

    def ask_many() -> float:
        return statistics.median(
            load.ask_in_turn(target.port, server.path, many, 0)[0] for _ in range(BATCHES)
        )

    result.batch.append(_window(ask_many, result))
    _check_silence(log.read_bytes()[written:], server.path)


def _p50_and_p99(took: list[float]) -> tuple[float, float]:
    return float(np.percentile(took, 50)), float(np.percentile(took, 99))


def _window(measure: Callable[[], Measured], result: Result) -> Measured:
    """One measurement, by the rule for disturbed ones."""
    result.windows += 1
    for _ in range(REPEATS + 1):
        watch = load.Watch()
        measured = measure()
        if watch.others() <= DISTURBED:
            return measured
    result.disturbed += 1
    return measured


def _check_silence(written: bytes, path: str) -> None:
    lines = [line for line in written.splitlines() if path.encode() in line]
    begin = b" ".join(lines[:2])[:300].decode(errors="replace")
    assert len(lines) <= MOST_LINES, f"it wrote {len(lines)} lines on requests: {begin}"


def _check(port: int, server: Server, prepared: Prepared) -> None:
    """Every answer to the rows that are sent must be scikit-learn's: asked one by one, all in one
    request, and in 32 requests at once, as the load does."""
    if server.shares is None:
        return
    rows, shares = prepared.rows, server.shares

    def ask(some: list[Row]) -> np.ndarray:
        return np.array(shares(load.ask(port, server.path, body_of(server, some))), float)

    with ThreadPoolExecutor(32) as pool:
        answers = {
            "one by one": np.concatenate([ask([row]) for row in rows]),
            "in one request": ask(rows),
            "32 at once": np.concatenate(list(pool.map(ask, [[row] for row in rows]))),
        }
    for how, found in answers.items():
        difference = float(np.abs(found - prepared.expected).max())
        assert difference <= TOLERANCE, f"its answers {how} are off by {difference:.2g}"


if __name__ == "__main__":
    if shutil.which("taskset") is None:
        sys.exit("taskset is not on PATH: install util-linux")
    main()
