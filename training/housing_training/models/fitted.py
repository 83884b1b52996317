"""A fitted model: an encoder of typed rows and an estimator over its features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from housing_training.data.typed_rows import TypedRows
from housing_training.features.hashing import Encoder
from housing_training.features.target_encoding import TargetEncoder
from housing_training.models.forest import class_probabilities
from housing_training.models.threads import boosting_threads


@dataclass(frozen=True)
class Model:
    """What a recipe makes.

    Attributes:
        encoder: the seed's, or target encoding.
        estimator: a forest or boosting, fitted on the encoder's features.
        classes: number of classes of the spec; in a part of the rows some may not occur.

    """

    encoder: Encoder | TargetEncoder
    estimator: RandomForestClassifier | HistGradientBoostingClassifier
    classes: int

    def answer(self, rows: TypedRows) -> np.ndarray[Any, np.dtype[np.float64]]:
        """(rows, classes) before calibration."""
        return self.answer_features(self.encoder.transform(rows))

    def answer_features(self, features: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The same for rows that are encoded already."""
        if isinstance(self.estimator, RandomForestClassifier):
            found = class_probabilities(self.estimator, features)
        else:
            with boosting_threads(len(features)):
                found = self.estimator.predict_proba(features)
        return self.spread(found)

    def spread(
        self, answers: np.ndarray[Any, np.dtype[np.float64]]
    ) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Answers for the classes that the estimator has seen → (rows, classes)."""
        known = self.estimator.classes_
        if len(known) == self.classes:
            return answers
        spread = np.zeros((len(answers), self.classes))
        # Of a single class boosting answers two columns, a forest one.
        spread[:, known] = answers if len(known) > 1 else 1.0
        return spread
