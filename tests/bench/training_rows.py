"""`make bench-rows`: what a training takes with 10,000 to 1,000,000 rows, recipe by recipe.

The rows are the real listings of Istanbul, drawn with replacement and made different by noise. Each
measurement is the whole program in a process of its own, with a real MLflow server; its result is a
file: what is there is not done again. The page docs/results/rows.md is written from what is there.

    python -m tests.bench.training_rows [--rows 10000 ...] [--recipes auto seed] [--report-only]
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil

from housing_core.bundle import read_summary
from housing_core.registry import Registry
from tests.bench.clock_report import STAGES
from tests.bench.training_splits import DATASETS, kept_result, take_over, write_results
from tests.integration.training.program import Ended, Program, task
from tests.mlflow_server import MlflowServer, running_server

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "build" / "bench-rows"
RESULTS = ROOT / "docs" / "results" / "rows.json"
PAGE = ROOT / "docs" / "results" / "rows.md"

ROWS = (10_000, 30_000, 100_000, 300_000, 1_000_000)
RECIPES = ("auto", "seed")
MOST_MIB = 8 * 1024
MOST_SECONDS = 3 * 3600

PRICE_NOISE = 0.15
"""Standard deviation of the logarithm of what a price is multiplied by."""

AREA_NOISE = 0.05
EXCHANGED = 0.1
"""Share of each column's cells that are taken from another listing."""

AREA = "Brüt Metrekare"

Result = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--recipes", nargs="+", default=RECIPES, choices=RECIPES)
    parser.add_argument("--report-only", action="store_true")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        rows, recipe = arguments.one
        print(json.dumps(measure(int(rows), recipe)))
        return
    take_over(RESULTS, CACHE, "rows", "recipe")
    for rows in () if arguments.report_only else arguments.rows:
        for recipe in arguments.recipes:
            kept_result("tests.bench.training_rows", CACHE, str(rows), recipe)
    kept = [CACHE / f"{rows}-{recipe}.json" for recipe in RECIPES for rows in ROWS]
    results = [json.loads(path.read_text("utf-8")) for path in kept if path.exists()]
    write_results(RESULTS, results)
    PAGE.write_text(page(results), "utf-8")
    print(PAGE.read_text("utf-8"))


def noisy_listings(rows: int) -> pd.DataFrame:
    """So many listings, drawn from the real ones; prices, areas and some categories are changed."""
    path, target = DATASETS["istanbul"]
    real = pd.read_csv(path, dtype=str, keep_default_na=False)
    chance = np.random.default_rng(20261129)
    made = real.iloc[chance.integers(0, len(real), rows)].reset_index(drop=True)
    made = made.drop(columns=[name for name in made.columns if name.startswith("Unnamed")])
    for name in made.columns.drop(target):
        at = np.flatnonzero(chance.random(rows) < EXCHANGED)
        made.loc[at, name] = made[name].to_numpy()[chance.integers(0, rows, len(at))]
    for name, noise in ((target, PRICE_NOISE), (AREA, AREA_NOISE)):
        values = pd.to_numeric(made[name], errors="coerce")
        changed = values * np.exp(chance.normal(0, noise, rows))
        made[name] = changed.round().astype("Int64").astype(str).where(values.notna(), made[name])
    return made


def measure(rows: int, recipe: str) -> Result:
    """Train on so many rows; a training that takes too much memory or time is ended, and says where."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        data = folder / "listings.csv"
        noisy_listings(rows).to_csv(data, index=False)
        with running_server(folder / "mlflow") as server:
            return {"rows": rows, "recipe": recipe, **_train(data, recipe, server, folder)}


def _train(data: Path, recipe: str, server: MlflowServer, folder: Path) -> Result:
    given = task(data, DATASETS["istanbul"][1], name="rows", key="rows")
    given["training"] = {"recipe": recipe}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    program = Program(given, server.url, folder / "home")
    ended, why = _watch(program, begun)
    seconds = time.perf_counter() - begun
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    result: Result = {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime, 1),
        "peak_mib": used.ru_maxrss // 1024,
        "stages": ended.stage_seconds,
        "messages": ended.messages,
    }
    if ended.code != 0:
        return {**result, "failed": why or (ended.outcome.message if ended.outcome else "killed")}
    bundle = Registry(server.url).download_bundle("training-test.rows", "1", folder / "bundle")
    summary = read_summary(bundle)
    return {
        **result,
        "learned_rows": summary.rows - summary.holdout_rows,
        "macro_f1": summary.scores.macro_f1,
        "model": summary.recipe.model if summary.recipe else "",
        "bundle": {file.name: file.stat().st_size for file in sorted(bundle.iterdir())},
    }


def _watch(program: Program, begun: float) -> tuple[Ended, str]:
    """Wait for the program's end, and end it where it takes more than it may; and why."""
    watched, why = psutil.Process(program.process.pid), ""
    while program.process.poll() is None and not why:
        time.sleep(0.2)
        try:
            mib = watched.memory_info().rss >> 20
        except psutil.NoSuchProcess:
            break
        if mib > MOST_MIB:
            why = f"took more than {MOST_MIB} MiB"
        elif time.perf_counter() - begun > MOST_SECONDS:
            why = f"not finished after {MOST_SECONDS} seconds"
    if why:
        program.kill()
    ended = program.end()
    return ended, f"{why}, after: {ended.messages[-1]}" if why else ""


def page(results: Sequence[Result]) -> str:
    """The whole report."""
    lines = [
        "# Trainings of 10,000 to 1,000,000 rows",
        "",
        "Written by `make bench-rows` from [rows.json](rows.json). The rows are Istanbul's listings, "
        f"drawn with replacement: {EXCHANGED:.0%} of each column's cells come from another listing, "
        f"areas change by {AREA_NOISE:.0%} and prices by {PRICE_NOISE:.0%}. Copies of one listing "
        "stand on both sides of the split, so macro F1 rises with the rows and says nothing about "
        "new listings. Measured is the whole program, `python -m housing_training`, with its import "
        "and a real MLflow server: seconds of the clock and of CPU, and its peak memory. The machine had "
        "other work, so that the clock says little. A training "
        f"that takes more than {MOST_MIB // 1024} GiB is ended.",
        "",
        "`auto` compares its candidates on 30,000 rows within its time budget, and fits the winner on "
        "all; which one wins hangs on how many folds the budget was enough for. Trees with more than "
        "65,534 thresholds of one column are not taken apart, and ONNX Runtime walks them. In `seed`, SMOTE's neighbours are exact and looked for along one number, and each tree "
        "draws 200,000 rows at most ([why]"
        "(../decisions/20261129-forests-and-smote-of-a-million-rows.md)). Its trees grow faster than "
        "n·log n: they wait for memory, for one value of one row at a time, from a matrix that no "
        "cache holds, and longer when others use it too.",
        "",
        "*Growth* is the CPU time against that of the recipe's fewest rows, beside what n·log n would make of it.",
        "",
        "| recipe | rows | seconds | CPU seconds | growth | n·log n | peak MiB | macro F1 | model "
        "| bundle, MB | of which the graph | and the trees apart |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for recipe in RECIPES:
        own = sorted((r for r in results if r["recipe"] == recipe), key=lambda r: r["rows"])
        lines += [_line(result, own[0]) for result in own]
    lines += [
        "",
        "## Seconds by stage",
        "",
        "| recipe | rows | read | encode | select | grow | evaluate | register |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for result in sorted(results, key=lambda r: (r["recipe"], r["rows"])):
        stages = (result["stages"].get(name) for name in STAGES)
        cells = " | ".join("" if seconds is None else f"{seconds:.0f}" for seconds in stages)
        lines.append(f"| {result['recipe']} | {result['rows']:,} | {cells} |")
    return "\n".join(lines) + "\n"


def _line(result: Result, first: Result) -> str:
    rows, fewest = result["rows"], first["rows"]
    expected = rows * math.log(rows) / (fewest * math.log(fewest))
    cells = [
        result["recipe"],
        f"{rows:,}",
        f"{result['seconds']:.0f}",
        f"{result['cpu_seconds']:.0f}",
        f"{result['cpu_seconds'] / first['cpu_seconds']:.1f}",
        f"{expected:.1f}",
        f"{result['peak_mib']:,}",
    ]
    if "failed" in result:
        return "| " + " | ".join([*cells, f"not finished: {result['failed']}", *[""] * 4]) + " |"
    bundle = result["bundle"]
    graph = sum(size for name, size in bundle.items() if name.endswith(".onnx"))
    apart = bundle.get("trees.npz", 0)
    cells += [f"{result['macro_f1']:.3f}", result["model"]]
    cells += [f"{size / 1e6:.1f}" for size in (sum(bundle.values()), graph, apart)]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
