"""`schema.json`: what goes into the graph and what comes out."""

from __future__ import annotations

from typing import Literal

from housing_core.bundle.part import FORMAT, Part
from housing_core.cleaning import CleaningRules, NumberRule


class ColumnSchema(Part):
    """One input column.

    Attributes:
        kind: Numeric columns are float32 inputs with NaN for missing, the others string inputs
            with `""` for missing.
        reason: why training gave it this kind.
        minimum, maximum: range in the training part; None for categories.
        examples: a few frequent raw values, for documentation.

    """

    name: str
    kind: Literal["Numeric", "Categorical", "HighCardinality"]
    reason: str = ""
    minimum: float | None = None
    maximum: float | None = None
    examples: list[str] = []


class CrossSchema(Part):
    """Columns whose combined value is one hashed input."""

    name: str
    columns: list[str]


class Schema(Part):
    """Columns in the order of the graph's inputs, classes in the order of its probabilities.

    Attributes:
        boundaries: prices that part the classes, rising, one less than there are classes; a price
            equal to a boundary belongs to the class above it.
        ignored: columns of the data that are not inputs → why.
        cleaning: `CleaningRules.to_json()`.
        price_rule: how the data writes prices, for those that come back as feedback; None in
            bundles made before this was kept.

    """

    format: int = FORMAT
    model_name: str
    target: str
    columns: list[ColumnSchema]
    crosses: list[CrossSchema] = []
    classes: list[str]
    boundaries: list[float]
    ignored: dict[str, str] = {}
    cleaning: str
    price_rule: NumberRule | None = None

    @property
    def rules(self) -> CleaningRules:
        """The cleaning rules of this model."""
        return CleaningRules.from_json(self.cleaning)

    @staticmethod
    def input_name(position: int) -> str:
        """Name of the graph's input for the column at this position."""
        return f"column_{position}"
