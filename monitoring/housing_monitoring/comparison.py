"""One feature of the window against its reference profile."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from housing_core.bundle import CategoricalProfile, FeatureProfile, NumericProfile
from housing_core.drift_report import Bin, FeatureDrift
from housing_monitoring.columns import CategoricalColumn, Column, NumericColumn
from housing_monitoring.murmurhash import murmurhash3_32
from housing_monitoring.statistics import moments, population_stability_index, unseen_rows

LEAST_EXPECTED_ROWS = 5
"""A bin of its own needs this many rows in an unchanged window, or its PSI is all chance (Cochran's rule)."""

MOST_BINS = 500
"""Categories beyond these share one bin: more would only make the report larger."""

MISSING_LABEL = "(missing)"
NEW_LABEL = "(new)"

_CREDIBLE_ROWS = 2
"""A category seen once may be a typing mistake."""

_NAMED_CATEGORIES = 20


class KindMismatchError(ValueError):
    """The profile and the cleaning rules take a feature for different kinds."""


def compare(name: str, profile: FeatureProfile, column: Column, z: float) -> FeatureDrift:
    """Measure a feature.

    Args:
        name: of the feature.
        profile: of the training part.
        column: of the window; at least one row.
        z: `statistics.quantile` of the report.

    Raises:
        KindMismatchError: when a number meets a category.

    """
    if isinstance(profile, NumericProfile) and isinstance(column, NumericColumn):
        return _compare_numbers(name, profile, column, z)
    if isinstance(profile, CategoricalProfile) and isinstance(column, CategoricalColumn):
        return _compare_categories(name, profile, column, z)
    raise KindMismatchError(
        f"{name}: the reference profile is {profile.kind}, the cleaning rules say otherwise"
    )


def _compare_numbers(
    name: str, profile: NumericProfile, column: NumericColumn, z: float
) -> FeatureDrift:
    present = column.values[~np.isnan(column.values)]
    rows = len(column.values)
    found = moments(present)
    outside = None
    if profile.minimum is not None and profile.maximum is not None and len(present):
        outside = float(np.mean((present < profile.minimum) | (present > profile.maximum)))
    return _with_index(
        FeatureDrift(
            name=name,
            kind="Numeric",
            rows_reference=profile.rows,
            rows_window=rows,
            bins=[
                *_number_bins(profile, present, rows),
                *_missing_bin(profile.missing, rows - len(present)),
            ],
            out_of_range_share=outside,
            unreadable=column.unreadable,
            missing_share_reference=_share(profile.missing, profile.rows),
            missing_share_window=_share(rows - len(present), rows),
            mean_reference=profile.mean,
            mean_window=found.mean,
            std_reference=profile.std,
            std_window=found.std,
            skewness_reference=profile.skewness,
            skewness_window=found.skewness,
        ),
        z,
    )


def _compare_categories(
    name: str, profile: CategoricalProfile, column: CategoricalColumn, z: float
) -> FeatureDrift:
    counts = column.counts()
    rows = len(column.codes)
    missing = rows - sum(counts.values())
    new = _new_categories(profile, counts)
    rare = profile.cardinality - len(profile.counts)
    # A profile remembers so many categories at most; the others look new when they come again.
    forgotten = max(0, rare - len(profile.other_hashes))
    unseen = unseen_rows(list(profile.counts.values()), profile.other, rare, forgotten)
    ratio = None
    if profile.cardinality:
        credible = sum(1 for count in new.values() if count >= _CREDIBLE_ROWS)
        ratio = (profile.cardinality + max(0, credible - forgotten)) / profile.cardinality
    return _with_index(
        FeatureDrift(
            name=name,
            kind="Categorical",
            rows_reference=profile.rows,
            rows_window=rows,
            bins=[
                *_category_bins(profile, counts, sum(new.values()), round(unseen), rows),
                *_missing_bin(profile.missing, missing),
            ],
            cardinality_ratio=ratio,
            new_categories=dict(
                sorted(new.items(), key=lambda entry: (-entry[1], entry[0]))[:_NAMED_CATEGORIES]
            ),
            new_share=_share(sum(new.values()), rows),
            new_share_expected=_share(unseen, profile.rows),
            unreadable=column.unreadable,
            missing_share_reference=_share(profile.missing, profile.rows),
            missing_share_window=_share(missing, rows),
        ),
        z,
    )


def _new_categories(profile: CategoricalProfile, counts: dict[str, int]) -> dict[str, int]:
    """Rows of each category that the profile does not remember."""
    rare = set(profile.other_hashes)
    return {
        category: rows
        for category, rows in counts.items()
        if category not in profile.counts and murmurhash3_32(category) not in rare
    }


def _with_index(feature: FeatureDrift, z: float) -> FeatureDrift:
    index = population_stability_index(
        [bin_.reference for bin_ in feature.bins], [bin_.window for bin_ in feature.bins], z
    )
    return feature.model_copy(
        update={"psi": index.value, "psi_plain": index.plain, "psi_noise": index.noise}
    )


def _number_bins(profile: NumericProfile, present: NDArray[np.float64], rows: int) -> list[Bin]:
    """The profile's bins, neighbours joined until each expects enough rows."""
    positions = np.searchsorted(np.asarray(profile.edges), present, side="left")
    window = np.bincount(positions, minlength=len(profile.counts))
    scale = rows / profile.rows if profile.rows else 0.0
    groups: list[list[int]] = []
    expected = 0.0
    for position, count in enumerate(profile.counts):
        if not groups or expected >= LEAST_EXPECTED_ROWS:
            groups.append([])
            expected = 0.0
        groups[-1].append(position)
        expected += count * scale
    if len(groups) > 1 and expected < LEAST_EXPECTED_ROWS:
        groups[-2].extend(groups.pop())
    return [
        bin_
        for group in groups
        for bin_ in _range_bin(
            profile.edges,
            group,
            sum(profile.counts[position] for position in group),
            int(window[group].sum()),
        )
    ]


def _category_bins(
    profile: CategoricalProfile, counts: dict[str, int], new: int, unseen: int, rows: int
) -> list[Bin]:
    """A bin for each category that expects enough rows; the rare ones and the new ones apart.

    Args:
        profile: of the training part.
        counts: rows of each category in the window.
        new: rows of the window in new categories.
        unseen: how many rows of the reference new categories are worth (`unseen_rows`); they are
            taken from the rare ones.
        rows: of the window, missing values included.

    """
    scale = rows / profile.rows if profile.rows else 0.0
    frequent = sorted(profile.counts, key=lambda category: (-profile.counts[category], category))
    own = [c for c in frequent if profile.counts[c] * scale >= LEAST_EXPECTED_ROWS][:MOST_BINS]
    bins = [
        Bin(
            kind="Category",
            label=category,
            reference=profile.counts[category],
            window=counts.get(category, 0),
        )
        for category in own
    ]
    rare = sum(profile.counts.values()) + profile.other - sum(bin_.reference for bin_ in bins)
    rare_in_window = sum(counts.values()) - new - sum(bin_.window for bin_ in bins)
    unseen = min(unseen, rare)
    label = f"({profile.cardinality - len(own)} rare ones)"
    return [
        *bins,
        *_if_any(Bin(kind="Rare", label=label, reference=rare - unseen, window=rare_in_window)),
        *_if_any(Bin(kind="New", label=NEW_LABEL, reference=unseen, window=new)),
    ]


def _missing_bin(reference: int, window: int) -> list[Bin]:
    return _if_any(Bin(kind="Missing", label=MISSING_LABEL, reference=reference, window=window))


def _range_bin(edges: list[float], group: list[int], reference: int, window: int) -> list[Bin]:
    """A bin of the neighbours in `group`, which are positions between the edges."""
    lower = None if group[0] == 0 else edges[group[0] - 1]
    upper = None if group[-1] == len(edges) else edges[group[-1]]
    return _if_any(
        Bin(
            kind="Range",
            label=_range_label(lower, upper),
            lower=lower,
            upper=upper,
            reference=reference,
            window=window,
        )
    )


def _if_any(bin_: Bin) -> list[Bin]:
    return [bin_] if bin_.reference or bin_.window else []


def _range_label(lower: float | None, upper: float | None) -> str:
    if lower is None and upper is None:
        return "any"
    if lower is None:
        return f"≤ {upper:.6g}"
    if upper is None:
        return f"> {lower:.6g}"
    return f"{lower:.6g} – {upper:.6g}"


def _share(rows: float, of: float) -> float | None:
    return rows / of if of else None
