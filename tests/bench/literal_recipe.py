"""The seed's recipe with stock scikit-learn and imbalanced-learn, as its section 4 reads."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from imblearn.over_sampling import SMOTE
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction import FeatureHasher
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder

from housing_core.api.spec import Cross
from housing_training.data.columns import Columns
from housing_training.data.typed_rows import TypedRows

BUCKETS = 16_384
TREES = 100
LARGEST_RATIO = 2


@dataclass
class LiteralRecipe:
    """4.1 hashing, 4.2 crosses, 4.4 forest, 4.5 SMOTE; 4.3 is the labels that it is given."""

    columns: Columns
    crosses: Sequence[Cross]
    seed: int
    smote_seconds: float = 0.0

    def fit(self, rows: TypedRows, labels: np.ndarray) -> LiteralRecipe:
        self.plain = ColumnTransformer(
            [
                ("numbers", SimpleImputer(add_indicator=True), list(rows.numbers)),
                ("categories", OneHotEncoder(handle_unknown="ignore"), self._named("Categorical")),
            ]
        )
        features = self._transform(rows, fit=True)
        counts = np.bincount(labels)
        wanted = {
            label: min(counts.max(), LARGEST_RATIO * count)
            for label, count in enumerate(counts.tolist())
            if count < counts.max()
        }
        begun = time.perf_counter()
        features, labels = SMOTE(sampling_strategy=wanted, random_state=self.seed).fit_resample(
            features, labels
        )
        self.smote_seconds = time.perf_counter() - begun
        self.forest = RandomForestClassifier(
            TREES, class_weight="balanced", random_state=self.seed, n_jobs=-1
        ).fit(features, labels)
        return self

    def predict_proba(self, rows: TypedRows) -> np.ndarray:
        shares: np.ndarray = self.forest.predict_proba(self._transform(rows, fit=False))
        return shares

    def _named(self, kind: str) -> list[str]:
        return [column.name for column in self.columns.inputs if column.kind == kind]

    def _transform(self, rows: TypedRows, *, fit: bool) -> sparse.csr_matrix:
        frame = pd.DataFrame({**rows.numbers, **{k: v.texts() for k, v in rows.texts.items()}})
        plain = self.plain.fit_transform(frame) if fit else self.plain.transform(frame)
        hashed = [[name] for name in self._named("HighCardinality")]
        hashed += [list(cross.columns) for cross in self.crosses]
        if not hashed:
            return sparse.csr_matrix(plain)
        texts = [
            [f"{'_'.join(names)}={'_'.join(values)}" for values in zip(*columns, strict=True)]
            for names in hashed
            for columns in [[frame[name].astype(str) for name in names]]
        ]
        hasher = FeatureHasher(BUCKETS, input_type="string")
        wide: sparse.csr_matrix = sparse.hstack(
            [plain, hasher.transform(zip(*texts, strict=True))]
        ).tocsr()
        return wide
