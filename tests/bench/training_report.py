"""Pages from the results of `make bench-training`: docs/results/training.md and README's table.

`python -m tests.bench.training_report` writes both again from docs/results/training.json, and from
training_clock.json beside it what the clock says.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t

from tests.bench.clock_report import clock_sections

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results" / "training.json"
CLOCK = ROOT / "docs" / "results" / "training_clock.json"
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
    clock = json.loads(CLOCK.read_text("utf-8")) if CLOCK.exists() else []
    PAGE.write_text(page(results, clock), "utf-8")


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


def page(results: Sequence[Result], clock: Sequence[Result]) -> str:
    """The whole report.

    Args:
        results: of `training_splits`.
        clock: of `training_clock`.

    """
    lines = [
        "# The default recipe against the seed's, taken literally",
        "",
        "Written by `make bench-training` from [training.json](training.json). Splits are paired: "
        "each recipe learns from the same rows and is judged on the same. `literal` is stock "
        "scikit-learn and imbalanced-learn (`tests/bench/literal_recipe.py`), `seed` and `auto` "
        "are `training.recipe`. Of Istanbul, test parts hold only rows that were not looked at "
        "when boosting's settings were chosen; all of Izmir was looked at for them, the third was "
        "not; [below](#without-what-test-parts-were-looked-at-for) is `auto` without them. "
        "Intervals are those of a mean over the splits (Student's t, 95 %); splits share rows, so "
        "they are somewhat too narrow. `make bench-training` goes on where it stopped, up to ten "
        "splits.",
        "",
        "## Scores",
        "",
        table(results),
        "",
        "## Against the literal recipe, split by split",
        "",
        "CPU and memory are of encoding, resampling, selection and fit, and of `auto` with the "
        "whole race of its candidates: CPU seconds of the process, since the machine had other "
        "work, and splits were measured at different hours; "
        "[below](#by-the-clock-in-one-run) is the clock. *Grown* is what the process grew by, "
        "*whole* its peak with the libraries and listings that each recipe has before it begins. "
        "`seed` has the variables of the training image that keep one heap for all threads; "
        "`literal` and `auto` were measured without them.",
        "",
        "| data | recipe | pairs | macro F1 minus literal's | 95 % interval | CPU seconds, median "
        "| literal's / its | MiB grown, median | its / literal's | MiB whole, median "
        "| its / literal's |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for dataset, title in DATASETS.items():
        for recipe in RECIPES:
            lines += _pairs(results, dataset, title, recipe)
    lines += [*_floor(results), *_untuned(results), *clock_sections(clock, DATASETS)]
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
    cpu, grown, whole = (column(recipe, n) for n in ("cpu_seconds", "added_mib", "peak_mib"))
    shown = [""] * 5
    if recipe != "literal":
        shown = [
            f"{gains.mean():+.4f}",
            f"{found[1]:+.4f} to {found[2]:+.4f}" if found else "one split",
            f"{np.median(column('literal', 'cpu_seconds') / cpu):.1f}",
            f"{np.median(grown / column('literal', 'added_mib')):.2f}",
            f"{np.median(whole / column('literal', 'peak_mib')):.2f}",
        ]
    return [
        f"| {title} | {recipe} | {len(splits)} | {shown[0]} | {shown[1]} "
        f"| {np.median(cpu):.0f} | {shown[2]} | {np.median(grown):.0f} | {shown[3]} "
        f"| {np.median(whole):.0f} | {shown[4]} |"
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


def _untuned(results: Sequence[Result]) -> list[str]:
    """`auto` without the settings that a test part may have had a say in."""
    of = {(r["dataset"], r["recipe"], r["split"]): r["macro_f1"] for r in results}
    lines = []
    for dataset, title in DATASETS.items():
        splits = sorted(s for d, r, s in of if (d, r) == (dataset, "untuned"))
        scores = {r: np.array([of[dataset, r, s] for s in splits]) for r in (*RECIPES, "untuned")}
        over = {r: scores[r] - scores["literal"] for r in ("auto", "untuned")}
        found = mean_interval(over["untuned"].tolist())
        if found is not None:
            lines.append(
                f"| {title} | {len(splits)} | {over['auto'].mean():+.4f} | {found[0]:+.4f} "
                f"| {found[1]:+.4f} to {found[2]:+.4f} |"
            )
    if not lines:
        return []
    won = [r["model"] for r in results if r["recipe"] == "auto"]
    return [
        "",
        "## Without what test parts were looked at for",
        "",
        "Boosting's settings were found on all of Izmir and on two fifths of Istanbul. That a bucket "
        "of fewer than five rows is no feature ([why]"
        "(../decisions/20261129-forests-and-smote-of-a-million-rows.md)) was decided with the scores "
        "of `seed` on splits 0 and 1 of Istanbul and of the third dataset in view; it is for "
        f"HashedForest, which won {won.count('HashedForest')} of the {len(won)} races. Here is `auto` "
        "on the same splits with scikit-learn's own settings of boosting, with as many iterations as "
        "cross-validation on the training part takes, and with every bucket a feature: macro F1 "
        "minus the literal recipe's.",
        "",
        "| data | splits | `auto` | with neither | 95 % interval |",
        "|---|---|---|---|---|",
        *lines,
    ]


if __name__ == "__main__":
    main()
