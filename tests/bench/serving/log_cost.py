"""`python -m tests.bench.serving.log_cost`: what the prediction log costs a loaded server.

One process, whose log is switched off and on every 30 ms: two that run the same code differ by up to
20 %, and so does one process from one second to the next on a machine that others share too.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from housing_serving.log.writer import FLUSH_SECONDS
from tests.bench.serving import load
from tests.bench.serving.results_page import LOG_HEADING, write_log_cost
from tests.bench.serving.running import Prepared, answering
from tests.bench.serving.servers import SWITCHED_LOG

PAGE = Path(__file__).parents[3] / "docs" / "results" / "serving.md"
CONNECTIONS = 32
WARM_UP_SECONDS = 3.0
SECONDS = 120.0
GOAL = 0.05


@dataclass(frozen=True)
class LogCost:
    """Microseconds of processor time.

    Attributes:
        request: without the log.
        event_loop: what a request takes more with it, for each pair of slices.
        thread: of the log's thread, for each row that it writes.

    """

    request: float
    event_loop: Sequence[float]
    thread: float

    def share(self) -> tuple[float, float, float]:
        """Of a request's processor time, which is all that a server on one core has: middle, and the
        ends of the 95 % interval of the mean."""
        middle = statistics.fmean(self.event_loop)
        # Neighbours share a slice, so that only every second pair is new.
        error = 1.96 * statistics.stdev(self.event_loop) / (len(self.event_loop) / 2) ** 0.5
        low, middle, high = (
            (of_loop + self.thread) / self.request
            for of_loop in (middle - error, middle, middle + error)
        )
        return low, middle, high


def main() -> None:
    """Measure, and write the page's part."""
    prepared = Prepared.read()
    load.take_the_last_core()
    text = section(measure(prepared))
    write_log_cost(PAGE, text)
    print(text)


def measure(prepared: Prepared) -> LogCost:
    """Load a server with its log switched off and on."""
    with answering(prepared, SWITCHED_LOG) as (_, target, _):
        load.drive(target, CONNECTIONS, WARM_UP_SECONDS)
        os.kill(target.pid, signal.SIGUSR1)
        load.drive(target, CONNECTIONS, SECONDS)
        time.sleep(1.5 * FLUSH_SECONDS)  # until all is written
        os.kill(target.pid, signal.SIGUSR2)
        written = Path(f"/proc/{target.pid}/cwd/slices.json")
        deadline = time.monotonic() + 10
        while not written.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        return cost_of(json.loads(written.read_text("utf-8")))


def cost_of(seen: dict[str, Any]) -> LogCost:
    """What `apps/switched_log.py` has written → the cost.

    Slices in which little was answered, before and after the load, do not count.
    """
    slices = [(is_on, rows, nanoseconds / 1e3) for is_on, rows, nanoseconds in seen["slices"]]
    enough = statistics.median(rows for _, rows, _ in slices) / 2
    differences = []
    for before, own, after in zip(slices, slices[1:], slices[2:], strict=False):
        if min(before[1], own[1], after[1]) < enough:
            continue
        around = (before[2] / before[1] + after[2] / after[1]) / 2
        difference = own[2] / own[1] - around
        differences.append(difference if own[0] else -difference)
    without = [taken / rows for is_on, rows, taken in slices if not is_on and rows >= enough]
    return LogCost(
        request=statistics.median(without),
        event_loop=differences,
        thread=seen["log_nanoseconds"] / 1e3 / seen["logged_rows"],
    )


def section(cost: LogCost) -> str:
    """The page's part."""
    low, middle, high = cost.share()
    of_loop = statistics.fmean(cost.event_loop)
    return (
        f"{LOG_HEADING}\n\n"
        f"Made by `make bench-serving-log` on {datetime.now(UTC):%Y-%m-%d}: one server on one core, "
        f"{CONNECTIONS} connections for {SECONDS:g} s from the other, its log switched off and on "
        f"every 30 ms; {len(cost.event_loop):,} pairs of neighbouring slices. What the log's thread "
        "drives from the processor's cache slows both kinds alike, and is not in it.\n\n"
        "| microseconds of processor time | |\n|---|---|\n"
        f"| a request without the log | {cost.request:.1f} |\n"
        f"| the log, in the event loop | {of_loop:.1f} |\n"
        f"| the log, in its thread, for a row | {cost.thread:.1f} |\n\n"
        f"Together {of_loop + cost.thread:.1f} µs, or **{middle:.1%}** of a request ({low:.1%} to "
        f"{high:.1%}). The goal, under {GOAL:.0%}, is {'reached' if high < GOAL else 'not shown'}.\n"
    )


if __name__ == "__main__":
    main()
