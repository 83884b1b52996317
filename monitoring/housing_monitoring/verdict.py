"""From alerts to a verdict, by seed 5.5. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from housing_core.api.spec import Thresholds
from housing_core.api.status import DriftAlert
from housing_core.drift_report import FeatureDrift, shortened
from housing_monitoring.alerts import ClassDrift


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a report says, and why, with the numbers."""

    name: Literal["Stable", "Drift", "NotEnoughData"]
    reason: str


@dataclass(frozen=True, slots=True)
class _Rule:
    """One of the three rules: whether it asks for retraining, and the numbers that say so."""

    holds: bool
    text: str


def decide(
    features: list[FeatureDrift],
    classes: ClassDrift | None,
    alerts: list[DriftAlert],
    thresholds: Thresholds,
) -> Verdict:
    """Drift when PSI or prediction drift is over its threshold, or High alerts are enough.

    Args:
        features: as measured.
        classes: as measured; None where there is no reference for them.
        alerts: `alerts.find_alerts` of them.
        thresholds: of the spec.

    """
    high = [alert for alert in alerts if alert.severity == "High"]
    needed = thresholds.high_severity_alerts
    enough = len(high) >= needed
    rules = [
        _by_features(features, high, thresholds),
        _by_classes(classes, high, thresholds),
        _Rule(enough, f"high-severity alerts {len(high)} {'>=' if enough else '<'} {needed}"),
    ]
    drift = any(rule.holds for rule in rules)
    return Verdict("Drift" if drift else "Stable", "; ".join(rule.text for rule in rules))


def _by_features(
    features: list[FeatureDrift], high: list[DriftAlert], thresholds: Thresholds
) -> _Rule:
    over = {alert.feature for alert in high if alert.name == "PSI"}
    largest = max(
        (f for f in features if f.psi is not None and (not over or shortened(f.name) in over)),
        key=lambda feature: feature.psi or 0.0,
        default=None,
    )
    if largest is None or largest.psi is None:
        return _Rule(False, "PSI of no feature could be computed")
    measured = f"PSI of {largest.name} {largest.psi:.3f}"
    return _held(bool(over), measured, thresholds.psi, largest.psi_noise or 0.0)


def _by_classes(
    classes: ClassDrift | None, high: list[DriftAlert], thresholds: Thresholds
) -> _Rule:
    if classes is None:
        return _Rule(False, "prediction drift not computed, as the profile has no class shares")
    holds = any(alert.name == "PredictionDrift" for alert in high)
    drift = classes.divergence
    measured = f"prediction drift {drift.value:.3f}"
    return _held(holds, measured, thresholds.prediction_drift, drift.noise)


def _held(holds: bool, measured: str, threshold: float, noise: float) -> _Rule:
    """The measurement against the larger of threshold and noise."""
    limit = f"{threshold:.3g}"
    if noise > threshold:
        limit = f"{noise:.3g} (the threshold is {limit}, but chance explains more in so few rows)"
    return _Rule(holds, f"{measured} {'>' if holds else '<='} {limit}")
