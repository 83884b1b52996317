"""`make bench-claims`: each of the seed's claims, measured over repeated splits of real listings.

A split is a process of its own and its result a file: what is there is not done again. The page is
written from what is there.

    python -m tests.bench.claims [--splits 5] [--datasets istanbul izmir]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.preprocessing import OneHotEncoder

from housing_core.api.spec import Training
from housing_training.data.typed_rows import TypedRows
from housing_training.evaluation.metrics import baseline_scores, score
from housing_training.features.hashing import HashedInput, fewest_rows, fit_encoder
from housing_training.models.candidates import Fitter
from tests.bench.training_report import DATASETS, mean_interval
from tests.bench.training_splits import (
    ROOT,
    Paired,
    kept_result,
    paired_split,
    take_over,
    write_results,
)

CACHE = ROOT / "build" / "bench-claims"
RESULTS = ROOT / "docs" / "results" / "claims.json"
PAGE = ROOT / "docs" / "results" / "claims.md"

Result = dict[str, Any]


class Claim(NamedTuple):
    """A gain of a score by a part of the recipe, as a share of the score without it."""

    words: str
    score: str
    without: str
    wanted: float


CLAIMS = (
    Claim("Crosses: 15 % better accuracy", "accuracy", "without_crosses", 0.15),
    Claim("Forest: 8 % over the baseline (logistic regression)", "accuracy", "baseline", 0.08),
    Claim("SMOTE: 25 % better macro F1", "macro_f1", "without_smote", 0.25),
)

HASHING_SAVES = 0.8
"""The claim on memory."""

EVERY_BUCKET = (
    "The forests are older than the commit `9790aef`: every bucket of the hasher that occurs was a "
    "feature, and today one of [few rows]"
    "(../decisions/20261129-forests-and-smote-of-a-million-rows.md) is none."
)
"""Said of results that do not say in how many rows a bucket must occur."""


def main() -> None:
    """Measure what is missing, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument(
        "--datasets", nargs="+", default=["izmir", "istanbul"], choices=list(DATASETS)
    )
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one[0], int(arguments.one[1]))))
        return
    take_over(RESULTS, CACHE, "dataset", "split")
    for split in range(arguments.splits):
        for dataset in arguments.datasets:
            kept_result("tests.bench.claims", CACHE, dataset, str(split))
    results = [json.loads(path.read_text()) for path in sorted(CACHE.glob("*.json"))]
    write_results(RESULTS, results)
    PAGE.write_text(page(results), "utf-8")
    print(PAGE.read_text("utf-8"))


def measure(dataset: str, split: int) -> Result:
    """All claims on one split."""
    given = paired_split(dataset, split)
    whole = Training.model_validate({"recipe": "seed", "seed": split})
    without_smote = Training.model_validate(
        {"recipe": "seed", "seed": split, "resampling": {"method": "None"}}
    )
    encoder = fit_encoder(given.part.typed, given.columns, given.crosses, whole.hashing.buckets)
    baseline, _ = baseline_scores(
        encoder.transform(given.part.typed),
        given.part.labels,
        holdout=encoder.transform(given.test.typed),
        truth=given.test.labels,
        classes=given.classes,
        seed=split,
    )
    return {
        "dataset": dataset,
        "split": split,
        "fewest_rows": fewest_rows(given.part.typed.rows),
        "seed": scores_of(given, whole),
        "without_crosses": scores_of(replace(given, crosses=[]), whole),
        "without_smote": scores_of(given, without_smote),
        "baseline": {"accuracy": baseline.accuracy, "macro_f1": baseline.macro_f1},
        "memory": memory_of(given.part.typed, encoder.hashed, encoder.buckets),
    }


def scores_of(given: Paired, training: Training) -> dict[str, float]:
    """Of the seed's forest."""
    fitter = Fitter(given.columns, given.crosses, training, given.classes)
    answers = fitter.fit("HashedForest", given.part).answer(given.test.typed)
    found = score(given.test.labels, answers.argmax(axis=1), answers)
    return {"accuracy": found.accuracy, "macro_f1": found.macro_f1}


def memory_of(
    rows: TypedRows, hashed: Sequence[HashedInput], buckets: int
) -> dict[str, dict[str, int]]:
    """Bytes of the same columns and crosses, one-hot and hashed.

    `sparse` is what scikit-learn makes by default in both cases, `dense` the same as an array of
    float32, `state` what has to be kept to encode a row later.
    """
    texts = np.column_stack(
        [
            [
                " ".join(values)
                for values in zip(*(rows.texts[c].texts() for c in item.columns), strict=True)
            ]
            for item in hashed
        ]
    )
    one_hot = OneHotEncoder(handle_unknown="ignore", dtype=np.float32).fit(texts)
    categories = [text for column in one_hot.categories_ for text in column]
    found = one_hot.transform(texts)
    data = np.ones(found.nnz, np.float32)
    shape = (rows.rows, buckets)
    as_hashed = sparse.csr_matrix((data, np.zeros(found.nnz, np.int32), found.indptr), shape)
    return {
        name: {
            "columns": matrix.shape[1],
            "sparse": matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes,
            "dense": 4 * matrix.shape[0] * matrix.shape[1],
            "state": state,
        }
        for name, matrix, state in (
            ("one_hot", found, sum(len(text.encode()) for text in categories)),
            ("hashed", as_hashed, 0),
        )
    }


def page(results: Sequence[Result]) -> str:
    """Claim, measured, verdict."""
    lines = [
        "# The claims of the seed's report, measured",
        "",
        "Written by `make bench-claims` from [claims.json](claims.json): the seed's recipe with and "
        "without the part that a claim is about, on paired 80/20 splits. A gain is in points of the "
        "score, and relative to the score without the part; intervals are those of a mean over the "
        "splits (Student's t, 95 %). A claim holds when its number lies in the interval of the "
        "relative gain or below it.",
        "",
        *([] if all("fewest_rows" in result for result in results) else [EVERY_BUCKET, ""]),
        "| claim | data | splits | without | with | gain | relative | 95 % interval | verdict |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for claim in CLAIMS:
        for dataset, title in DATASETS.items():
            own = [result for result in results if result["dataset"] == dataset]
            if own:
                lines.append(_gain(claim, title, own))
    lines += [
        "",
        "## Hashing: 80 % less memory",
        "",
        "The columns and crosses that the recipe hashes, one-hot instead, and what their arrays take: "
        "means over the splits. The claim is judged by the larger saving.",
        "",
        "| data | splits | encoding | columns | sparse, as both are made | as a dense array | kept to "
        "encode rows later | verdict |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for dataset, title in DATASETS.items():
        own = [result["memory"] for result in results if result["dataset"] == dataset]
        if own:
            lines += _memory(title, own)
    return "\n".join(lines) + "\n"


def _gain(claim: Claim, title: str, own: Sequence[Result]) -> str:
    before = np.array([result[claim.without][claim.score] for result in own])
    after = np.array([result["seed"][claim.score] for result in own])
    relative = after / before - 1
    found = mean_interval(relative.tolist())
    interval, verdict = "one split", "not judged: one split"
    if found is not None:
        interval = f"{found[1]:+.1%} to {found[2]:+.1%}"
        verdict = "holds" if found[2] >= claim.wanted else "does not hold"
    return (
        f"| {claim.words} | {title} | {len(own)} | {before.mean():.4f} | {after.mean():.4f} "
        f"| {(after - before).mean():+.4f} | {relative.mean():+.1%} | {interval} | {verdict} |"
    )


def _memory(title: str, own: Sequence[Result]) -> list[str]:
    savings = {
        kind: [1 - each["hashed"][kind] / each["one_hot"][kind] for each in own]
        for kind in ("sparse", "dense")
    }
    holds = max(float(np.mean(saved)) for saved in savings.values()) >= HASHING_SAVES
    verdict = ("holds: " if holds else "does not hold: ") + ", ".join(
        f"{_share(saved)} {kind}" for kind, saved in savings.items()
    )
    lines = []
    for name, label in (("one_hot", "one-hot"), ("hashed", "hashed")):
        columns, in_sparse, in_dense, state = (
            float(np.mean([each[name][kind] for each in own]))
            for kind in ("columns", "sparse", "dense", "state")
        )
        lines.append(
            f"| {title} | {len(own)} | {label} | {columns:,.0f} | {in_sparse / 1e6:.2f} MB "
            f"| {in_dense / 1e6:.0f} MB | {state / 1e3:.0f} kB "
            f"| {verdict if name == 'hashed' else ''} |"
        )
    return lines


def _share(saved: Sequence[float]) -> str:
    found = mean_interval(list(saved))
    if found is None:
        return f"{saved[0]:.0%} saved"
    return f"{found[0]:.0%} ({found[1]:.0%} to {found[2]:.0%}) saved"


if __name__ == "__main__":
    main()
