"""Pages from the results of `make bench-training`: docs/results/training.md and README's table.

`python -m tests.bench.training_report` writes both again from docs/results/training.json.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results" / "training.json"
PAGE = ROOT / "docs" / "results" / "training.md"
README = ROOT / "README.md"
BEGIN, END = "<!-- results: make bench-training -->", "<!-- end of results -->"

DATASETS = {
    "istanbul": "Istanbul 2023",
    "izmir": "Izmir 2023",
    "housedata": "Istanbul 2022, another source",
}
RECIPES = ("literal", "seed", "auto")
SCORES = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "precision": "precision",
    "recall": "recall",
    "roc_auc": "ROC-AUC",
}

Result = dict[str, Any]


def main() -> None:
    """Write page and table from the results."""
    results = json.loads(RESULTS.read_text("utf-8"))
    README.write_text(with_table(README.read_text("utf-8"), results), "utf-8")
    PAGE.write_text(page(results), "utf-8")


def mean_interval(values: Sequence[float]) -> tuple[float, float, float] | None:
    """Mean with the ends of its 95 % interval by Student's t; None for fewer than two values."""
    if len(values) < 2:
        return None
    mean = float(np.mean(values))
    half = float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5)
    return mean, mean - half, mean + half


def with_table(readme: str, results: Sequence[Result]) -> str:
    """README with the table between its marks."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table(results)}\n{END}{after}"


def table(results: Sequence[Result]) -> str:
    """Scores by dataset and recipe: the mean over the splits, and its interval below."""
    lines = [
        "| data | recipe | splits | " + " | ".join(SCORES.values()) + " |",
        "|---|---|---|" + "---|" * len(SCORES),
    ]
    for dataset, title in DATASETS.items():
        for recipe in RECIPES:
            own = [r for r in results if (r["dataset"], r["recipe"]) == (dataset, recipe)]
            if own:
                cells = [_cell([r[name] for r in own]) for name in SCORES]
                lines.append(f"| {title} | {recipe} | {len(own)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(values: Sequence[float]) -> str:
    found = mean_interval(values)
    if found is None:
        return f"{values[0]:.3f}"
    return f"{found[0]:.3f} ({found[1]:.3f} to {found[2]:.3f})"


def page(results: Sequence[Result]) -> str:
    """The whole report."""
    lines = [
        "# The default recipe against the seed's, taken literally",
        "",
        "Written by `make bench-training` from [training.json](training.json). Splits are paired: "
        "each recipe learns from the same rows and is judged on the same. `literal` is stock "
        "scikit-learn and imbalanced-learn (`tests/bench/literal_recipe.py`), `seed` and `auto` "
        "are `training.recipe`. Of Istanbul, test parts hold only rows that were not looked at "
        "when settings were chosen; Izmir was looked at, the third was not. Intervals are those "
        "of a mean over the splits (Student's t, 95 %); splits share rows, so they are somewhat "
        "too narrow. `make bench-training` goes on where it stopped, up to ten splits.",
        "",
        "## Scores",
        "",
        table(results),
        "",
        "## Against the literal recipe, split by split",
        "",
        "CPU and memory are of encoding, resampling, selection and fit, and of `auto` with the "
        "whole race of its candidates: CPU seconds of the process, and what it grew by. CPU time "
        "rather than the clock's, since the machine had other work. `seed` has the variables of the "
        "training image that keep one heap for all threads; `auto` was measured without them.",
        "",
        "| data | recipe | pairs | macro F1 minus literal's | 95 % interval | CPU seconds, median "
        "| literal's / its | MiB, median | its / literal's |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for dataset, title in DATASETS.items():
        for recipe in RECIPES:
            lines += _pairs(results, dataset, title, recipe)
    lines += [
        *_floor(results),
        "",
        "## Checkpoints",
        "",
        "What the checkpoints of `seed` take as the Job makes them and counts them in its log, to a "
        "folder in place of MLflow, against the literal recipe's fit on the same split, by CPU "
        "seconds; the goal is under 5 %.",
        "",
        "| data | splits | CPU seconds, median | share of the literal fit, median |",
        "|---|---|---|---|",
    ]
    for dataset, title in DATASETS.items():
        lines += _checkpoints(results, dataset, title)
    return "\n".join(lines) + "\n"


def _pairs(results: Sequence[Result], dataset: str, title: str, recipe: str) -> list[str]:
    of = {(r["recipe"], r["split"]): r for r in results if r["dataset"] == dataset}
    splits = sorted(s for r, s in of if r == recipe and ("literal", s) in of)
    if not splits:
        return []

    def column(which: str, name: str) -> np.ndarray:
        return np.array([of[which, split][name] for split in splits], float)

    gains = column(recipe, "macro_f1") - column("literal", "macro_f1")
    found = mean_interval(gains.tolist())
    cpu, mib = column(recipe, "cpu_seconds"), column(recipe, "added_mib")
    shown = ["", "", "", ""]
    if recipe != "literal":
        shown = [
            f"{gains.mean():+.4f}",
            f"{found[1]:+.4f} to {found[2]:+.4f}" if found else "one split",
            f"{np.median(column('literal', 'cpu_seconds') / cpu):.1f}",
            f"{np.median(mib / column('literal', 'added_mib')):.2f}",
        ]
    return [
        f"| {title} | {recipe} | {len(splits)} | {shown[0]} | {shown[1]} "
        f"| {np.median(cpu):.0f} | {shown[2]} | {np.median(mib):.0f} | {shown[3]} |"
    ]


def _floor(results: Sequence[Result]) -> list[str]:
    """What no forest of scikit-learn goes below."""
    found = {
        title: np.median(
            [r["trees_mib"] for r in results if r["dataset"] == dataset and "trees_mib" in r]
        )
        for dataset, title in DATASETS.items()
        if any(r["dataset"] == dataset and "trees_mib" in r for r in results)
    }
    if not found:
        return []
    sizes = ", ".join(f"{title} {size:.0f}" for title, size in found.items())
    return [
        "",
        f"Finished trees of `seed` alone, as scikit-learn holds them, are so many MiB: {sizes}. "
        "The rest is features, dense while trees grow, and trees that wait packed.",
    ]


def _checkpoints(results: Sequence[Result], dataset: str, title: str) -> list[str]:
    of = {(r["recipe"], r["split"]): r for r in results if r["dataset"] == dataset}
    both = [
        (result["checkpoint_seconds"], of["literal", split]["cpu_seconds"])
        for (recipe, split), result in of.items()
        if recipe == "seed" and "checkpoint_seconds" in result and ("literal", split) in of
    ]
    if not both:
        return []
    seconds, whole = np.array(both).T
    return [
        f"| {title} | {len(both)} | {np.median(seconds):.1f} | {np.median(seconds / whole):.1%} |"
    ]


if __name__ == "__main__":
    main()
