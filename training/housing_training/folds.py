"""Which rows of the training part are learned from and which are held out, fold by fold."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from housing_training.candidates import Part
from housing_training.features import Codes
from housing_training.splitting import relisted

MOST_ROWS = 30_000
"""More rows would tell the candidates apart no better than is worth the time."""


def make_folds(part: Part, count: int, seed: int) -> list[tuple[Codes, Codes]]:
    """Splits of the training part, by the rule that split the dataset itself.

    By default each class is spread evenly; groups stay whole; with times the held-out rows are
    newer than those learned from. Held-out rows that equal a learned one in all but the price are
    left out, as they are of the holdout.

    Args:
        part: the training part.
        count: number of folds.
        seed: of the shuffling.

    Returns:
        `count` pairs of positions: learned from, held out.

    """
    with warnings.catch_warnings():
        # A class with fewer rows than folds is missing from some; that is how it is.
        warnings.filterwarnings("ignore", message="The least populated class")
        splits = _split(part, count, seed)
    return [(learned, _without_relisted(part, learned, held)) for learned, held in splits]


def sample(part: Part, seed: int) -> Part:
    """At most `MOST_ROWS` rows: any, or with times the newest."""
    rows = len(part.labels)
    if rows <= MOST_ROWS:
        return part
    if part.times is not None:
        return part.take(np.sort(np.argsort(part.times, kind="stable")[-MOST_ROWS:]))
    chosen = np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False)
    return part.take(np.sort(chosen))


def _split(part: Part, count: int, seed: int) -> list[tuple[Codes, Codes]]:
    if part.times is not None:
        parts = np.array_split(np.argsort(part.times, kind="stable"), count + 1)
        return [(np.concatenate(parts[:n]), parts[n]) for n in range(1, count + 1)]
    if part.groups is not None:
        folds = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
        return list(folds.split(part.labels, part.labels, part.groups))
    folds = StratifiedKFold(count, shuffle=True, random_state=seed)
    return list(folds.split(part.labels, part.labels))


def _without_relisted(part: Part, learned: Codes, held: Codes) -> Codes:
    homes = np.concatenate([part.homes[learned], part.homes[held]])
    is_held = np.arange(len(homes)) >= len(learned)
    return held[~relisted(homes, is_held)[len(learned) :]]
