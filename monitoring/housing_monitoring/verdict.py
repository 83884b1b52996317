"""From alerts to a verdict, by seed 5.5. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from housing_core.api.spec import Thresholds
from housing_core.api.status import DriftAlert
from housing_core.drift_report import FeatureDrift
from housing_monitoring.alerts import ClassDrift


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a report says, and why, with the numbers."""

    name: Literal["Stable", "Drift", "NotEnoughData"]
    reason: str


@dataclass(frozen=True, slots=True)
class _Rule:
    """One of the three rules: whether it asks for retraining, what was measured, and its limit."""

    holds: bool
    measured: str
    limit: str

    def __str__(self) -> str:
        return f"{self.measured} ({'over' if self.holds else 'within'} {self.limit})"


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
    rules = [
        _by_features(features, high, thresholds),
        _by_classes(classes, high, thresholds),
        _Rule(
            len(high) >= thresholds.high_severity_alerts,
            f"{len(high)} high-severity alerts",
            f"fewer than {thresholds.high_severity_alerts}",
        ),
    ]
    drift = any(rule.holds for rule in rules)
    return Verdict("Drift" if drift else "Stable", "; ".join(str(rule) for rule in rules))


def _by_features(
    features: list[FeatureDrift], high: list[DriftAlert], thresholds: Thresholds
) -> _Rule:
    alert = max(
        (alert for alert in high if alert.name == "PSI"),
        key=lambda alert: alert.value or 0.0,
        default=None,
    )
    if alert is not None:
        return _Rule(True, f"PSI {alert.value:.3f} of {alert.feature}", f"{alert.threshold:.3g}")
    largest = max(
        (feature for feature in features if feature.psi is not None),
        key=lambda feature: feature.psi or 0.0,
        default=None,
    )
    if largest is None:
        return _Rule(False, "no PSI", "its threshold: no feature could be compared")
    limit = max(thresholds.psi, largest.psi_noise or 0.0)
    return _Rule(False, f"PSI {largest.psi:.3f} of {largest.name}", f"{limit:.3g}")


def _by_classes(
    classes: ClassDrift | None, high: list[DriftAlert], thresholds: Thresholds
) -> _Rule:
    if classes is None:
        return _Rule(False, "no prediction drift", "its threshold: no class shares in the profile")
    limit = max(thresholds.prediction_drift, classes.divergence.noise)
    holds = any(alert.name == "PredictionDrift" for alert in high)
    return _Rule(holds, f"prediction drift {classes.divergence.value:.3f}", f"{limit:.3g}")
