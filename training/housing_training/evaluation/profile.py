"""The reference profile: what monitoring compares a window of predictions with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.utils import murmurhash3_32

from housing_core.bundle import (
    CategoricalProfile,
    FeatureProfile,
    NumericProfile,
    Reference,
    Scores,
)
from housing_training.data.target import Classes
from housing_training.data.typed_rows import Floats, TextColumn, TypedRows
from housing_training.evaluation.metrics import calibration_bins
from housing_training.export.inference import Answers

BINS = 10
"""Bins of equal share, as is usual for the population stability index."""

CATEGORIES_KEPT = 200
HASHES_KEPT = 20_000
"""Per column; 256 columns of them would be tens of megabytes, so they share what follows."""

HASHES_TOTAL = 50_000
NAMES_BYTES = 250_000
"""Of all columns together, shared evenly; less where the numbers of many columns leave less."""

TOTAL_BYTES = 950_000
"""Of the whole profile, which is to stay below 1 MB: numbers take theirs first."""

HASH_BYTES = 11
CATEGORICAL_BYTES = 160
"""Of a categorical column without its categories."""

NAME_EXTRA_BYTES = 16
"""Quotes, colon, comma and the count beside each name."""


def numeric_profile(values: Floats) -> NumericProfile:
    """Profile of a numeric column.

    Args:
        values: (rows,) with NaN for missing.

    """
    present = values[~np.isnan(values)].astype(np.float64)
    if len(present) == 0:
        return NumericProfile(
            rows=len(values),
            missing=len(values),
            edges=[],
            counts=[0],
            mean=None,
            std=None,
            skewness=None,
            minimum=None,
            maximum=None,
        )
    quantiles = np.quantile(present, np.arange(1, BINS) / BINS, method="inverted_cdf")
    # An edge at the maximum would leave the last bin empty.
    edges = np.unique(quantiles[quantiles < present.max()])
    counts = np.bincount(np.searchsorted(edges, present, side="left"), minlength=len(edges) + 1)
    mean, std = float(present.mean()), float(present.std())
    skewness = float(np.mean(((present - mean) / std) ** 3)) if std > 0 else None
    return NumericProfile(
        rows=len(values),
        missing=len(values) - len(present),
        edges=edges.tolist(),
        counts=counts.tolist(),
        mean=mean,
        std=std,
        skewness=skewness,
        minimum=float(present.min()),
        maximum=float(present.max()),
    )


def categorical_profile(
    column: TextColumn, hashes: int = HASHES_KEPT, name_bytes: int = NAMES_BYTES
) -> CategoricalProfile:
    """Profile of a categorical column.

    Args:
        column: `""` is missing.
        hashes: most hashes of categories beyond those that are counted by name.
        name_bytes: most bytes that the names may take.

    """
    counts = np.bincount(column.codes, minlength=len(column.values))
    found = {
        value: int(count)
        for value, count in zip(column.values, counts, strict=True)
        if count and value
    }
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    sizes = np.cumsum([len(name.encode()) + NAME_EXTRA_BYTES for name, _ in ordered] or [0])
    kept = min(CATEGORIES_KEPT, int(np.searchsorted(sizes, name_bytes, side="right")))
    further = ordered[kept:]
    return CategoricalProfile(
        rows=len(column.codes),
        missing=int(len(column.codes) - sum(found.values())),
        counts=dict(ordered[:kept]),
        other=sum(count for _, count in further),
        cardinality=len(found),
        other_hashes=[
            murmurhash3_32(value.encode(), seed=0, positive=True) for value, _ in further[:hashes]
        ],
    )


def make_reference(
    training: TypedRows,
    truth: Classes,
    answers: Answers,
    *,
    classes: Sequence[str],
    scores: Scores,
) -> Reference:
    """The profile: features from the training part, everything else from the holdout.

    Args:
        training: typed rows of the training part.
        truth: (holdout rows,) class index.
        answers: of the graph on the holdout.
        classes: their names.
        scores: on the holdout.

    """
    features: dict[str, FeatureProfile] = {
        name: numeric_profile(values) for name, values in training.numbers.items()
    }
    left = TOTAL_BYTES - sum(len(profile.model_dump_json()) for profile in features.values())
    for name in (*training.numbers, *training.texts):
        left -= len(name.encode()) + NAME_EXTRA_BYTES
    left = max(0, left - CATEGORICAL_BYTES * len(training.texts))
    name_bytes = min(NAMES_BYTES, left // 3)
    hashes = min(HASHES_TOTAL, (left - name_bytes) // HASH_BYTES)
    for position, (name, column) in enumerate(training.texts.items()):
        sharers = len(training.texts) - position
        profile = categorical_profile(
            column, min(hashes // sharers, HASHES_KEPT), name_bytes // sharers
        )
        hashes -= len(profile.other_hashes)
        name_bytes -= sum(len(kept.encode()) + NAME_EXTRA_BYTES for kept in profile.counts)
        features[name] = profile
    shares = np.bincount(answers.labels, minlength=len(classes)) / len(answers.labels)
    return Reference(
        rows=training.rows,
        holdout_rows=len(truth),
        features=features,
        class_shares=dict(zip(classes, shares.tolist(), strict=True)),
        scores={"accuracy": scores.accuracy, "macro_f1": scores.macro_f1},
        calibration=calibration_bins(truth, answers.labels, answers.probabilities),
    )
