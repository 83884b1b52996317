"""Real listings as the prediction log and a training would see them, for tests of monitoring.

The reference profile is made here from the contract in `housing_core.bundle`, apart from both
programs that share it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import murmurhash3_32

from housing_core import bundle
from housing_core.bundle import (
    CategoricalProfile,
    ColumnSchema,
    FeatureProfile,
    NumericProfile,
    Reference,
    Schema,
)
from housing_core.cleaning import CleaningRules, NumberRule

DATA = Path(__file__).parent / "data"
CITIES = {"istanbul": "istanbul_emlakjet_2023.csv", "izmir": "izmir_emlakjet_2023.csv"}
TARGET = "Fiyat"
CLASSES = ["Low", "Medium", "High"]
QUANTILES = [0.4, 0.8]
FREQUENT_CATEGORIES = 100


@dataclass(frozen=True)
class Listings:
    """Listings of one city without exact duplicates.

    Attributes:
        frame: columns of raw texts (None where empty) and of numbers, prices left out.
        classes: of each listing, by its price among the Istanbul prices.

    """

    frame: pd.DataFrame
    classes: np.ndarray

    def rows(self, start: int, end: int) -> Listings:
        return Listings(self.frame.iloc[start:end], self.classes[start:end])

    def sample(self, size: int, seed: int) -> Listings:
        chosen = np.random.default_rng(seed).choice(len(self.frame), size, replace=False)
        return Listings(self.frame.iloc[chosen], self.classes[chosen])

    def records(self) -> list[dict[str, Any]]:
        """Listings as a client sends them: empty fields are null."""
        frame = self.frame.astype(object).where(self.frame.notna(), None)
        return [
            {str(name): value for name, value in row.items()} for row in frame.to_dict("records")
        ]


def read_listings(city: str, seed: int | None = 42) -> Listings:
    """Listings in a random order that a seed fixes; without one in that of the file, by district."""
    frame = pd.read_csv(DATA / CITIES[city], index_col=0).drop_duplicates()
    if seed is not None:
        frame = frame.sample(frac=1, random_state=seed)
    frame = frame.reset_index(drop=True)
    boundaries = pd.read_csv(DATA / CITIES["istanbul"], usecols=[TARGET])[TARGET].quantile(
        QUANTILES
    )
    positions = np.searchsorted(boundaries.to_numpy(), frame[TARGET].to_numpy(), side="right")
    return Listings(frame.drop(columns=TARGET), np.asarray(CLASSES)[positions])


def rules_of(listings: Listings) -> CleaningRules:
    """Numbers where pandas found numbers, categories elsewhere."""
    names = [str(name) for name in listings.frame]
    numeric = [n for n in names if pd.api.types.is_numeric_dtype(listings.frame[n])]
    return CleaningRules(
        numbers={name: NumberRule() for name in numeric},
        texts=tuple(name for name in names if name not in numeric),
    )


def reference_of(training: Listings, holdout: Listings) -> Reference:
    numeric = set(rules_of(training).numbers)
    features: dict[str, FeatureProfile] = {
        str(name): numeric_profile(column) if name in numeric else categorical_profile(column)
        for name, column in training.frame.items()
    }
    shares = {name: float((holdout.classes == name).mean()) for name in CLASSES}
    return Reference(
        rows=len(training.frame),
        holdout_rows=len(holdout.frame),
        features=features,
        class_shares=shares,
        scores={"accuracy": 0.78, "macro_f1": 0.77},
    )


def write_profile(folder: Path, model_name: str, training: Listings, holdout: Listings) -> Path:
    """Write a bundle with the profile of these listings and without a graph; returns its folder."""
    rules = rules_of(training)
    folder.mkdir()
    schema = Schema(
        model_name=model_name,
        target=TARGET,
        columns=[
            ColumnSchema(name=str(name), kind="Numeric" if name in rules.numbers else "Categorical")
            for name in training.frame
        ],
        classes=CLASSES,
        boundaries=[2_500_000.0, 6_000_000.0],
        cleaning=rules.to_json(),
    )
    bundle.write_part(folder, bundle.SCHEMA_FILE, schema)
    bundle.write_part(folder, bundle.REFERENCE_FILE, reference_of(training, holdout))
    return folder


def numeric_profile(column: pd.Series) -> NumericProfile:
    present = column.dropna().to_numpy(dtype=float)
    edges = np.unique(np.quantile(present, np.arange(0.1, 1, 0.1)))
    counts = np.bincount(np.searchsorted(edges, present, side="left"), minlength=len(edges) + 1)
    std = present.std()
    return NumericProfile(
        rows=len(column),
        missing=len(column) - len(present),
        edges=edges.tolist(),
        counts=counts.tolist(),
        mean=float(present.mean()),
        std=float(std),
        skewness=float((((present - present.mean()) / std) ** 3).mean()) if std else None,
        minimum=float(present.min()),
        maximum=float(present.max()),
    )


def categorical_profile(
    column: pd.Series, frequent: int = FREQUENT_CATEGORIES
) -> CategoricalProfile:
    counts = column.dropna().astype(str).str.split().str.join(" ").value_counts()
    top, others = counts.iloc[:frequent], counts.iloc[frequent:]
    return CategoricalProfile(
        rows=len(column),
        missing=int(column.isna().sum()),
        counts={str(name): int(rows) for name, rows in top.items()},
        other=int(others.sum()),
        cardinality=len(counts),
        other_hashes=[int(murmurhash3_32(str(name), positive=True)) for name in others.index],
    )
