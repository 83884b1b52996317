"""`make bench-training`: the default recipe against the seed's, taken literally, on paired splits.

Every fit is a process of its own, so that its memory is its own, and its result a file: what is
there is not done again, so that the benchmark can be stopped and gone on with. The report is written
from what is there.

    python -m tests.bench.training_splits [--splits 10] [--datasets istanbul izmir housedata] [--recipes ...]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from housing_core.api.spec import Cross, Dataset, Training
from housing_core.registry import Registry
from housing_core.storage import DataFile
from housing_training.checkpoints.resumable_forest import ResumableForest
from housing_training.data.columns import Columns, infer_columns
from housing_training.data.preparation import prepare_rows
from housing_training.data.splitting import relisted
from housing_training.data.target import classify, percentile_boundaries
from housing_training.data.typed_rows import Part, TypedRows, clean_listings
from housing_training.evaluation.metrics import score
from housing_training.features import hashing
from housing_training.features.crosses import infer_crosses
from housing_training.models.candidates import BOOSTING_SETTINGS, Fitter
from housing_training.progress import Progress
from housing_training.selection.racing import calibration_of, choose
from housing_training.tracking import TrainingRun
from tests.bench import training_report
from tests.bench.image_heap import heap_of_image
from tests.bench.literal_recipe import LiteralRecipe
from tests.mlflow_server import running_server

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "build" / "bench-training"
SHARED = next(
    (found for parent in ROOT.parents if (found := parent / "shared" / "data").exists()), ROOT
)

DATASETS = {
    "istanbul": (ROOT / "tests" / "data" / "istanbul_emlakjet_2023.csv", "Fiyat"),
    "izmir": (ROOT / "tests" / "data" / "izmir_emlakjet_2023.csv", "Fiyat"),
    # Listings that may not be part of the project.
    "housedata": (SHARED / "istanbul_housedata_2022.csv", "fiyat"),
}
TEST_SHARE = 0.2
SETTINGS_SHARE = {"istanbul": 0.4}
"""Rows whose hash is below this were looked at when settings were chosen: they are in no test part."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--datasets", nargs="+", default=list(DATASETS), choices=DATASETS)
    parser.add_argument("--recipes", nargs="+", default=list(READY), choices=list(READY))
    parser.add_argument("--report-only", action="store_true")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        dataset, split, recipe = arguments.one
        print(json.dumps(measure(dataset, int(split), recipe)))
        return
    take_over(training_report.RESULTS, CACHE, "dataset", "split", "recipe")
    if not arguments.report_only:
        with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as server:
            measure_what_is_missing(arguments, server.url)
    names = [f"{d}-{n}-{r}.json" for d in DATASETS for n in range(100) for r in READY]
    there = [path for name in names if (path := CACHE / name).exists()]
    write_results(training_report.RESULTS, [json.loads(path.read_text()) for path in there])
    training_report.main()
    print(training_report.PAGE.read_text("utf-8"))


def measure_what_is_missing(arguments: argparse.Namespace, mlflow: str) -> None:
    """Every split of every dataset by every recipe that is asked for, one after another.

    Args:
        arguments: of the program.
        mlflow: address of the server that takes checkpoints.

    """
    ours = {**heap_of_image("training"), "MLFLOW_TRACKING_URI": mlflow}
    for split in range(arguments.splits):
        for dataset in arguments.datasets:
            for recipe in arguments.recipes if DATASETS[dataset][0].exists() else ():
                variables = None if recipe == "literal" else ours
                which = (dataset, str(split), recipe)
                kept_result("tests.bench.training_splits", CACHE, *which, variables=variables)


def take_over(published: Path, cache: Path, *which: str) -> None:
    """Begin with the results that are published: a run goes on from them also on another machine.

    Args:
        published: of `write_results`; need not be there. Delete it, and the cache, to measure anew.
        which: keys of a result that tell it from others, as its file in the cache is named.

    """
    cache.mkdir(parents=True, exist_ok=True)
    for result in json.loads(published.read_text("utf-8")) if published.exists() else []:
        kept = cache / f"{'-'.join(str(result[key]) for key in which)}.json"
        if not kept.exists():
            kept.write_text(json.dumps(result), "utf-8")


def kept_result(
    module: str, cache: Path, *which: str, variables: Mapping[str, str] | None = None
) -> None:
    """One measurement in a process of its own, `module --one which`, unless its result is there.

    Args:
        variables: of the process's environment, beside those of this one.

    """
    cache.mkdir(parents=True, exist_ok=True)
    kept = cache / f"{'-'.join(which)}.json"
    if not kept.exists():
        kept.write_text(json.dumps(new_result(module, *which, variables=variables)), "utf-8")
        print(kept.name, kept.read_text("utf-8"), flush=True)


def new_result(
    module: str, *which: str, variables: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The same, without a look at what is there."""
    ended = subprocess.run(
        [sys.executable, "-m", module, "--one", *which],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        env=os.environ | dict(variables or {}),
    )
    result: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return result


def write_results(path: Path, results: Sequence[dict[str, Any]]) -> None:
    """All results as one file, a line each."""
    path.parent.mkdir(exist_ok=True)
    lines = ",\n".join(json.dumps(result) for result in results)
    path.write_text(f"[\n{lines}\n]\n", "utf-8")


@dataclass(frozen=True)
class Paired:
    """One split of one dataset, the same for all that are compared on it."""

    columns: Columns
    crosses: list[Cross]
    part: Part
    test: Part
    classes: int


def paired_split(dataset: str, split: int) -> Paired:
    """Rows to learn from and to be judged on, columns and crosses inferred from the former."""
    path, target = DATASETS[dataset]
    spec = Dataset.model_validate({"uri": str(path), "target": {"column": target}})
    rows = prepare_rows([DataFile(str(path), path.stat().st_size, "")], spec, 0.2, Progress())
    usable = np.flatnonzero(rows.identity / 2.0**64 >= SETTINGS_SHARE.get(dataset, 0.0))
    chance = np.random.default_rng([20261125, split])
    held = np.zeros(len(rows.prices), bool)
    held[chance.choice(usable, int(TEST_SHARE * len(held)), replace=False)] = True
    learned = np.flatnonzero(~held)
    columns = infer_columns(rows.listings.take(learned), target)
    typed = clean_listings(rows.listings, columns.rules)
    judged = np.flatnonzero(held & ~relisted(rows.homes, held))
    boundaries = percentile_boundaries(
        rows.prices[learned], spec.target.quantiles, spec.target.classes
    )
    whole = Part(typed, classify(rows.prices, boundaries), rows.prices, rows.homes)
    part = whole.take(learned)
    codes = {name: column.codes for name, column in part.typed.texts.items()}
    crosses = infer_crosses(columns, codes, part.prices)
    return Paired(columns, crosses, part, whole.take(judged), len(spec.target.classes))


def measure(dataset: str, split: int, recipe: str) -> dict[str, Any]:
    """Fit one recipe on one split and score it."""
    given = paired_split(dataset, split)
    fit = READY[recipe](given, split)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun, busy = time.perf_counter(), time.process_time()
    fitted = fit()
    fit_seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - busy
    named, probabilities = fitted.answer(given.test.typed)
    scores = score(given.test.labels, named, probabilities)
    return {
        "dataset": dataset,
        "split": split,
        "recipe": recipe,
        **scores.model_dump(exclude={"confusion_matrix"}),
        "rows": len(given.part.labels),
        "test_rows": len(given.test.labels),
        "fit_seconds": round(fit_seconds, 2),
        "cpu_seconds": round(cpu_seconds, 2),
        "added_mib": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        **fitted.extra,
    }


@dataclass(frozen=True)
class Fitted:
    """A model that can be judged.

    Attributes:
        answer: of typed rows (rows,) class index and (rows, classes) probabilities.
        extra: what else is told of the fit.

    """

    answer: Callable[[TypedRows], tuple[np.ndarray, np.ndarray]]
    extra: dict[str, Any]


def literal(given: Paired, split: int) -> Callable[[], Fitted]:
    """The seed's recipe with the stock libraries."""

    def fit() -> Fitted:
        model = LiteralRecipe(given.columns, given.crosses, seed=split)
        model.fit(given.part.typed, given.part.labels)
        return Fitted(
            lambda rows: _most_likely(model.predict_proba(rows)),
            {"smote_seconds": model.smote_seconds},
        )

    return fit


def seed(given: Paired, split: int) -> Callable[[], Fitted]:
    """The same by `recipe: seed`, with its checkpoints in a new run of MLFLOW_TRACKING_URI."""
    fitter, training = _fitter(given, "seed", split)
    run = TrainingRun.of_key(Registry(), "bench.training", uuid4().hex, {})
    forest = ResumableForest(run, training, Progress())

    def fit() -> Fitted:
        model = fitter.fit("HashedForest", given.part, grow=forest.grow)
        return Fitted(
            lambda rows: _most_likely(model.answer(rows)),
            {
                "checkpoint_clock_seconds": round(forest.spent.seconds, 2),
                "checkpoint_cpu_seconds": round(forest.spent.cpu_seconds, 2),
                "trees_mib": trees_mib(model.estimator),
            },
        )

    return fit


def auto(
    given: Paired, split: int, boosting: Mapping[str, Any] = MappingProxyType({})
) -> Callable[[], Fitted]:
    """`recipe: auto`, with the whole race of its candidates; see `Fitter.boosting`."""
    fitter, training = _fitter(given, "auto", split)
    fitter = replace(fitter, boosting=boosting)

    def fit() -> Fitted:
        found = choose(fitter, given.part, training, digest="", say=lambda message: None)
        model = fitter.fit(found.model, given.part, iterations=found.iterations)

        def answer(rows: TypedRows) -> tuple[np.ndarray, np.ndarray]:
            named, probabilities = _most_likely(model.answer(rows))
            return named, calibration_of(found).apply(probabilities)

        return Fitted(answer, {"model": found.model, "iterations": found.iterations})

    return fit


def untuned(given: Paired, split: int) -> Callable[[], Fitted]:
    """`auto` without what a test part was looked at for: scikit-learn's settings, every bucket."""
    hashing.fewest_rows = lambda rows: 1  # the process is of this fit alone
    stock = HistGradientBoostingClassifier().get_params()
    return auto(
        given,
        split,
        {name: stock[name] for name in BOOSTING_SETTINGS if name != "early_stopping"},
    )


READY = {"literal": literal, "seed": seed, "auto": auto, "untuned": untuned}
"""What makes a fit ready, the rest of which is measured."""


def _fitter(given: Paired, recipe: str, split: int) -> tuple[Fitter, Training]:
    training = Training.model_validate({"recipe": recipe, "seed": split})
    return Fitter(given.columns, given.crosses, training, given.classes), training


def _most_likely(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return probabilities.argmax(axis=1), probabilities


def trees_mib(forest: Any) -> int:
    """What scikit-learn keeps of the trees of a forest."""
    states = [tree.tree_.__getstate__() for tree in forest.estimators_]
    return int(sum(state["nodes"].nbytes + state["values"].nbytes for state in states)) // 2**20


if __name__ == "__main__":
    main()
