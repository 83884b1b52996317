"""An alarm for columns that give the price away: what no listing to come will have, or the price itself.

A column alone that names the class nearly always is seldom a feature of a home. It may be the price
in another currency, a rent computed from it, or a label written after the sale.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from housing_training.data.typed_rows import Codes, Floats, Part
from housing_training.evaluation.intervals import confusion_counts, matrix_scores
from housing_training.evaluation.ranks import rank_correlation

SUSPICIOUS_MACRO_F1 = 0.9
"""Of one column alone, on rows that its table was not made of. The area alone reaches about 0.5 on
real listings, an address 0.6."""

SUSPICIOUS_RANK_CORRELATION = 0.95
"""Spearman's, of a numeric column with the price, either sign; the area reaches 0.6."""

BINS = 64
FOLDS = 5
MOST_ROWS = 30_000


def leaking_columns(part: Part, classes: int, seed: int) -> dict[str, str]:
    """Columns that predict the target too well alone → why, for a person.

    Args:
        part: the training part.
        classes: number of classes.
        seed: of the folds.

    """
    chance = np.random.default_rng(seed)
    rows = len(part.labels)
    if rows > MOST_ROWS:
        part = part.take(np.sort(chance.choice(rows, MOST_ROWS, replace=False)))
    folds = chance.permutation(len(part.labels)) % FOLDS
    found = {}
    for name, categories in _categories(part):
        predicted = np.empty(len(part.labels), np.int64)
        for fold in range(FOLDS):
            held = folds == fold
            table = _shares(categories[~held], part.labels[~held], int(categories.max()), classes)
            predicted[held] = table.argmax(axis=1)[categories[held]]
        counts = confusion_counts(part.labels, predicted, classes)
        macro_f1 = float(matrix_scores(counts)["macro_f1"])
        correlation = None
        if name in part.typed.numbers:
            values = part.typed.numbers[name].astype(np.float64)
            there = np.isfinite(values)
            correlation = rank_correlation(values[there], part.prices[there])
        if macro_f1 >= SUSPICIOUS_MACRO_F1:
            found[name] = f"alone it predicts the class with macro F1 {macro_f1:.3f}"
        elif correlation is not None and abs(correlation) >= SUSPICIOUS_RANK_CORRELATION:
            found[name] = f"its rank correlation with the price is {correlation:.3f}"
    return found


def leakage_warning(name: str, why: str) -> str:
    """The warning about one column, with what to do."""
    return (
        f"column {name!r} may give the price away: {why}. If listings to come will not have it "
        "before they have a price, set it to Ignored in dataset.columns"
    )


def _categories(part: Part) -> Iterator[tuple[str, Codes]]:
    for name, values in part.typed.numbers.items():
        yield name, _binned(values)
    for name, column in part.typed.texts.items():
        yield name, column.codes


def _binned(values: Floats) -> Codes:
    """Quantile bins; the last is for missing values."""
    present = values[~np.isnan(values)]
    if len(present) == 0:
        return np.zeros(len(values), np.int64)
    edges = np.unique(np.quantile(present, np.arange(1, BINS) / BINS, method="inverted_cdf"))
    bins = np.searchsorted(edges, values, side="left")
    return np.where(np.isnan(values), len(edges) + 1, bins).astype(np.int64)


def _shares(
    categories: Codes, labels: Codes, largest: int, classes: int
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(categories, classes) smoothed rows of each class; those of all rows where there are none."""
    counts = np.bincount(categories * classes + labels, minlength=(largest + 1) * classes)
    base = np.bincount(labels, minlength=classes) / len(labels)
    shares: np.ndarray[Any, np.dtype[np.float64]] = counts.reshape(-1, classes) + base
    return shares
