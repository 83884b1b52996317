"""One feature of the window against its reference profile."""

from __future__ import annotations

from housing_core.drift_report import Bin, FeatureDrift
from housing_monitoring.measures.cardinality import richness
from housing_monitoring.measures.clustering import design_effect
from housing_monitoring.measures.statistics import population_stability_index
from housing_monitoring.measures.tally import CategoryTally, NumberTally, Tally

_NAMED_CATEGORIES = 20


def compare(name: str, tally: Tally, z: float) -> FeatureDrift:
    """Measure a feature.

    Args:
        name: of the feature.
        tally: of the window; at least one row.
        z: `statistics.quantile` of the report.

    """
    window = tally.counts.sum(axis=0).tolist()
    bins = [
        bin_.model_copy(update={"window": rows})
        for bin_, rows in zip(tally.bins, window, strict=True)
        if bin_.reference or rows
    ]
    rows = sum(window)
    effect = design_effect(tally.counts, [bin_.reference for bin_ in tally.bins])
    index = population_stability_index(
        [bin_.reference for bin_ in bins], [bin_.window for bin_ in bins], z, effect
    )
    feature = FeatureDrift(
        name=name,
        kind="Numeric" if isinstance(tally, NumberTally) else "Categorical",
        psi=index.value,
        psi_plain=index.plain,
        psi_noise=index.noise,
        design_effect=effect,
        bins=bins,
        rows_reference=tally.profile.rows,
        rows_window=rows,
        unreadable=tally.unreadable,
        missing_share_reference=_share(tally.profile.missing, tally.profile.rows),
        missing_share_window=_share(_rows_of("Missing", bins), rows),
    )
    if isinstance(tally, NumberTally):
        return _with_moments(feature, tally)
    return _with_categories(feature, tally)


def _with_moments(feature: FeatureDrift, tally: NumberTally) -> FeatureDrift:
    profile, found = tally.profile, tally.found
    ranged = profile.minimum is not None and profile.maximum is not None and found.rows > 0
    return feature.model_copy(
        update={
            "out_of_range_share": tally.outside / found.rows if ranged else None,
            "mean_reference": profile.mean,
            "mean_window": found.mean,
            "std_reference": profile.std,
            "std_window": found.std,
            "skewness_reference": profile.skewness,
            "skewness_window": found.skewness,
        }
    )


def _with_categories(feature: FeatureDrift, tally: CategoryTally) -> FeatureDrift:
    profile, new = tally.profile, tally.new
    found = richness(
        list(profile.counts.values()),
        profile.other,
        profile.cardinality - len(profile.counts),
        tally.forgotten,
        new=new.values(),
        rows=feature.rows_window - _rows_of("Missing", feature.bins),
    )
    named = dict(sorted(new.items(), key=lambda entry: (-entry[1], entry[0]))[:_NAMED_CATEGORIES])
    return feature.model_copy(
        update={
            "cardinality_ratio": found and found.ratio,
            "categories_expected": found and found.expected,
            "new_categories_found": found and found.new,
            "new_categories_expected": found and found.new_expected,
            "new_categories_expected_error": found and found.error,
            "new_categories": named,
            "new_share": _share(_rows_of("New", feature.bins), feature.rows_window),
            "new_share_expected": _share(tally.unseen, profile.rows),
        }
    )


def _rows_of(kind: str, bins: list[Bin]) -> int:
    return sum(bin_.window for bin_ in bins if bin_.kind == kind)


def _share(rows: float, of: float) -> float | None:
    return rows / of if of else None
