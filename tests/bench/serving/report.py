"""Results → the table of docs/results/serving.md."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from housing_core import __version__

if TYPE_CHECKING:
    from tests.bench.serving.__main__ import Result

_HEAD = (
    "| server | requests/s at 32 | p50 / p99 at 32, ms | p50 / p99 at 1, ms (wrk) "
    "| p50 / p99 at 1, ms (own) | 1,000 rows, ms | memory, MB | cold start, s "
    "| CPU of a request at 32, µs | errors | disturbed |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|"
)


def table(results: Sequence[Result], passes: int, seconds: float) -> str:
    """Medians over the passes, with the range in brackets where there are several."""
    lines = [_HEAD, *map(_line, results)]
    lines.append(f"\n{passes} passes, windows of {seconds:g} s.")
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
        f"turn; 100 trees grown to their end, {nodes:,} nodes in the peers' forest. Ours runs with "
        "prediction log, metrics and request ids.\n\n"
        f"{text}\n"
    )


def _line(result: Result) -> str:
    if result.failure:
        return f"| {result.name} | failed: {result.failure[:120]} |||||||||||"
    windows = [*result.alone, *result.together]
    return (
        f"| {result.name} "
        f"| {_middle([w.rate for w in result.together], 0)} "
        f"| {_pair(result.together)} | {_pair(result.alone)} "
        f"| {_median(result.own_p50):.2f} / {_median(result.own_p99):.2f} "
        f"| {_middle(result.batch, 0)} | {_middle(result.megabytes, 0)} "
        f"| {_middle(result.cold_start, 1)} "
        f"| {_median([w.cpu for w in result.together]):,.0f} "
        f"| {sum(w.errors for w in windows)} | {result.disturbed} of {len(windows)} |"
    )


def _goals(results: dict[str, Result]) -> list[str]:
    """The goals of issue 6, where what they compare was measured."""
    good = {name: result for name, result in results.items() if not result.failure}
    ours = good.get("housing-operator")
    if ours is None:
        return []
    rate = _median([w.rate for w in ours.together])
    lines = ["\n| goal | measured |", "|---|---|"]
    empty = good.get("empty FastAPI route")
    if empty:
        share = rate / _median([w.rate for w in empty.together])
        cpu = _median([w.cpu for w in empty.together]) / _median([w.cpu for w in ours.together])
        lines.append(
            f"| at least 60 % of the empty route's throughput | {share:.0%}; {cpu:.0%} by CPU time |"
        )
        ratio = _median([w.p50 for w in ours.alone]) / _median([w.p50 for w in empty.alone])
        lines.append(f"| p50 at 1 connection at most 2× the empty route's | {ratio:.2f}× |")
    lines.append(
        f"| p99 at 1 connection under 5 ms | {_median([w.p99 for w in ours.alone]):.1f} ms by wrk, "
        f"{_median(ours.own_p99):.1f} ms by our own |"
    )
    mlflow = good.get("mlflow models serve")
    if mlflow:
        ratio = rate / _median([w.rate for w in mlflow.together])
        lines.append(f"| at least 60× `mlflow models serve` | {ratio:.0f}× |")
    peers = [
        r for name, r in good.items() if name not in ("housing-operator", "empty FastAPI route")
    ]
    if peers:
        best = max(peers, key=lambda peer: _median([w.rate for w in peer.together]))
        ratio = rate / _median([w.rate for w in best.together])
        lines.append(f"| at least 6× the best peer | {ratio:.1f}× {best.name} |")
        quickest = min(peers, key=lambda peer: _median(peer.batch))
        ratio = _median(quickest.batch) / _median(ours.batch)
        lines.append(
            f"| 1,000 rows at least 3× faster than the best peer | {ratio:.1f}× {quickest.name} |"
        )
    lines.append(f"| one worker at most 200 MB | {_median(ours.megabytes):.0f} MB |")
    lines.append(f"| cold start at most 2 s | {_median(ours.cold_start):.1f} s |")
    return lines


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _middle(values: Sequence[float], digits: int) -> str:
    middle = f"{_median(values):,.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"


def _pair(windows: Sequence[object]) -> str:
    p50 = _median([w.p50 for w in windows])  # type: ignore[attr-defined]
    p99 = _median([w.p99 for w in windows])  # type: ignore[attr-defined]
    return f"{p50:.2f} / {p99:.2f}"
