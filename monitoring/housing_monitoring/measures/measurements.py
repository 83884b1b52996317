"""Everything that an alert can be made of, with what chance explains of it. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from housing_core.api.spec import Thresholds
from housing_core.drift_report import FeatureDrift, Measurement, Performance, Score
from housing_monitoring.measures.cardinality import Richness
from housing_monitoring.measures.ranks import rank_shift
from housing_monitoring.measures.statistics import (
    Divergence,
    Moments,
    deviation_noise,
    mean_noise,
    out_of_range_noise,
    share_noise,
    skewness_noise,
)

Severity = Literal["High", "Medium", "Low"]
Levels = Mapping[str, Mapping[Severity, float]]

_NAMED_CATEGORIES = 5
_LARGEST_EXPONENT = 100.0


def levels(thresholds: Thresholds) -> dict[str, dict[Severity, float]]:
    """What a value must be over to be an alert: name → severity → level, the gravest first.

    Seed 5.2 names its checks and sets no levels; those that the spec does not set are ours. The
    High ones are for what plainly breaks a model's input, since two of them ask for a retraining.
    0.1 is the index above which a shift is usually called moderate (Siddiqi 2006).

    Args:
        thresholds: of the spec.

    """
    asked = {
        "MacroF1Drop": thresholds.macro_f1_drop,
        "EstimatedAccuracyDrop": thresholds.estimated_accuracy_drop,
    }
    by_scores: dict[str, dict[Severity, float]] = {
        name: {"Medium": 0.05} if level is None else {"High": level}
        for name, level in asked.items()
    }
    return {
        "PSI": {"High": thresholds.psi, "Medium": 0.1},
        "PredictionDrift": {"High": thresholds.prediction_drift},
        "ClassShare": {"Medium": 0.05},
        "CardinalityRatio": {"High": thresholds.cardinality_ratio},
        "NewCategories": {"High": 0.2, "Medium": 0.025},
        "MissingShare": {"High": 0.2, "Medium": 0.025},
        "MeanShift": {"High": 1.0, "Medium": 0.25},
        "StandardDeviationShift": {"Medium": 1.5},
        "SkewnessShift": {"Low": 1.0},
        "OutOfRange": {"Low": 0.01},
        "AccuracyDrop": {"High": thresholds.accuracy_drop},
        **by_scores,
    }


@dataclass(frozen=True, slots=True)
class ClassDrift:
    """The predicted classes of the window against those of the holdout.

    Attributes:
        divergence: `statistics.kullback_leibler` of them.
        reference, window: share of each class.
        reference_rows: how many rows the reference's shares are of.
        window_rows: how many rows the window's shares are of.
        design_effect: `clustering.design_effect` of the window.

    """

    divergence: Divergence
    reference: dict[str, float]
    window: dict[str, float]
    reference_rows: int
    window_rows: int
    design_effect: float = 1.0

    @property
    def effective_rows(self) -> float:
        """As many independent rows as those of the window are worth."""
        return self.window_rows / self.design_effect


@dataclass(frozen=True, slots=True)
class Measured:
    """Something measured of a feature, or of the predictions when `feature` is None."""

    name: str
    feature: str | None
    value: float
    noise: float
    message: str

    def published(self) -> Measurement:
        """As the report has it."""
        noise = self.noise if math.isfinite(self.noise) else None
        return Measurement(name=self.name, feature=self.feature, value=self.value, noise=noise)


def measure(
    features: list[FeatureDrift],
    classes: ClassDrift | None,
    performance: Performance,
    against: Levels,
    z: float,
) -> list[Measured]:
    """Everything that is held against a level.

    Args:
        features: as compared.
        classes: as compared; None where there is no reference for them.
        performance: as evaluated.
        against: `levels`; what the drop of a score must pass depends on them.
        z: `statistics.quantile` of the report.

    """
    found = [] if classes is None else _of_classes(classes, z)
    found += _of_performance(performance, against)
    for feature in features:
        found += _of_distribution(feature)
        found += _of_missing_values(feature, z)
        found += (
            _of_categories(feature, z) if feature.kind == "Categorical" else _of_numbers(feature, z)
        )
    return found


def _of_classes(classes: ClassDrift, z: float) -> list[Measured]:
    drift = classes.divergence
    message = f"the predicted classes moved: {drift.value:.3f} nats"
    found = [Measured("PredictionDrift", None, drift.value, drift.noise, message)]
    for name, now in classes.window.items():
        before = classes.reference.get(name, 0.0)
        noise = share_noise(before, classes.effective_rows, classes.reference_rows, z)
        message = f"{name} is predicted for {now:.1%} of the rows, {before:.1%} in the holdout"
        found.append(Measured("ClassShare", None, abs(now - before), noise, message))
    return found


def drop_noise(score: Score, level: float) -> float | None:
    """What chance explains of the drop of a score that is held against this level.

    A drop counts when its interval lies above zero, which chance makes happen in one report of a
    thousand, and when its interval at 95 % lies above the level: then the rows support that it
    fell by more than that.

    Returns:
        None where nothing is known to compare the score with.

    """
    if score.drop is None or score.drop_lower is None or score.drop_supported is None:
        return None
    return max(score.drop - score.drop_lower, level + score.drop - score.drop_supported)


def _of_performance(performance: Performance, against: Levels) -> list[Measured]:
    scores = [("EstimatedAccuracyDrop", "estimated accuracy", performance.estimated_accuracy)]
    if performance.labels >= performance.labels_needed:
        of = f" of {performance.labels:,} labels"
        scores = [
            ("AccuracyDrop", f"accuracy{of}", performance.accuracy),
            ("MacroF1Drop", f"macro F1{of}", performance.macro_f1),
            *scores,
        ]
    found = []
    for name, what, score in scores:
        noise = None if score is None else drop_noise(score, min(against[name].values()))
        if score is not None and score.drop is not None and noise is not None:
            message = f"the {what} is {score.value:.1%}, {score.reference:.1%} on the holdout"
            found.append(Measured(name, None, score.drop, noise, message))
    return found


def _of_distribution(feature: FeatureDrift) -> list[Measured]:
    if feature.psi is None or feature.psi_noise is None:
        return []
    message = (
        f"the distribution of {feature.name} moved: PSI {feature.psi:.3f} "
        f"over {len(feature.bins)} bins"
    )
    return [Measured("PSI", feature.name, feature.psi, feature.psi_noise, message)]


def _of_missing_values(feature: FeatureDrift, z: float) -> list[Measured]:
    """Rise of the share of missing values; its noise is `statistics.share_noise`."""
    before, now = feature.missing_share_reference, feature.missing_share_window
    if before is None or now is None:
        return []
    noise = share_noise(before, _effective(feature), feature.rows_reference, z)
    message = f"{feature.name} is missing in {now:.1%} of the rows, {before:.1%} in training"
    if feature.unreadable:
        message += f"; {feature.unreadable:,} of them hold a value that cannot be read"
    return [Measured("MissingShare", feature.name, now - before, noise, message)]


def _of_categories(feature: FeatureDrift, z: float) -> list[Measured]:
    """Share of rows in new categories, less the expected one, and `cardinality.Richness`."""
    share, expected = feature.new_share, feature.new_share_expected
    if share is None or expected is None:
        return []
    named = ", ".join(list(feature.new_categories)[:_NAMED_CATEGORIES])
    noise = share_noise(min(expected, 1.0), _effective(feature), feature.rows_reference, z)
    message = (
        f"{share:.1%} of the rows have a {feature.name} that training had not seen, "
        f"{expected:.1%} were expected: {named}"
    )
    found = [Measured("NewCategories", feature.name, share - expected, noise, message)]
    richness = _richness(feature)
    if richness is not None:
        ratio, noise = richness.ratio, richness.noise(z, feature.design_effect)
        message = (
            f"{ratio:.2f} times as many categories of {feature.name} as in so many rows of the "
            f"training: {named}"
        )
        found.append(Measured("CardinalityRatio", feature.name, ratio, noise, message))
    return found


def _richness(feature: FeatureDrift) -> Richness | None:
    expected, new = feature.categories_expected, feature.new_categories_found
    new_expected, error = feature.new_categories_expected, feature.new_categories_expected_error
    if not expected or new is None or new_expected is None or error is None:
        return None
    return Richness(expected, new, new_expected, error)


def _of_numbers(feature: FeatureDrift, z: float) -> list[Measured]:
    """The checks of numbers, with now and before for window and reference.

    Shift of the mean, |now - before| / std before; ratio of the deviations, the larger over the
    smaller; shift of the skewness, |now - before|; share outside the range of the training.
    """
    name = feature.name
    before = Moments(
        _present(feature.rows_reference, feature.missing_share_reference),
        *(feature.mean_reference, feature.std_reference, feature.skewness_reference),
    )
    now = Moments(
        _present(_effective(feature), feature.missing_share_window),
        *(feature.mean_window, feature.std_window, feature.skewness_window),
    )
    found = []
    if before.mean is not None and now.mean is not None and before.std:
        shift = abs(now.mean - before.mean) / before.std
        message = (
            f"the mean of {name} moved from {before.mean:.6g} to {now.mean:.6g}, "
            f"{shift:.2f} standard deviations"
        )
        found.append(Measured("MeanShift", name, shift, mean_noise(before, now, z), message))
    if before.std and now.std:
        ratio = max(now.std / before.std, before.std / now.std)
        message = f"the standard deviation of {name} went from {before.std:.6g} to {now.std:.6g}"
        noise = math.inf
        if _confirmed(feature, 2, z):
            noise = math.exp(min(deviation_noise(before, now, z), _LARGEST_EXPONENT))
        found.append(Measured("StandardDeviationShift", name, ratio, noise, message))
    if before.skewness is not None and now.skewness is not None:
        shift = abs(now.skewness - before.skewness)
        message = f"the skewness of {name} went from {before.skewness:.2f} to {now.skewness:.2f}"
        noise = skewness_noise(before, now, z) if _confirmed(feature, 3, z) else math.inf
        found.append(Measured("SkewnessShift", name, shift, noise, message))
    share = feature.out_of_range_share
    if share is not None:
        message = f"{share:.1%} of the values of {name} are outside the range of the training"
        noise = out_of_range_noise(now.rows, before.rows, z)
        found.append(Measured("OutOfRange", name, share, noise, message))
    return found


def _confirmed(feature: FeatureDrift, order: Literal[2, 3], z: float) -> bool:
    """Whether the ranks moved too; see `ranks`."""
    bins = [bin_ for bin_ in feature.bins if bin_.kind == "Range"]
    before, now = [bin_.reference for bin_ in bins], [bin_.window for bin_ in bins]
    return rank_shift(before, now, order, feature.design_effect) > z


def _effective(feature: FeatureDrift) -> float:
    """As many independent rows as those of the window are worth."""
    return feature.rows_window / feature.design_effect


def _present(rows: float, missing_share: float | None) -> float:
    return rows * (1 - (missing_share or 0.0))
