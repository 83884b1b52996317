"""Results → the table of docs/results/serving.md."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from housing_core import __version__
from tests.bench.serving.servers import LIMIT, MLFLOW, OUR_OWN, OURS

if TYPE_CHECKING:
    from tests.bench.serving.__main__ import Result
    from tests.bench.serving.load import Window

_HEAD = (
    "| server | requests/s at 32 | p50 / p99 at 32, ms (wrk) | p50 / p99 at 32, ms (own) "
    "| p50 / p99 at 1, ms (wrk) | p50 / p99 at 1, ms (own) | 1,000 rows, ms | memory, MB "
    "| cold start, s | CPU of a request at 32, µs | errors | disturbed |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|"
)


def table(
    results: Sequence[Result],
    passes: int,
    seconds: float,
    in_process: dict[str, list[float]],
) -> str:
    """Medians over the passes, with the range in brackets where there are several."""
    lines = [_HEAD, *map(_line, results)]
    lines.append(f"\n{passes} passes, windows of {seconds:g} s.")
    lines.append(
        "A row of ours takes, without a server around it: "
        + "; ".join(
            f"{encoding:.1f} µs to encode and {inference:.1f} µs of inference, {many} at a time"
            for many, (encoding, inference) in in_process.items()
        )
        + "."
    )
    return "\n".join([*lines, *_goals({result.name: result for result in results})])


def page(text: str, prepared: Path) -> str:
    """The whole page."""
    nodes = json.loads((prepared / "columns.json").read_text("utf-8"))["nodes"]
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return (
        "# Serving, compared\n\n"
        f"Written by `make bench-serving` on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC; "
        "[how it is measured](../../tests/bench/serving/README.md).\n\n"
        f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}, Python "
        f"{platform.python_version()}, housing-operator {__version__}; one core for the server, one "
        f"for wrk; load average at the end: {load}. One listing in a request, 200 real ones in "
        f"turn; one forest for all: 100 trees grown to their end, {nodes:,} nodes; our bundle of it "
        f"is {_sizes(prepared / 'same-forest')}. Ours runs with prediction log, metrics and request "
        "ids. Access logs are off everywhere. Two workers share their second core with wrk.\n\n"
        f"{text}\n"
    )


def _line(result: Result) -> str:
    if result.failure:
        return f"| {result.name} | failed: {result.failure[:120]} ||||||||||||"
    windows = [*result.alone, *result.together]
    return (
        f"| {result.name} "
        f"| {_middle([w.rate for w in result.together], 0)} "
        f"| {_of_wrk(result.together)} | {_pair(result.own_together)} "
        f"| {_of_wrk(result.alone)} | {_pair(result.own_alone)} "
        f"| {_middle(result.batch, 0)} | {_middle(result.megabytes, 0)} "
        f"| {_middle(result.cold_start, 1)} "
        f"| {_middle([w.cpu for w in result.together], 0)} "
        f"| {sum(w.errors for w in windows)} | {result.disturbed} of {result.windows} |"
    )


def _goals(results: dict[str, Result]) -> list[str]:
    """The goals of issue 6, where what they compare was measured."""
    good = {name: result for name, result in results.items() if not result.failure}
    ours = good.get(OURS)
    if ours is None:
        return []
    rate, batch = _rate(ours), statistics.median(ours.batch)
    own_p99, wrk_p99 = _p99(ours), statistics.median([w.p99 for w in ours.alone])
    lines = ["\n| goal | measured | reached |", "|---|---|---|"]

    def goal(text: str, measured: str, reached: bool) -> None:
        lines.append(f"| {text} | {measured} | {'yes' if reached else 'no'} |")

    if empty := good.get(LIMIT):
        share = _ratio(rate, _rate(empty))
        cpu = _ratio(_cpu(empty), _cpu(ours))
        measured = f"{share:.0%}; by processor time {cpu:.0%}"
        goal("at 32 connections at least 60 % of the empty route", measured, share >= 0.6)
    if mlflow := good.get(MLFLOW):
        times = _ratio(rate, _rate(mlflow))
        goal("at 32 connections at least 60× `mlflow models serve`", f"{times:.0f}×", times >= 60)
    peers = [result for name, result in good.items() if name not in (*OUR_OWN, LIMIT)]
    if peers:
        best = max(peers, key=_rate)
        times = _ratio(rate, _rate(best))
        measured = f"{times:.1f}× {best.name}"
        goal("at 32 connections at least 6× the best peer", measured, times >= 6)
    if empty:
        times = _ratio(
            statistics.median([w.p50 for w in ours.alone]),
            statistics.median([w.p50 for w in empty.alone]),
        )
        own = _ratio(_p50(ours), _p50(empty))
        measured = f"{times:.2f}× by wrk, {own:.2f}× by our own socket"
        goal("p50 at 1 connection at most 2× the empty route's", measured, max(times, own) <= 2)
    measured = f"{wrk_p99:.1f} ms by wrk, {own_p99:.1f} ms by our own socket"
    goal("p99 at 1 connection under 5 ms", measured, max(wrk_p99, own_p99) < 5)
    megabytes, seconds = statistics.median(ours.megabytes), statistics.median(ours.cold_start)
    goal("one worker at most 200 MB", f"{megabytes:.0f} MB", megabytes <= 200)
    goal("cold start at most 2 s", f"{seconds:.1f} s", seconds <= 2)
    if peers:
        quickest = min(peers, key=lambda peer: statistics.median(peer.batch))
        times = _ratio(statistics.median(quickest.batch), batch)
        measured = f"{times:.1f}× {quickest.name}"
        goal("1,000 rows at least 3× faster than the best peer", measured, times >= 3)
    return lines


def _ratio(one: float, other: float) -> float:
    """Infinite where a short window saw no answer at all."""
    return one / other if other else float("inf")


def _rate(result: Result) -> float:
    return statistics.median([window.rate for window in result.together])


def _cpu(result: Result) -> float:
    return statistics.median([window.cpu for window in result.together])


def _p50(result: Result) -> float:
    return statistics.median([p50 for p50, _ in result.own_alone])


def _p99(result: Result) -> float:
    return statistics.median([p99 for _, p99 in result.own_alone])


def _middle(values: Sequence[float], digits: int) -> str:
    middle = f"{statistics.median(values):,.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"


def _of_wrk(windows: Sequence[Window]) -> str:
    return _pair([(window.p50, window.p99) for window in windows])


def _pair(times: Sequence[tuple[float, float]]) -> str:
    return " / ".join(_middle(part, 2) for part in zip(*times, strict=True))


def _sizes(bundle: Path) -> str:
    """Megabytes of a bundle on disk, and of its large files."""
    sizes = {file.name: file.stat().st_size / 1e6 for file in sorted(bundle.iterdir())}
    large = ", ".join(f"`{name}` {size:.1f}" for name, size in sizes.items() if size >= 1)
    return f"{sum(sizes.values()):.1f} MB on disk ({large})"
