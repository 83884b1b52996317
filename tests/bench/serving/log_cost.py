"""What the prediction log costs: ours with it and without it, both running, asked in turn.

Windows of seconds that follow each other, since the speed of a machine that others share too
changes by more than 5 % from one minute to the next.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from housing_serving.log_writer import FLUSH_SECONDS
from tests.bench.serving import load
from tests.bench.serving.running import Prepared, body_of, first_answer, running
from tests.bench.serving.servers import OURS, WITHOUT_LOG, servers
from tests.mlflow_server import free_port

PAIRS = 10
WINDOW_SECONDS = 4.0
CONNECTIONS = 32


@dataclass(frozen=True)
class LogCost:
    """Medians over the pairs of windows.

    Attributes:
        requests: share of the requests a second that are lost to the log.
        processor: share by which a request takes more processor time, the writing of its row
            counted in.
        pairs: of windows.

    """

    requests: float
    processor: float
    pairs: int


def measure(prepared: Prepared) -> LogCost:
    """Ask both in turn, with 32 connections."""
    slower, dearer = [], []
    with ExitStack() as stack:
        with_log = stack.enter_context(_target(prepared, OURS))
        without = stack.enter_context(_target(prepared, WITHOUT_LOG))
        _window(with_log)
        _window(without)
        both = (with_log, without)
        for pair in range(PAIRS):
            # The one that is asked first changes, so that a machine that gets slower favours none.
            seen = {target: _window(target) for target in (both if pair % 2 else both[::-1])}
            (rate, cost), (rate_without, cost_without) = (seen[target] for target in both)
            slower.append(1 - rate / rate_without)
            dearer.append(cost / cost_without - 1)
    return LogCost(statistics.median(slower), statistics.median(dearer), PAIRS)


def _window(target: load.Target) -> tuple[float, float]:
    """Requests a second, and processor seconds of one until its row is written."""
    before = load.tree_seconds(target.pid)
    window = load.drive(target, CONNECTIONS, WINDOW_SECONDS)
    time.sleep(1.5 * FLUSH_SECONDS)
    used = load.tree_seconds(target.pid) - before
    return window.rate, used / (window.rate * WINDOW_SECONDS)


@contextmanager
def _target(prepared: Prepared, name: str) -> Iterator[load.Target]:
    with tempfile.TemporaryDirectory(prefix="bench-serving-") as folder:
        own, port = Path(folder), free_port()
        server = servers(prepared.folder, own, port)[name]
        server.setup(prepared.folder, own)
        bodies = [body_of(server, [row]) for row in prepared.rows]
        with running(server, prepared.folder, own) as process:
            first_answer(process, port, server, bodies[0], own)
            script = load.write_script(own / "rotate.lua", server.path, bodies)
            yield load.Target(port, script, process.pid)
