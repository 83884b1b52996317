"""The sections of docs/results/training.md that are written from training_clock.json."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

TIMES_FASTER, SHARE_OF_MEMORY, SHARE_OF_CHECKPOINTS = 5.0, 0.5, 0.05
START_SECONDS, JOB_SECONDS = 5.0, 60.0
STAGES = ("read", "encode", "select", "grow", "evaluate", "register")

Result = dict[str, Any]
Pair = tuple[Result, Result]
"""Of one split: the literal recipe's result, and that of `seed`."""


def clock_sections(clock: Sequence[Result], titles: Mapping[str, str]) -> list[str]:
    """Ratios in one run, and whole Jobs; nothing where neither was measured.

    Args:
        clock: of `training_clock`.
        titles: of the datasets, by name.

    """
    paired = {title: pairs for name, title in titles.items() if (pairs := _pairs_of(clock, name))}
    whole = {
        title: jobs
        for name, title in titles.items()
        if (jobs := [r for r in clock if (r["part"], r["dataset"]) == ("jobs", name)])
    }
    return [*(_pairs_sections(paired) if paired else []), *(_jobs_section(whole) if whole else [])]


def _pairs_of(clock: Sequence[Result], dataset: str) -> list[Pair]:
    of = {
        (r["recipe"], r["split"]): r
        for r in clock
        if (r["part"], r["dataset"]) == ("pairs", dataset)
    }
    splits = sorted(split for recipe, split in of if recipe == "seed")
    return [(of["literal", split], of["seed", split]) for split in splits]


def _pairs_sections(paired: Mapping[str, Sequence[Pair]]) -> list[str]:
    fits = [fit for pairs in paired.values() for pair in pairs for fit in pair]
    others = max(fit["others"] for fit in fits)
    before = [fit["peak_mib"] - fit["added_mib"] for fit in fits]
    return [
        "",
        "## By the clock, in one run",
        "",
        "Written by `make bench-training-clock` from [training_clock.json](training_clock.json). "
        "`literal` and `seed` fit the same splits by turns, each a process of its own, both with the "
        "variables of the training image that keep one heap. Seconds are of encoding, resampling and "
        "fit; those of `seed` hold its checkpoints, uploaded to a real MLflow server on the same "
        f"machine. Other programs used at most {others:.1f} of its cores meanwhile. Medians, ratios "
        "with the least and the most of a pair; a goal is reached where every pair reaches it.",
        "",
        f"The goal for speed is {TIMES_FASTER:.0f} times by the clock; `literal` makes no "
        "checkpoints, so beside it stands the ratio of the fits alone:",
        "",
        "| data | pairs | seconds, literal | seed | literal's / seed's | | without checkpoints "
        "| CPU seconds, literal | seed | literal's / seed's |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(_speed(title, pairs) for title, pairs in paired.items()),
        "",
        f"The goal for memory is at most {SHARE_OF_MEMORY:.0%}. *Grown* is what the process grows by "
        "with the fit, *whole* the peak of the process, which holds libraries and listings of "
        f"{min(before)} to {max(before)} MiB before either recipe begins:",
        "",
        "| data | MiB grown, literal | seed | seed's / literal's | | MiB whole, literal | seed "
        "| seed's / literal's | |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_memory(title, pairs) for title, pairs in paired.items()),
        "",
        "## Checkpoints",
        "",
        "What the checkpoints of `seed` take in the same run: digest, packing, upload to MLflow and "
        "reading back, against the literal recipe's fit on the same split. The goal is under "
        f"{SHARE_OF_CHECKPOINTS:.0%} by the clock; CPU seconds are without the server's.",
        "",
        "| data | seconds | of the literal fit | | CPU seconds | of the literal fit |",
        "|---|---|---|---|---|---|",
        *(_checkpoints(title, pairs) for title, pairs in paired.items()),
    ]


def _speed(title: str, pairs: Sequence[Pair]) -> str:
    clock, cpu = ([(a[name], b[name]) for a, b in pairs] for name in ("fit_seconds", "cpu_seconds"))
    times = [literal / seed for literal, seed in clock]
    alone = [
        a["fit_seconds"] / (b["fit_seconds"] - b["checkpoint_clock_seconds"]) for a, b in pairs
    ]
    return _row(
        *(title, len(pairs)),
        *(*_medians(clock, ".1f"), _range(times, ".1f")),
        _verdict(times, lambda ratio: ratio >= TIMES_FASTER),
        _range(alone, ".1f"),
        *(*_medians(cpu, ".1f"), _range([literal / seed for literal, seed in cpu], ".1f")),
    )


def _memory(title: str, pairs: Sequence[Pair]) -> str:
    cells: list[Any] = [title]
    for name in ("added_mib", "peak_mib"):
        both = [(a[name], b[name]) for a, b in pairs]
        shares = [seed / literal for literal, seed in both]
        verdict = _verdict(shares, lambda share: share <= SHARE_OF_MEMORY)
        cells += [*_medians(both, ".0f"), _range(shares, ".2f"), verdict]
    return _row(*cells)


def _checkpoints(title: str, pairs: Sequence[Pair]) -> str:
    clock = [b["checkpoint_clock_seconds"] for _, b in pairs]
    cpu = [b["checkpoint_cpu_seconds"] for _, b in pairs]
    shares = [b["checkpoint_clock_seconds"] / a["fit_seconds"] for a, b in pairs]
    return _row(
        *(title, f"{np.median(clock):.1f}", _range(shares, ".1%")),
        _verdict(shares, lambda share: share < SHARE_OF_CHECKPOINTS),
        f"{np.median(cpu):.1f}",
        _range([b["checkpoint_cpu_seconds"] / a["cpu_seconds"] for a, b in pairs], ".1%"),
    )


def _jobs_section(whole: Mapping[str, Sequence[Result]]) -> list[str]:
    others = max(job["others"] for jobs in whole.values() for job in jobs)
    return [
        "",
        "## The whole Job",
        "",
        "`python -m housing_training` with the default recipe and the image's variables, from the "
        "start of its process to its end, against a real MLflow server that has served a training "
        "before; no pod is started. *Start* is until the first line of its log: Python, imports, and "
        "the run in MLflow. MLflow's own library, which writes the version, is imported in `register`. "
        "Written by `make bench-training-clock`; other programs, the MLflow server "
        f"not among them, used at most {others:.1f} of the machine's cores meanwhile. Medians in "
        f"seconds, with the least and the most; the goals are a start under {START_SECONDS:.0f} and "
        f"{JOB_SECONDS:.0f} in all, in every Job.",
        "",
        "| data | Jobs | start | | " + " | ".join(STAGES) + " | whole | | peak MiB |",
        "|---|---|---|---|" + "---|" * len(STAGES) + "---|---|---|",
        *(_jobs(title, jobs) for title, jobs in whole.items()),
    ]


def _jobs(title: str, jobs: Sequence[Result]) -> str:
    start, seconds = [job["start_seconds"] for job in jobs], [job["seconds"] for job in jobs]
    return _row(
        *(title, len(jobs)),
        *(_range(start, ".1f"), _verdict(start, lambda found: found < START_SECONDS)),
        *(f"{np.median([job['stages'][stage] for job in jobs]):.1f}" for stage in STAGES),
        *(_range(seconds, ".1f"), _verdict(seconds, lambda found: found < JOB_SECONDS)),
        max(job["peak_mib"] for job in jobs),
    )


def _medians(both: Sequence[tuple[float, float]], shown: str) -> list[str]:
    return [format(np.median(values), shown) for values in zip(*both, strict=True)]


def _range(values: Sequence[float], shown: str) -> str:
    median, least, most = (
        format(found, shown) for found in (np.median(values), min(values), max(values))
    )
    return f"{median} ({least} to {most})" if len(values) > 1 else median


def _verdict(values: Iterable[float], reached: Callable[[float], bool]) -> str:
    return "reached" if all(map(reached, values)) else "missed"


def _row(*cells: Any) -> str:
    return f"| {' | '.join(map(str, cells))} |"
