"""From alerts to a verdict, by seed 5.5. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from housing_core.api.spec import Thresholds
from housing_core.api.status import DriftAlert
from housing_core.drift_report import FeatureDrift, Performance, Rule, Score, shortened
from housing_monitoring.alerts import ClassDrift


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a report says, and why, with the numbers."""

    name: Literal["Stable", "Drift", "NotEnoughData"]
    reason: str
    rules: list[Rule]


def decide(
    features: list[FeatureDrift],
    classes: ClassDrift | None,
    performance: Performance,
    alerts: list[DriftAlert],
    thresholds: Thresholds,
) -> Verdict:
    """Drift when one of the rules holds.

    They are those of seed 5.5 and 5.3: PSI or prediction drift over its threshold, enough High
    alerts, the accuracy on labelled predictions too far below the holdout's; and, only where the
    spec sets a threshold, the estimated accuracy.

    Args:
        features: as measured.
        classes: as measured; None where there is no reference for them.
        performance: as measured.
        alerts: `alerts.find_alerts` of them.
        thresholds: of the spec.

    """
    high = [alert for alert in alerts if alert.severity == "High"]
    rules = [
        _by_features(features, high, thresholds),
        _by_classes(classes, high, thresholds),
        _by_alerts(high, thresholds),
        _by_accuracy(performance, high, thresholds),
        *_by_estimate(performance, high, thresholds),
    ]
    drift = any(rule.holds for rule in rules)
    return Verdict("Drift" if drift else "Stable", "; ".join(rule.text for rule in rules), rules)


def _by_features(
    features: list[FeatureDrift], high: list[DriftAlert], thresholds: Thresholds
) -> Rule:
    over = {alert.feature for alert in high if alert.name == "PSI"}
    largest = max(
        (f for f in features if f.psi is not None and (not over or shortened(f.name) in over)),
        key=lambda feature: feature.psi or 0.0,
        default=None,
    )
    rule = Rule(
        name="PSI",
        threshold=thresholds.psi,
        holds=bool(over),
        text="PSI of no feature could be computed",
    )
    if largest is None or largest.psi is None:
        return rule
    return _measured(
        rule.model_copy(update={"feature": largest.name}),
        *(f"PSI of {largest.name}", largest.psi, largest.psi_noise or 0.0),
    )


def _by_classes(classes: ClassDrift | None, high: list[DriftAlert], thresholds: Thresholds) -> Rule:
    rule = Rule(
        name="PredictionDrift",
        threshold=thresholds.prediction_drift,
        holds=any(alert.name == "PredictionDrift" for alert in high),
        text="prediction drift not computed, as the profile has no class shares",
    )
    if classes is None:
        return rule
    drift = classes.divergence
    return _measured(rule, "prediction drift", drift.value, drift.noise)


def _by_alerts(high: list[DriftAlert], thresholds: Thresholds) -> Rule:
    needed = thresholds.high_severity_alerts
    enough = len(high) >= needed
    return Rule(
        name="HighSeverityAlerts",
        value=len(high),
        threshold=needed,
        holds=enough,
        text=f"high-severity alerts {len(high)} {'>=' if enough else '<'} {needed}",
    )


def _by_accuracy(performance: Performance, high: list[DriftAlert], thresholds: Thresholds) -> Rule:
    rule = Rule(
        name="AccuracyDrop",
        threshold=thresholds.accuracy_drop,
        holds=any(alert.name == "AccuracyDrop" for alert in high),
        text="accuracy not compared, as the profile has none",
    )
    labels, needed = performance.labels, performance.labels_needed
    if labels < needed:
        text = f"accuracy not judged by {labels:,} labels, {needed:,} are needed"
        return rule.model_copy(update={"text": text})
    return _dropped(rule, "accuracy", performance.accuracy)


def _by_estimate(
    performance: Performance, high: list[DriftAlert], thresholds: Thresholds
) -> list[Rule]:
    if thresholds.estimated_accuracy_drop is None:
        return []
    rule = Rule(
        name="EstimatedAccuracyDrop",
        threshold=thresholds.estimated_accuracy_drop,
        holds=any(alert.name == "EstimatedAccuracyDrop" for alert in high),
        text="accuracy not estimated, as the profile has no calibration",
    )
    return [_dropped(rule, "estimated accuracy", performance.estimated_accuracy)]


def _dropped(rule: Rule, what: str, score: Score | None) -> Rule:
    if score is None or score.drop is None or score.drop_lower is None:
        return rule
    noise = score.drop - score.drop_lower
    return _measured(rule, f"drop of the {what} to {score.value:.3f}", score.drop, noise)


def _measured(rule: Rule, what: str, value: float, noise: float) -> Rule:
    """The rule with a measurement, held against the larger of threshold and noise."""
    limit = f"{rule.threshold:.3g}"
    if noise > rule.threshold:
        limit = f"{noise:.3g} (the threshold is {limit}, but chance explains more in so few rows)"
    text = f"{what} {value:.3f} {'>' if rule.holds else '<='} {limit}"
    return rule.model_copy(update={"value": value, "noise": noise, "text": text})
