"""From alerts to a verdict, by seed 5.5. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from housing_core.api.spec import Thresholds
from housing_core.api.status import DriftAlert
from housing_core.drift_report import FeatureDrift, Performance, Rule, Score, shortened
from housing_monitoring.measures.measurements import ClassDrift, drop_noise


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
    spec sets a threshold, their macro F1 and the estimated accuracy.

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
        *_by_labels(performance, high, thresholds),
        *_by_estimate(performance, high, thresholds),
    ]
    drift = any(rule.holds for rule in rules)
    return Verdict("Drift" if drift else "Stable", "; ".join(rule.text for rule in rules), rules)


def decide_by_labels(
    performance: Performance, alerts: list[DriftAlert], thresholds: Thresholds, too_few: str
) -> Verdict:
    """Drift when labels prove it, though the window has too few rows for the other rules.

    Labels are of the evaluation window, which is longer, and need `minLabels` only.

    Args:
        performance: as measured.
        alerts: those that labels bring about.
        thresholds: of the spec.
        too_few: why the other rules are not judged.

    """
    rules = _by_labels(performance, alerts, thresholds)
    if not any(rule.holds for rule in rules):
        return Verdict("NotEnoughData", too_few, [])
    others = {
        "PSI": thresholds.psi,
        "PredictionDrift": thresholds.prediction_drift,
        "HighSeverityAlerts": thresholds.high_severity_alerts,
    }
    reason = f"{too_few}; by labels: {'; '.join(rule.text for rule in rules)}"
    unjudged = [
        Rule(name=name, threshold=threshold, holds=False, text=f"{name} not judged: {too_few}")
        for name, threshold in others.items()
    ]
    return Verdict("Drift", reason, [*unjudged, *rules])


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


def _by_labels(
    performance: Performance, high: list[DriftAlert], thresholds: Thresholds
) -> list[Rule]:
    labels, needed = performance.labels, performance.labels_needed
    rules = []
    for name, what, score, threshold in (
        ("AccuracyDrop", "accuracy", performance.accuracy, thresholds.accuracy_drop),
        ("MacroF1Drop", "macro F1", performance.macro_f1, thresholds.macro_f1_drop),
    ):
        if threshold is None:
            continue
        rule = Rule(
            name=name,
            threshold=threshold,
            holds=any(alert.name == name for alert in high),
            text=f"{what} not compared, as the profile has none",
        )
        if labels < needed:
            text = f"{what} not judged by {labels:,} labels, {needed:,} are needed"
            rules.append(rule.model_copy(update={"text": text}))
        else:
            rules.append(_dropped(rule, what, score))
    return rules


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
    noise = None if score is None else drop_noise(score, rule.threshold)
    if score is None or score.drop is None or noise is None:
        return rule
    return _measured(rule, f"drop of the {what} to {score.value:.3f}", score.drop, noise)


def _measured(rule: Rule, what: str, value: float, noise: float) -> Rule:
    """The rule with a measurement, held against the larger of threshold and noise."""
    limit = f"{rule.threshold:.3g}"
    if noise > rule.threshold:
        limit = f"{noise:.3g} (the threshold is {limit}, but chance explains more in so few rows)"
    text = f"{what} {value:.3f} {'>' if rule.holds else '<='} {limit}"
    return rule.model_copy(update={"value": value, "noise": noise, "text": text})
