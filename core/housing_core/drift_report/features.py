"""What the report says of one feature."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from housing_core.drift_report.part import Part


class Bin(Part):
    """One bin that a feature was compared in: rows on each side, missing values among them."""

    kind: Literal["Range", "Category", "Rare", "New", "Missing"] = Field(
        description="A range of numbers, one category, the rare categories of the reference "
        "together, the categories that it has not seen, or the rows without a value."
    )
    label: str = Field(description="What a person calls it.")
    lower: float | None = Field(
        default=None, description="Of a range: its values are above this; null without an end."
    )
    upper: float | None = Field(
        default=None, description="Of a range: its values are at most this; null without an end."
    )
    reference: int = Field(description="Rows of the reference.")
    window: int = Field(description="Rows of the window.")


class FeatureDrift(Part):
    """What was measured of one feature in the window, against the reference.

    `*_reference` and `*_window` are the same statistic on each side; rows with missing values are
    among the rows.
    """

    name: str = Field(description="Name of the column.")
    kind: Literal["Numeric", "Categorical"] = Field(description="How it was compared.")
    psi: float | None = Field(
        default=None,
        description="Population stability index, less what chance adds on average to a window of "
        "this size; 0 at least.",
    )
    psi_plain: float | None = Field(
        default=None, description="The index by the textbook's formula, from `bins`."
    )
    psi_noise: float | None = Field(
        default=None, description="`psi` counts only above this, the most that chance explains."
    )
    design_effect: float = Field(
        default=1.0,
        description="How many times the variance of independent rows the window's has, as its rows "
        "come in clusters; 1 when they do not.",
    )
    bins: list[Bin] = Field(default=[], description="Every row of both sides is in one of them.")
    rows_reference: int = Field(default=0, description="Rows of the reference.")
    rows_window: int = Field(default=0, description="Rows of the window.")
    cardinality_ratio: float | None = Field(
        default=None,
        description="Distinct categories of reference and window together, over the reference's, "
        "at equal sample size: 1 + max(0, new_categories_found - new_categories_expected) / "
        "categories_expected; null for a number.",
    )
    categories_expected: float | None = Field(
        default=None,
        description="Distinct categories that as many rows of the reference have as the smaller of "
        "both sides.",
    )
    new_categories_found: float | None = Field(
        default=None,
        description="Distinct categories that the reference has not seen, in as many rows of the "
        "window as the smaller of both sides has.",
    )
    new_categories_expected: float | None = Field(
        default=None, description="The same, of rows like those of the reference."
    )
    new_categories_expected_error: float | None = Field(
        default=None, description="Standard error of `new_categories_expected`."
    )
    new_categories: dict[str, int] = Field(
        default={},
        description="The most frequent categories that the reference has not seen → rows of the "
        "window.",
    )
    new_share: float | None = Field(
        default=None,
        description="Share of the window's rows in categories that the reference has not seen.",
    )
    new_share_expected: float | None = Field(
        default=None, description="The same share, of rows like those of the reference."
    )
    out_of_range_share: float | None = Field(
        default=None, description="Share of the window's values outside the reference's range."
    )
    unreadable: int = Field(
        default=0,
        description="Values of the window that the cleaning rules could not read; they count as "
        "missing.",
    )
    missing_share_reference: float | None = Field(default=None, description="Rows without a value.")
    missing_share_window: float | None = Field(default=None, description="Rows without a value.")
    mean_reference: float | None = Field(default=None, description="Mean of the present values.")
    mean_window: float | None = Field(default=None, description="Mean of the present values.")
    std_reference: float | None = Field(default=None, description="Population deviation of them.")
    std_window: float | None = Field(default=None, description="Population deviation of them.")
    skewness_reference: float | None = Field(default=None, description="E(x - mean)³ / std³.")
    skewness_window: float | None = Field(default=None, description="E(x - mean)³ / std³.")

    @property
    def mean_shift(self) -> float | None:
        """Shift of the mean, up or down, in standard deviations of the reference."""
        if self.mean_reference is None or self.mean_window is None or not self.std_reference:
            return None
        return (self.mean_window - self.mean_reference) / self.std_reference

    @property
    def deviation_ratio(self) -> float | None:
        """Standard deviation of the window, over the reference's."""
        if self.std_window is None or not self.std_reference:
            return None
        return self.std_window / self.std_reference

    @property
    def skewness_shift(self) -> float | None:
        """Skewness of the window, less the reference's."""
        if self.skewness_window is None or self.skewness_reference is None:
            return None
        return self.skewness_window - self.skewness_reference
