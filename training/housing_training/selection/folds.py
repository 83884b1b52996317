"""Which rows of the training part are learned from and which are held out, fold by fold."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from housing_training.data.splitting import relisted
from housing_training.data.times import Times
from housing_training.data.typed_rows import Codes, Part
from housing_training.errors import InvalidDataError

MOST_ROWS = 30_000
"""More rows would tell the candidates apart no better than is worth the time."""


def make_folds(part: Part, count: int, seed: int) -> list[tuple[Codes, Codes]]:
    """Splits of the training part, by the rule that split the dataset itself.

    By default each class is spread evenly; groups stay whole; with times the held-out rows are
    newer than those learned from, and rows without a time are learned from only. Held-out rows that
    equal a learned one in all but the price are left out, as they are of the holdout. Early rows
    may lack a class; who learns from them cannot name it.

    Args:
        part: the training part.
        count: most folds; fewer where there are fewer groups, or fewer rows of every class.
        seed: of the shuffling.

    Returns:
        Pairs of positions: learned from, held out; with times the newest last.

    Raises:
        InvalidDataError: when all rows are of one group, or no class has two.

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
        return part.take(np.sort(_by_time(part.times)[-MOST_ROWS:]))
    chosen = np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False)
    return part.take(np.sort(chosen))


def _split(part: Part, count: int, seed: int) -> list[tuple[Codes, Codes]]:
    if part.times is not None:
        ordered, unknown = _by_time(part.times), int(np.isnan(part.times).sum())
        first, *parts = np.array_split(ordered[unknown:], count + 1)
        parts = [np.concatenate([ordered[:unknown], first]), *parts]
        return [(np.concatenate(parts[:n]), parts[n]) for n in range(1, count + 1)]
    count = min(count, int(np.bincount(part.labels).max()))
    if count < 2:
        raise InvalidDataError(
            f"dataset.target.classes: the {len(part.labels)} rows to learn from hold one of each "
            "class, so that none is left to compare models on: add listings, or choose fewer "
            "classes"
        )
    if part.groups is not None:
        groups = len(np.unique(part.groups))
        if groups < 2:
            raise InvalidDataError(
                f"dataset.split.groupColumn: the {len(part.labels)} rows to learn from are of one "
                "group, so that no group is left to compare models on: add listings of others, or "
                "name a column of more groups"
            )
        folds = StratifiedGroupKFold(min(count, groups), shuffle=True, random_state=seed)
        return list(folds.split(part.labels, part.labels, part.groups))
    folds = StratifiedKFold(count, shuffle=True, random_state=seed)
    return list(folds.split(part.labels, part.labels))


def _by_time(times: Times) -> Codes:
    """Positions from the oldest row to the newest; rows without a time count as the oldest."""
    return np.argsort(np.where(np.isnan(times), -np.inf, times), kind="stable")


def _without_relisted(part: Part, learned: Codes, held: Codes) -> Codes:
    homes = np.concatenate([part.homes[learned], part.homes[held]])
    is_held = np.arange(len(homes)) >= len(learned)
    return held[~relisted(homes, is_held)[len(learned) :]]
