"""The random forest (seed 4.4), grown in steps that can be interrupted (seed 4.6)."""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import sklearn
from scipy import sparse
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.class_weight import compute_class_weight

from housing_core.api.spec import Forest
from housing_training.data.target import Classes
from housing_training.workers.crew import ALONE, Crew

DENSE_LIMIT_BYTES = 1 << 30
"""Up to this size the features are made dense, on which trees grow about twice as fast."""

MOST_ROWS_OF_A_TREE = 200_000
"""Each tree draws so many rows at most: a forest of unlimited trees grows with the rows it learns
from, and one of a million rows takes more memory than a graph and its reader may."""

# Once for all threads: `catch_warnings` is not for several at a time.
warnings.filterwarnings("ignore", message="Warm-start fitting without")

Features = sparse.csr_matrix[Any] | sparse.csc_matrix[Any] | np.ndarray[Any, Any]


def features_per_split(width: int, kept: int) -> int:
    """How many of the kept features each split of a tree looks at.

    The seed's forest draws √width of all features. Most buckets of the hasher occur in no row and
    are left out here, so that of the others as many are drawn as would be among them.

    Args:
        width: features with the hasher's empty buckets.
        kept: features without them.

    """
    return max(1, round(math.isqrt(width) * kept / width))


def rows_of_a_tree(rows: int) -> int:
    """How many of the rows each tree draws, with replacement; few draw all, as the seed's do."""
    return min(rows, MOST_ROWS_OF_A_TREE)


def forest_digest(
    features: Features, labels: Classes, settings: Forest, seed: int, width: int | None = None
) -> str:
    """Digest of everything that a tree depends on: trees of one digest belong to one forest."""
    digest = hashlib.sha256()
    parts = (
        [features]
        if isinstance(features, np.ndarray)
        else [features.data, features.indices, features.indptr]
    )
    for part in (*parts, labels):
        digest.update(np.ascontiguousarray(part).tobytes())
    parameters = settings.to_json()
    del parameters["trees"]  # a tree does not know how many follow
    drawn = rows_of_a_tree(features.shape[0])
    parts_of = [parameters, features.shape, width, drawn, seed, sklearn.__version__]
    digest.update(json.dumps(parts_of).encode())
    return digest.hexdigest()


def steps(trees: int, done: int, every: int) -> list[int]:
    """Numbers of trees after which a checkpoint is written, from `done` on; the last is `trees`."""
    return [*range(done + every, trees, every), trees] if done < trees else []


@dataclass(frozen=True)
class Ground:
    """What every tree of a forest grows from.

    Attributes:
        settings: of RandomForestClassifier.
        features: (rows, features), float32, in the layout that trees are grown from.
        labels: (rows,) class of each row.

    """

    settings: dict[str, Any]
    features: Features
    labels: Classes


def grow_trees(ground: Ground, span: tuple[int, int]) -> list[DecisionTreeClassifier]:
    """The trees of a forest from one number to before another, the same wherever they are grown.

    With `warm_start`, scikit-learn draws one seed per tree from `random_state` and first passes
    over those of the trees that are there already; what these are makes no difference.
    """
    first, last = span
    forest = RandomForestClassifier(
        n_estimators=last,
        warm_start=True,
        # joblib heeds the container's CPU limit
        n_jobs=-1 if last - first > 1 else 1,
        **ground.settings,
    )
    forest.estimators_ = [None] * first
    forest.fit(ground.features, ground.labels)
    trees: list[DecisionTreeClassifier] = forest.estimators_[first:]
    return trees


def grow_steps(
    ground: Ground, trees: int, *, done: int = 0, every: int | None = None, crew: Crew = ALONE
) -> Iterator[list[DecisionTreeClassifier]]:
    """The new trees of each step, which are the same wherever they are grown.

    Args:
        ground: what they grow from.
        trees: of the forest.
        done: the first ones, which are there already.
        every: trees of a step; the last may have fewer. All in one step without it.
        crew: grows the trees.

    """
    ends = steps(trees, done, every or trees)
    starts = range(done, trees) if crew.is_spread else [done, *ends][:-1]
    step: list[DecisionTreeClassifier] = []
    for new in crew.map(grow_trees, crew.share(ground), list(pairwise([*starts, trees]))):
        step += new
        done += len(new)
        del new  # whoever takes the step may let its trees go before the next are grown
        if done in ends:
            yield step
            step = []


def grow_forest(
    features: Features,
    labels: Classes,
    settings: Forest,
    *,
    seed: int,
    width: int | None = None,
    resumed: Sequence[DecisionTreeClassifier] = (),
    crew: Crew = ALONE,
) -> RandomForestClassifier:
    """Grow a forest; the result is the same tree by tree wherever it is grown.

    Args:
        features, labels, settings, seed, width: see `prepare_ground`.
        resumed: the first trees.
        crew: grows the trees.

    """
    ground = prepare_ground(features, labels, settings, seed, width)
    trees = list(resumed)
    for new in grow_steps(ground, settings.trees, done=len(trees), crew=crew):
        trees += new
    return forest_of(trees, ground.settings, features, labels)


def forest_of(
    trees: list[DecisionTreeClassifier],
    settings: dict[str, Any],
    features: Features,
    labels: Classes,
) -> RandomForestClassifier:
    """The forest of trees that are grown, from the features and labels that they are of."""
    forest = RandomForestClassifier(n_estimators=len(trees), warm_start=True, n_jobs=-1, **settings)
    forest.estimators_ = trees
    return forest.fit(features, labels)  # no trees: it sets classes_ and n_features_in_


def prepare_ground(
    features: Features, labels: Classes, settings: Forest, seed: int, width: int | None = None
) -> Ground:
    """What the trees of a forest grow from.

    Args:
        features: (rows, features), float32.
        labels: (rows,) class of each row; all classes occur.
        settings: of the forest.
        seed: `random_state`.
        width: number of features with those that are the same in each row and so were left out;
            the number of features without it.

    """
    classes = np.unique(labels)
    weights = None
    if settings.class_weight == "Balanced":
        balanced = compute_class_weight("balanced", classes=classes, y=labels)
        weights = dict(zip(classes.tolist(), balanced.tolist(), strict=True))
    rows, columns = features.shape
    prepared = features
    if not isinstance(features, np.ndarray):
        dense = 4 * rows * columns <= DENSE_LIMIT_BYTES
        prepared = features.toarray() if dense else features.tocsc()
    return Ground(
        {
            "max_depth": settings.max_depth,
            "min_samples_leaf": settings.min_samples_leaf,
            "max_features": settings.max_features or features_per_split(width or columns, columns),
            "max_samples": rows_of_a_tree(rows),
            "class_weight": weights,
            "random_state": seed,
        },
        prepared,
        labels,
    )


def class_probabilities(
    forest: RandomForestClassifier, features: Features, batch: int = 4096
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(rows, classes) mean of the trees' answers, a batch of rows at a time to bound memory."""
    parts = [features[start : start + batch] for start in range(0, features.shape[0], batch)]
    return np.concatenate(
        [
            forest.predict_proba(part if isinstance(part, np.ndarray) else part.toarray())
            for part in parts
        ]
    )
