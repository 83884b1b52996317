"""What the prediction log costs: one server asked with its log on and off, in turn.

Short windows that follow each other, since the speed of a machine that others share too changes by
more than 5 % from one minute to the next, and many of them, since it also does from one second to
the next.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass

from housing_serving.log.writer import FLUSH_SECONDS
from tests.bench.serving import load
from tests.bench.serving.running import Prepared, answering
from tests.bench.serving.servers import SWITCHED_LOG

PAIRS = 30
WINDOW_SECONDS = 2.0
CONNECTIONS = 32


@dataclass(frozen=True)
class LogCost:
    """Of each pair of windows.

    Attributes:
        requests: share of the requests a second that are lost to the log.
        processor: share by which a request takes more processor time, the writing of its row
            counted in.

    """

    requests: Sequence[float]
    processor: Sequence[float]


def measure(prepared: Prepared) -> LogCost:
    """Ask it with 32 connections."""
    slower, dearer = [], []
    with answering(prepared, SWITCHED_LOG) as (_, target, _):
        _window(target, is_on=True)
        for pair in range(PAIRS):
            # What is first changes, so that a machine that gets slower favours none.
            seen = {is_on: _window(target, is_on) for is_on in (pair % 2 == 0, pair % 2 == 1)}
            (rate, cost), (rate_without, cost_without) = seen[True], seen[False]
            slower.append(1 - rate / rate_without)
            dearer.append(cost / cost_without - 1)
    return LogCost(slower, dearer)


def _window(target: load.Target, is_on: bool) -> tuple[float, float]:
    """Requests a second, and processor seconds of one until its row is written."""
    os.kill(target.pid, signal.SIGUSR2 if is_on else signal.SIGUSR1)
    before = load.tree_seconds(target.pid)
    window = load.drive(target, CONNECTIONS, WINDOW_SECONDS)
    if is_on:
        time.sleep(1.2 * FLUSH_SECONDS)
    used = load.tree_seconds(target.pid) - before
    return window.rate, used / (window.rate * WINDOW_SECONDS)
