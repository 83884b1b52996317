"""From measurements to alerts. Pure.

An alert needs a difference that matters, which is its level, and one that chance does not explain,
which is its noise (`statistics`): it is held against the larger of the two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from housing_core.api.spec import Thresholds
from housing_core.api.status import DriftAlert
from housing_core.drift_report import FeatureDrift, Performance, Score, shortened
from housing_monitoring.statistics import (
    Divergence,
    Moments,
    deviation_noise,
    mean_noise,
    share_noise,
    skewness_noise,
)

Severity = Literal["High", "Medium", "Low"]
Levels = Mapping[Severity, float]

# Seed 5.2 names its checks and sets no thresholds; these are ours. The High ones are for what
# plainly breaks a model's input, since two of them ask for a retraining.

MODERATE_PSI = 0.1
"""The index above which a shift is usually called moderate (Siddiqi 2006)."""

MEAN_SHIFT: Levels = {"High": 1.0, "Medium": 0.25}
"""Shift of the mean, either way, in standard deviations of the reference."""

DEVIATION_RATIO: Levels = {"Medium": 1.5}
"""Ratio of the standard deviations, either way."""

SKEWNESS_SHIFT: Levels = {"Low": 1.0}
"""Shift of the skewness, either way."""

MISSING_RISE: Levels = {"High": 0.2, "Medium": 0.025}
"""Rise of the share of missing values."""

NEW_SHARE: Levels = {"High": 0.2, "Medium": 0.025}
"""Share of rows in new categories, less what the reference lets expect."""

OUT_OF_RANGE_SHARE: Levels = {"Low": 0.01}
"""Share of values outside the range of the training part."""

CLASS_SHARE_SHIFT: Levels = {"Medium": 0.05}
"""Shift of the share of one predicted class, either way."""

MACRO_F1_DROP: Levels = {"Medium": 0.05}
"""Fall of macro F1 below the holdout's; seed 5.3 asks for retraining by the accuracy alone."""

ESTIMATED_DROP: Levels = {"Medium": 0.05}
"""Fall of the estimated accuracy; High only where the spec sets a threshold for it."""

_NAMED_CATEGORIES = 5
_LARGEST_EXPONENT = 100.0


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
class _Measurement:
    """Something measured of a feature, or of the predictions when `feature` is None."""

    name: str
    feature: str | None
    value: float
    noise: float
    message: str

    def graded(self, levels: Levels) -> list[DriftAlert]:
        """One alert, at the gravest level that the value passes, or none."""
        for severity, level in levels.items():
            limit = max(level, self.noise)
            if self.value > limit:
                return [
                    DriftAlert(
                        name=self.name,
                        feature=None if self.feature is None else shortened(self.feature),
                        severity=severity,
                        value=self.value,
                        threshold=limit,
                        message=shortened(self.message),
                    )
                ]
        return []


def find_alerts(
    features: list[FeatureDrift],
    classes: ClassDrift | None,
    performance: Performance,
    thresholds: Thresholds,
    z: float,
) -> list[DriftAlert]:
    """Everything that moved, the gravest first.

    Args:
        features: as measured.
        classes: as measured; None where there is no reference for them.
        performance: as measured.
        thresholds: of the spec.
        z: `statistics.quantile` of the report.

    """
    found = [] if classes is None else _of_classes(classes, thresholds, z)
    found += _of_performance(performance, thresholds)
    for feature in features:
        found += _of_distribution(feature, thresholds)
        found += _of_missing_values(feature, z)
        if feature.kind == "Categorical":
            found += _of_categories(feature, thresholds, z)
        else:
            found += _of_numbers(feature, z)
    order = ["High", "Medium", "Low"]
    return sorted(found, key=lambda alert: order.index(alert.severity))


def _of_classes(classes: ClassDrift, thresholds: Thresholds, z: float) -> list[DriftAlert]:
    drift = classes.divergence
    message = f"the predicted classes moved: {drift.value:.3f} nats"
    found = _Measurement("PredictionDrift", None, drift.value, drift.noise, message).graded(
        {"High": thresholds.prediction_drift}
    )
    for name, now in classes.window.items():
        before = classes.reference.get(name, 0.0)
        noise = share_noise(before, classes.effective_rows, classes.reference_rows, z)
        message = f"{name} is predicted for {now:.1%} of the rows, {before:.1%} in the holdout"
        found += _Measurement("ClassShare", None, abs(now - before), noise, message).graded(
            CLASS_SHARE_SHIFT
        )
    return found


def _of_performance(performance: Performance, thresholds: Thresholds) -> list[DriftAlert]:
    """Scores that fell below the holdout's; the noise is how far the drop's interval reaches.

    The High ones are those that ask for retraining by themselves.
    """
    fell: list[tuple[str, str, Score | None, Levels]] = []
    if performance.labels >= performance.labels_needed:
        fell = [
            ("AccuracyDrop", "accuracy", performance.accuracy, {"High": thresholds.accuracy_drop}),
            ("MacroF1Drop", "macro F1", performance.macro_f1, MACRO_F1_DROP),
        ]
    asked = thresholds.estimated_accuracy_drop
    levels: Levels = ESTIMATED_DROP if asked is None else {"High": asked}
    estimated = performance.estimated_accuracy
    fell.append(("EstimatedAccuracyDrop", "estimated accuracy", estimated, levels))
    found = []
    for name, what, score, graded in fell:
        if score is None or score.drop is None or score.drop_lower is None:
            continue
        of = "" if what.startswith("estimated") else f" of {performance.labels:,} labels"
        message = f"the {what}{of} is {score.value:.1%}, {score.reference:.1%} on the holdout"
        noise = score.drop - score.drop_lower
        found += _Measurement(name, None, score.drop, noise, message).graded(graded)
    return found


def _of_distribution(feature: FeatureDrift, thresholds: Thresholds) -> list[DriftAlert]:
    if feature.psi is None or feature.psi_noise is None:
        return []
    message = (
        f"the distribution of {feature.name} moved: PSI {feature.psi:.3f} "
        f"over {len(feature.bins)} bins"
    )
    return _Measurement("PSI", feature.name, feature.psi, feature.psi_noise, message).graded(
        {"High": thresholds.psi, "Medium": MODERATE_PSI}
    )


def _of_missing_values(feature: FeatureDrift, z: float) -> list[DriftAlert]:
    before, now = feature.missing_share_reference, feature.missing_share_window
    if before is None or now is None:
        return []
    noise = share_noise(before, _effective(feature), feature.rows_reference, z)
    message = f"{feature.name} is missing in {now:.1%} of the rows, {before:.1%} in training"
    if feature.unreadable:
        message += f"; {feature.unreadable:,} of them hold a value that cannot be read"
    return _Measurement("MissingShare", feature.name, now - before, noise, message).graded(
        MISSING_RISE
    )


def _of_categories(feature: FeatureDrift, thresholds: Thresholds, z: float) -> list[DriftAlert]:
    share, expected = feature.new_share, feature.new_share_expected
    if share is None or expected is None:
        return []
    named = ", ".join(list(feature.new_categories)[:_NAMED_CATEGORIES])
    noise = share_noise(min(expected, 1.0), _effective(feature), feature.rows_reference, z)
    message = (
        f"{share:.1%} of the rows have a {feature.name} that training had not seen, "
        f"{expected:.1%} were expected: {named}"
    )
    found = _Measurement("NewCategories", feature.name, share - expected, noise, message).graded(
        NEW_SHARE
    )
    ratio = feature.cardinality_ratio
    if ratio is not None:
        # Many new categories in a few rows are no reason to train again.
        severity: Severity = "High" if found else "Low"
        message = f"{ratio:.2f} times as many categories of {feature.name} as in training: {named}"
        found += _Measurement("CardinalityRatio", feature.name, ratio, 0.0, message).graded(
            {severity: thresholds.cardinality_ratio}
        )
    return found


def _of_numbers(feature: FeatureDrift, z: float) -> list[DriftAlert]:
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
        noise = mean_noise(before, now, z)
        found += _Measurement("MeanShift", name, shift, noise, message).graded(MEAN_SHIFT)
    if before.std and now.std:
        ratio = max(now.std / before.std, before.std / now.std)
        message = f"the standard deviation of {name} went from {before.std:.6g} to {now.std:.6g}"
        noise = math.exp(min(deviation_noise(before, now, z), _LARGEST_EXPONENT))
        found += _Measurement("StandardDeviationShift", name, ratio, noise, message).graded(
            DEVIATION_RATIO
        )
    if before.skewness is not None and now.skewness is not None:
        shift = abs(now.skewness - before.skewness)
        message = f"the skewness of {name} went from {before.skewness:.2f} to {now.skewness:.2f}"
        noise = skewness_noise(before, now, z)
        found += _Measurement("SkewnessShift", name, shift, noise, message).graded(SKEWNESS_SHIFT)
    share = feature.out_of_range_share
    if share is not None:
        message = f"{share:.1%} of the values of {name} are outside the range of the training"
        noise = share_noise(0.0, now.rows, before.rows, z)
        found += _Measurement("OutOfRange", name, share, noise, message).graded(OUT_OF_RANGE_SHARE)
    return found


def _effective(feature: FeatureDrift) -> float:
    """As many independent rows as those of the window are worth."""
    return feature.rows_window / feature.design_effect


def _present(rows: float, missing_share: float | None) -> float:
    return rows * (1 - (missing_share or 0.0))
