"""`reference.json`: what monitoring compares a window with."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from housing_core.bundle.part import FORMAT, Part


class NumericProfile(Part):
    """A numeric feature in the training part.

    Attributes:
        edges: inner bin edges, rising; bin i holds values in (edges[i-1], edges[i]].
        counts: rows in each of the len(edges) + 1 bins, missing values left out.
        mean, std, skewness: of the present values, None where there are too few.

    """

    kind: Literal["Numeric"] = "Numeric"
    rows: int
    missing: int
    edges: list[float]
    counts: list[int]
    mean: float | None
    std: float | None
    skewness: float | None
    minimum: float | None
    maximum: float | None


class CategoricalProfile(Part):
    """A categorical feature in the training part.

    Attributes:
        counts: rows of each of the most frequent categories, missing values left out.
        other: rows of all further categories together.
        cardinality: number of distinct categories, the further ones included.
        other_hashes: murmurhash3_32 (unsigned, seed 0, of the UTF-8 text) of the further
            categories, so that a category is known to be new without its text.

    """

    kind: Literal["Categorical"] = "Categorical"
    rows: int
    missing: int
    counts: dict[str, int]
    other: int = 0
    cardinality: int
    other_hashes: list[int] = []


FeatureProfile = Annotated[NumericProfile | CategoricalProfile, Field(discriminator="kind")]


class Reference(Part):
    """What the monitor compares a window with: features from the training part, the rest from the holdout.

    Attributes:
        class_shares: share of each class among the holdout's *predictions*.
        scores: accuracy and macro_f1 on the holdout.
        calibration: rows (mean confidence of the bin, share that was right, rows in the bin).

    """

    format: int = FORMAT
    rows: int
    holdout_rows: int
    features: dict[str, FeatureProfile]
    class_shares: dict[str, float]
    scores: dict[str, float]
    calibration: list[tuple[float, float, int]] = []
