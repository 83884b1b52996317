"""The seed's recipe with stock scikit-learn, as a pipeline over a frame of raw listings.

Fitted by `tests.bench.serving.prepare`; the peers load it, so this imports nothing of the project.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction import FeatureHasher
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

BUCKETS = 16_384
TREES = 100


def to_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Numbers as people write them -> floats."""
    return frame.apply(pd.to_numeric, errors="coerce")


def to_texts(frame: pd.DataFrame) -> pd.DataFrame:
    """Categories with a text for missing ones."""
    return frame.astype(object).where(frame.notna(), "").astype(str)


def to_tokens(frame: pd.DataFrame) -> list[list[str]]:
    """`name=value` of high-cardinality columns and crosses, which stand side by side."""
    return [list(row) for row in _tokens(frame)]


def _tokens(frame: pd.DataFrame) -> Iterator[Iterator[str]]:
    names = [name.replace("|", "_") for name in frame.columns]
    for row in frame.itertuples(index=False, name=None):
        yield (f"{name}={value}" for name, value in zip(names, row, strict=True))


class Crosses:
    """Adds a column for each cross."""

    def __init__(self, hashed: list[str], crosses: list[list[str]]) -> None:
        self.hashed, self.crosses = hashed, crosses

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        """High-cardinality columns and crosses of raw listings."""
        texts = to_texts(frame)
        columns = {name: texts[name] for name in self.hashed}
        for cross in self.crosses:
            columns["|".join(cross)] = texts[cross].agg("\x1f".join, axis=1)
        return pd.DataFrame(columns)


def make_pipeline(
    numbers: list[str],
    categories: list[str],
    hashed: list[str],
    crosses: list[list[str]],
) -> Pipeline:
    """The unfitted pipeline."""
    every = sorted({*hashed, *(name for cross in crosses for name in cross)})
    hasher = Pipeline(
        [
            ("cross", FunctionTransformer(Crosses(hashed, crosses))),
            ("tokens", FunctionTransformer(to_tokens)),
            ("hash", FeatureHasher(BUCKETS, input_type="string")),
        ]
    )
    numeric = Pipeline(
        [("read", FunctionTransformer(to_numbers)), ("fill", SimpleImputer(strategy="median"))]
    )
    text = Pipeline(
        [("fill", FunctionTransformer(to_texts)), ("hot", OneHotEncoder(handle_unknown="ignore"))]
    )
    features = ColumnTransformer(
        [("numbers", numeric, numbers), ("texts", text, categories), ("hashed", hasher, every)]
    )
    forest = RandomForestClassifier(TREES, class_weight="balanced", random_state=42, n_jobs=1)
    return Pipeline([("features", features), ("forest", forest)])
