"""Results → docs/results/monitoring.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from tests.bench.monitoring.windows import IZMIR

Result = Mapping[str, Any]


def page(done: Mapping[str, Result]) -> str:
    """The page, of the parts that were measured."""
    text = (
        "# Monitoring, measured\n\n"
        "Written by `make bench-monitoring` ([how](../../tests/bench/monitoring/README.md)); each "
        "part says when, on what, and under which load.\n"
    )
    for name, (title, body) in _PARTS.items():
        if name in done:
            text += f"\n## {title}\n\n{body(done[name]['result'])}\n\n{done[name]['made']}.\n"
    return text


def _false_alarms(result: Result) -> str:
    lines = ["| window | windows | ours | plain formulas |", "|---|---|---|---|"]
    for cell, counts in result.items():
        shares = [f"{counts[who] / counts['windows']:.1%}" for who in ("ours", "plain")]
        lines.append(f"| {cell} | {counts['windows']:,} | {shares[0]} | {shares[1]} |")
    return (
        "Share of windows of held-out Istanbul listings that get a retraining verdict; the goal is "
        "at most 1 %. Runs are of listings that are neighbours in the file, which is ordered by "
        "district. With runs of about 25, a window of 200 rows is eight clusters, which do not show "
        "how alike they are ([what was tried](../decisions/20261125-windows-that-cluster.md)): the "
        "goal is not reached there.\n\n" + "\n".join(lines)
    )


def _power(result: Result) -> str:
    cells = sorted(
        {cell for rows in result.values() for cell in rows},
        key=lambda cell: int(cell.split()[0]),
    )
    lines = [f"| change | {' | '.join(cells)} |", "|---|" + "---|" * len(cells)]
    for title, rows in result.items():
        found = [_worst(rows[cell]) if cell in rows else "" for cell in cells]
        lines.append(f"| {title} | {' | '.join(found)} |")
    return (
        "In how many of 100 windows a change is reported as moved; the goal is 95 of windows of "
        "1,000 independent rows. A change that may befall any feature was made to each in turn: the "
        "one that was reported least often is named where it is under 95. "
        f"{IZMIR.capitalize()} count when the verdict is Drift.\n\n" + "\n".join(lines)
    )


def _worst(counts: Mapping[str, int]) -> str:
    name, least = min(counts.items(), key=lambda entry: entry[1])
    return f"{least}" if least >= 95 or len(counts) == 1 else f"{least} ({name})"


def _speed(result: Result) -> str:
    ours = result["ours"]
    lines = [
        f"| {result['rows']:,} rows × 20 features | seconds | processor, s | imports, s | peak, MB "
        "| over imports, MB |",
        "|---|---|---|---|---|---|",
        f"| ours, from Parquet | {_range(ours, _seconds)} | {_range(ours, _cpu)} | {_range(ours, _imports)} "
        f"| {_range(ours, _peak)} | {_range(ours, _growth)} |",
    ]
    goals = []
    for method in ("default", "psi"):
        passes = result[f"evidently {method}"]
        lines.append(
            f"| Evidently 0.7.23, {method}, from memory | {_range(passes, _seconds)} "
            f"| {_range(passes, _cpu)} | {_range(passes, _imports)} | {_range(passes, _peak)} | {_range(passes, _growth)} |"
        )
        faster = _middle(passes, _seconds) / _middle(ours, _seconds)
        less = _middle(passes, _cpu) / _middle(ours, _cpu)
        memory = _middle(ours, _peak) / _middle(passes, _peak)
        goals.append(
            f"{method}: {faster:.1f}× faster, {less:.1f}× by processor time, {memory:.0%} of its peak memory"
        )
    many = result["many"]
    return (
        "\n".join(lines)
        + f"\n\nMedians of interleaved passes, ranges in brackets. Against {'; '.join(goals)}. "
        "The goals are 20× and 25 %.\n\n"
        f"{many['rows']:,} rows from Parquet: {many['seconds']:.1f} s, {many['peak'] / 1024:,.0f} MB at "
        "its peak; the goal is under 1,024 MB."
    )


def _one_run(result: Result) -> str:
    runs = result["runs"]
    return (
        f"One run of the program on {result['rows']:,} predictions in files of a few seconds, with "
        "imports, MLflow and the status: "
        f"{_range(runs, lambda run: run['wall'], 1)} s, of which the processor worked "
        f"{_range(runs, lambda run: run['cpu'], 1)} s. The goal is under 5 s. `--help` takes "
        f"{result['help']['wall']:.1f} s."
    )


def _seconds(one: Result) -> float:
    return float(one["seconds"])


def _cpu(one: Result) -> float:
    return float(one["cpu"])


def _imports(one: Result) -> float:
    return float(one["imports"])


def _peak(one: Result) -> float:
    return float(one["peak"]) / 1024


def _growth(one: Result) -> float:
    return (float(one["peak"]) - float(one["bare"])) / 1024


def _middle(passes: Sequence[Result], of: Callable[[Result], float]) -> float:
    return median(map(of, passes))


def _range(passes: Sequence[Result], of: Callable[[Result], float], digits: int = 1) -> str:
    values = sorted(map(of, passes))
    ends = f"{values[0]:,.{digits}f} – {values[-1]:,.{digits}f}"
    return f"{median(values):,.{digits}f} ({ends})"


_PARTS: Mapping[str, tuple[str, Callable[[Result], str]]] = {
    "false-alarms": ("False alarms", _false_alarms),
    "power": ("Power", _power),
    "speed": ("Speed and memory", _speed),
    "run": ("One run", _one_run),
}
