"""`make bench-training-clock`: what ratios and whole Jobs come to by the clock, on a quiet machine.

`pairs` fits the literal recipe and `recipe: seed` by turns in one run; `jobs` runs whole Jobs of the
default recipe, one after another. A run replaces what docs/results/training_clock.json has of the
same part and dataset, and writes docs/results/training.md.

    python -m tests.bench.training_clock [--parts pairs jobs] [--datasets istanbul ...] [--times 3]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.bench import training_report
from tests.bench.image_heap import heap_of_image
from tests.bench.serving.load import Watch
from tests.bench.training_splits import DATASETS, new_result, write_results
from tests.integration.training.program import Program, task
from tests.mlflow_server import running_server

MOST_SECONDS = 600

Result = dict[str, Any]


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--datasets", nargs="+", default=list(DATASETS), choices=list(DATASETS))
    parser.add_argument("--times", type=int, default=3)
    arguments = parser.parse_args()
    published = training_report.CLOCK
    results = json.loads(published.read_text("utf-8")) if published.exists() else []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with running_server(folder / "mlflow") as server:
            os.environ.update(heap_of_image("training") | {"MLFLOW_TRACKING_URI": server.url})
            for part in arguments.parts:
                for dataset in arguments.datasets:
                    if not DATASETS[dataset][0].exists():
                        continue
                    new = PARTS[part](dataset, arguments.times, folder)
                    results = [r for r in results if (r["part"], r["dataset"]) != (part, dataset)]
                    results += [{"part": part, **result} for result in new]
                    write_results(published, results)
    training_report.main()


def pairs(dataset: str, times: int, _: Path) -> list[Result]:
    """The literal recipe and ours on the same splits, by turns."""
    results = []
    for split in range(times):
        for recipe in ("literal", "seed"):
            watch = Watch()
            found = new_result("tests.bench.training_splits", dataset, str(split), recipe)
            results.append({**found, "others": round(watch.others(), 1)})
            print(results[-1], flush=True)
    return results


def jobs(dataset: str, times: int, folder: Path) -> list[Result]:
    """Whole Jobs; one before them, which is not kept, finds MLflow and the files' cache cold."""
    return [job(dataset, number, folder) for number in range(times + 1)][1:]


def job(dataset: str, number: int, folder: Path) -> Result:
    """One whole Job of the default recipe, from the start of its process to the end."""
    path, target = DATASETS[dataset]
    name = f"{dataset}-{number}"
    given = task(path, target, name=dataset, key=name)
    given["training"] = {}  # the defaults
    watch, started, begun = Watch(), time.time(), time.perf_counter()
    ended = Program(given, os.environ["MLFLOW_TRACKING_URI"], folder / name).end(MOST_SECONDS)
    seconds = time.perf_counter() - begun
    if ended.code != 0:
        raise SystemExit(f"the Job failed: {ended.output[-4000:]}")
    first = datetime.fromisoformat(ended.lines[0]["time"]).timestamp()
    result = {
        "dataset": dataset,
        "job": number,
        "start_seconds": round(first - started, 1),
        "seconds": round(seconds, 1),
        "stages": ended.stage_seconds,
        "peak_mib": max(line.get("peak_memory_mib", 0) for line in ended.lines),
        "others": round(watch.others(), 1),
    }
    print(result, flush=True)
    return result


PARTS: dict[str, Callable[[str, int, Path], list[Result]]] = {"pairs": pairs, "jobs": jobs}


if __name__ == "__main__":
    main()
