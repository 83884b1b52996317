"""`make bench-monitoring`: what docs/results/monitoring.md says, part by part.

Each part leaves its results in the cache, and the page is written from those that are there: parts
can be run alone, and again, without the others. The windows of false-alarms and power are counted a
thousandth at a time: what is there is not counted again, unless a source that it may depend on changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.monitoring import engine, one_run, report, windows

ROOT = Path(__file__).parents[3]
CACHE = ROOT / "build" / "bench-monitoring"
PAGE = ROOT / "docs" / "results" / "monitoring.md"


def main() -> None:
    """Measure the parts that are asked for, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.monitoring", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all when left out")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    CACHE.mkdir(parents=True, exist_ok=True)
    for name in arguments.parts or PARTS:
        print(f"==== {name}", flush=True)
        result = {"made": made(), "result": PARTS[name]()}
        (CACHE / f"{name}.json").write_text(json.dumps(result, indent=1, ensure_ascii=False))
    done = {
        name: json.loads((CACHE / f"{name}.json").read_text())
        for name in PARTS
        if (CACHE / f"{name}.json").exists()
    }
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(report.page(done), "utf-8")
    print(PAGE.read_text("utf-8"))


def made() -> str:
    """When and on what."""
    load = os.getloadavg()[1]
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores {platform.machine()}, "
        f"Python {platform.python_version()}, load average {load:.1f} when it began"
    )


def kept() -> windows.Kept:
    """Counts by the present sources of everything that a count can depend on."""
    tests = ROOT / "tests"
    sources = [
        Path(windows.__file__),
        *(tests / f"{name}.py" for name in ("listings", "traffic", "windows")),
        *sorted((ROOT / "monitoring" / "housing_monitoring").rglob("*.py")),
        *sorted((ROOT / "core" / "housing_core").rglob("*.py")),
    ]
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes())
    return windows.Kept(CACHE / f"windows-{digest.hexdigest()[:12]}.json")


PARTS: dict[str, Callable[[], Any]] = {
    "false-alarms": lambda: windows.false_alarms(kept()),
    "power": lambda: windows.power(kept()),
    "speed": lambda: engine.speed(CACHE),
    "run": one_run.one_run,
}

if __name__ == "__main__":
    main()
