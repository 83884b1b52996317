"""The models that a recipe can make, each from typed rows of the training part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from housing_core.api.spec import Cross, Training
from housing_core.bundle import ModelKind
from housing_training.data.columns import Columns
from housing_training.data.target import Classes
from housing_training.data.typed_rows import Part
from housing_training.features.hashing import Encoder, fit_encoder
from housing_training.features.target_encoding import TargetEncoder, fit_target_encoder
from housing_training.models.fitted import Model
from housing_training.models.forest import Features, grow_forest
from housing_training.models.resampling import resample
from housing_training.models.threads import boosting_threads

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

Grow = Callable[[Features, Classes, int], RandomForestClassifier]
"""Of features, labels, and the number of features with those that were left out as empty."""


@dataclass(frozen=True)
class Encoded:
    """Rows as an estimator learns from them.

    Attributes:
        features: (rows, features), synthetic rows last.
        labels: (rows,) class index.
        width: number of features with those that were left out as empty.

    """

    encoder: Encoder | TargetEncoder
    features: Features
    labels: Classes
    width: int


@dataclass(frozen=True)
class Fitter:
    """Fits any candidate by one spec.

    Attributes:
        columns, crosses: what the rows hold.
        training: of the spec.
        classes: number of classes.
        boosting: settings of boosting that differ from `BOOSTING_SETTINGS`.

    """

    columns: Columns
    crosses: Sequence[Cross]
    training: Training
    classes: int
    boosting: Mapping[str, Any] = field(default_factory=dict)

    def with_settings(self, name: ModelKind, settings: Mapping[str, Any]) -> Fitter:
        """The same with other settings of one candidate: fields of `Forest`, or of boosting."""
        if name == "EncodedBoosting":
            return replace(self, boosting=settings)
        forest = self.training.forest.model_copy(update=dict(settings))
        return replace(self, training=self.training.model_copy(update={"forest": forest}))

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
            grow: makes a forest; without it one is grown in one go.
            say: is told what a person should know.

        """
        encoded = self.encode(name, part, say)
        return self.fit_encoded(name, encoded, iterations=iterations, grow=grow)

    def fit_encoded(
        self,
        name: ModelKind,
        encoded: Encoded,
        *,
        iterations: int | None = None,
        grow: Grow | None = None,
    ) -> Model:
        """The part of `fit` that settings of the model change."""
        if name != "EncodedBoosting":
            forest = (grow or self._grow)(encoded.features, encoded.labels, encoded.width)
            return Model(encoded.encoder, forest, self.classes)
        boosting = HistGradientBoostingClassifier(
            max_iter=iterations or BOOSTING_ITERATIONS,
            random_state=self.training.seed,
            **{**BOOSTING_SETTINGS, **self.boosting},
        )
        features = _with_values(encoded.features, boosting.min_samples_leaf)
        with boosting_threads(len(encoded.labels)):
            boosting.fit(features, encoded.labels)
        return Model(encoded.encoder, boosting, self.classes)

    def encode(
        self, name: ModelKind, part: Part, say: Callable[[str], None] | None = None
    ) -> Encoded:
        """The part of `fit` that settings of the model do not change."""
        if name != "HashedForest":
            encoder, features = fit_target_encoder(
                part.typed,
                columns=self.columns,
                crosses=self.crosses,
                buckets=self.training.hashing.buckets,
                prices=part.prices,
                labels=part.labels,
                classes=self.classes,
                seed=self.training.seed,
                fill_missing=name == "EncodedForest",
                groups=part.groups,
            )
            return Encoded(encoder, features, part.labels, encoder.width)
        hashing = fit_encoder(part.typed, self.columns, self.crosses, self.training.hashing.buckets)
        resampled, labels, messages = resample(
            hashing.transform(part.typed),
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
        return Encoded(hashing, resampled, labels, hashing.full_width)

    def _grow(self, features: Features, labels: Classes, width: int) -> RandomForestClassifier:
        settings = self.training.forest
        return grow_forest(features, labels, settings, seed=self.training.seed, width=width)


def _with_values(features: Any, fewest: int) -> Any:
    """The features, zeros instead where next to no row has a value.

    No leaf could be made of so few, and scikit-learn fails where there is none: in a fold, or among
    the 200,000 rows that it makes its bins of.

    Args:
        features: float, (rows, features); NaN where missing.
        fewest: rows of a leaf.

    """
    rows = len(features)
    empty = rows - np.isnan(features).sum(axis=0) < max(fewest, rows // 5_000)
    return np.where(empty, features.dtype.type(0), features) if empty.any() else features
