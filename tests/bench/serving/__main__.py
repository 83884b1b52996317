"""`python -m tests.bench.serving`: compare ways to serve the same forest; README.md says how."""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.bench.serving import load, report
from tests.bench.serving.results_page import write_comparison
from tests.bench.serving.running import Prepared, body_of, first_answer, running
from tests.bench.serving.servers import LIMIT, MLFLOW, OURS, Server, servers
from tests.mlflow_server import free_port

QUICK = (OURS, LIMIT, MLFLOW)
WARM_UP_SECONDS = 2.0
BATCH_ROWS = 1_000
BATCHES = 7
TOLERANCE = 1e-5

DISTURBED = 0.1
"""A window in which others used more than this share of a core is measured again, ..."""

REPEATS = 2
"""... so often; then the last one counts, and the table says so."""


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
    for name in names:
        every[name].python()
    if arguments.prepare:
        print("models and environments are there: make bench-serving measures")
        return
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
        text = report.table(list(results.values()), number + 1, arguments.seconds)
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
    """One pass of one server."""
    with tempfile.TemporaryDirectory(prefix="bench-serving-") as folder:
        own, port = Path(folder), free_port()
        server = servers(prepared.folder, own, port)[name]
        rows = prepared.rows
        bodies = [body_of(server, [row]) for row in rows]
        server.setup(prepared.folder, own)
        with running(server, prepared.folder, own) as process:
            result.cold_start.append(first_answer(process, port, server, bodies[0], own))
            _check(port, server, prepared)
            script = load.write_script(own / "rotate.lua", server.path, bodies)
            target = load.Target(port, script, process.pid)
            load.drive(target, 32, WARM_UP_SECONDS)
            for connections, windows in ((1, result.alone), (32, result.together)):
                windows.append(_window(target, connections, seconds, result))
            took = load.ask_in_turn(port, server.path, bodies, seconds)
            result.own_p50.append(float(np.percentile(took, 50)))
            result.own_p99.append(float(np.percentile(took, 99)))
            many = [body_of(server, [*rows] * (BATCH_ROWS // len(rows)))]
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


def _check(port: int, server: Server, prepared: Prepared) -> None:
    """Every answer must be the model's: scikit-learn's, or for ours that of the golden rows, which
    training compared with scikit-learn."""
    if server.shares is None:
        return
    asked, expected = prepared.rows, prepared.expected
    if server.name == OURS:
        golden = json.loads((prepared.folder / "bundle" / "golden.json").read_text("utf-8"))
        asked = [one["row"] for one in golden]
        expected = np.array([one["probabilities"] for one in golden])
    answers = [
        np.array(server.shares(load.ask(port, server.path, body_of(server, [row]))), float)[0]
        for row in asked
    ]
    difference = float(np.abs(np.array(answers) - expected).max())
    assert difference <= TOLERANCE, f"its answers are off by {difference:.2g}"
    many = np.array(server.shares(load.ask(port, server.path, body_of(server, asked))), float)
    difference = float(np.abs(many - expected).max())
    assert difference <= TOLERANCE, f"its answers to many rows are off by {difference:.2g}"


if __name__ == "__main__":
    if shutil.which("taskset") is None:
        sys.exit("taskset is not on PATH: install util-linux")
    main()
