"""The models that a recipe can make, each from typed rows of the training part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from housing_core.api.spec import Cross, Training
from housing_core.bundle import ModelKind
from housing_training.columns import Columns
from housing_training.features import Codes, TypedRows, fit_encoder
from housing_training.forest import Features, grow_forest
from housing_training.models import Model
from housing_training.resampling import resample
from housing_training.target import Classes, Prices
from housing_training.target_encoding import TargetEncoder, fit_target_encoder

CANDIDATES: dict[ModelKind, str] = {
    "EncodedBoosting": "histogram gradient boosting on cross-fitted target encoding",
    "EncodedForest": "random forest on cross-fitted target encoding",
    "HashedForest": "the seed's forest on hashed features, with its resampling",
}
"""In the order in which `auto` tries them: what fits fastest comes first."""

BOOSTING_ITERATIONS = 300
"""Most iterations; cross-validation takes as many of them as help."""

BOOSTING_SETTINGS: dict[str, Any] = {
    "learning_rate": 0.06,
    "max_leaf_nodes": 31,
    "min_samples_leaf": 20,
    "l2_regularization": 10.0,
    "max_features": 0.3,
    "early_stopping": False,  # the number of iterations comes from cross-validation
}
"""Found on Izmir and on two fifths of Istanbul that no benchmark is judged on."""

Grow = Callable[[Features, Classes], RandomForestClassifier]


@dataclass(frozen=True)
class Part:
    """Rows to learn from or to be judged on.

    Attributes:
        typed: the rows.
        labels: (rows,) class index.
        prices: (rows,).
        groups: (rows,) group of each row, when the spec splits by groups.
        homes: (rows,) equal for rows that differ in the price only.
        times: (rows,) rising with time, when the spec splits by time.

    """

    typed: TypedRows
    labels: Classes
    prices: Prices
    homes: np.ndarray[Any, np.dtype[np.uint64]]
    groups: np.ndarray[Any, Any] | None = None
    times: np.ndarray[Any, np.dtype[np.float64]] | None = None

    def take(self, at: Codes) -> Part:
        """The rows at these positions."""
        return replace(
            self,
            typed=self.typed.take(at),
            labels=self.labels[at],
            prices=self.prices[at],
            homes=self.homes[at],
            groups=None if self.groups is None else self.groups[at],
            times=None if self.times is None else self.times[at],
        )


@dataclass(frozen=True)
class Fitter:
    """Fits any candidate by one spec.

    Attributes:
        columns, crosses: what the rows hold.
        training: of the spec.
        classes: number of classes.

    """

    columns: Columns
    crosses: Sequence[Cross]
    training: Training
    classes: int

    def fit(
        self,
        name: ModelKind,
        part: Part,
        *,
        iterations: int | None = None,
        grow: Grow | None = None,
        say: Callable[[str], None] | None = None,
    ) -> Model:
        """Fit one candidate.

        Args:
            name: which.
            part: the rows to learn from.
            iterations: of boosting; the most by default.
            grow: makes a forest of features and labels; without it one is grown in one go.
            say: is told what a person should know.

        """
        grow = grow or self._grow
        if name == "HashedForest":
            encoder = fit_encoder(
                part.typed, self.columns, self.crosses, self.training.hashing.buckets
            )
            features, labels, messages = resample(
                encoder.transform(part.typed),
                part.labels,
                self.training.resampling,
                self.training.seed,
            )
            if say is not None:
                before, after = (
                    np.bincount(part_labels, minlength=self.classes).tolist()
                    for part_labels in (part.labels, labels)
                )
                messages.append(
                    f"{len(labels) - len(part.labels)} synthetic rows added: rows of the classes "
                    f"before {before}, after {after}"
                )
                for message in messages:
                    say(message)
            return Model(encoder, grow(features, labels), self.classes)
        encoder_, encoded = self._encode(part, fill_missing=name == "EncodedForest")
        if name == "EncodedForest":
            return Model(encoder_, grow(encoded, part.labels), self.classes)
        boosting = HistGradientBoostingClassifier(
            max_iter=iterations or BOOSTING_ITERATIONS,
            random_state=self.training.seed,
            **BOOSTING_SETTINGS,
        )
        return Model(encoder_, boosting.fit(encoded, part.labels), self.classes)

    def _encode(self, part: Part, *, fill_missing: bool) -> tuple[TargetEncoder, Features]:
        return fit_target_encoder(
            part.typed,
            columns=self.columns,
            crosses=self.crosses,
            buckets=self.training.hashing.buckets,
            prices=part.prices,
            labels=part.labels,
            classes=self.classes,
            seed=self.training.seed,
            fill_missing=fill_missing,
            groups=part.groups,
        )

    def _grow(self, features: Features, labels: Classes) -> RandomForestClassifier:
        settings = self.training.forest
        return grow_forest(
            features, labels, settings, seed=self.training.seed, every=settings.trees
        )
