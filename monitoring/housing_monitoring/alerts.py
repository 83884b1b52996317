"""From measurements to alerts. Pure.

An alert needs a difference that matters, which is its level, and one that chance does not explain,
which is its noise: it is held against the larger of the two.
"""

from __future__ import annotations

from collections.abc import Iterable

from housing_core.api.status import DriftAlert
from housing_core.drift_report import shortened
from housing_monitoring.measures.measurements import Levels, Measured

BY_LABELS = frozenset({"AccuracyDrop", "MacroF1Drop"})
"""Alerts of the labels, which do not depend on the window."""

_ORDER = ("High", "Medium", "Low")


def find_alerts(measured: Iterable[Measured], levels: Levels) -> list[DriftAlert]:
    """Everything that moved, the gravest first.

    Args:
        measured: `measurements.measure`.
        levels: `measurements.levels`, which it was measured against.

    """
    found = [alert for one in measured for alert in _graded(one, levels)]
    new = {alert.feature for alert in found if alert.name == "NewCategories"}
    graded = [
        # Many new categories in a few rows are no reason to train again.
        (
            alert.model_copy(update={"severity": "Low"})
            if alert.name == "CardinalityRatio" and alert.feature not in new
            else alert
        )
        for alert in found
    ]
    return sorted(graded, key=lambda alert: _ORDER.index(alert.severity))


def _graded(measured: Measured, levels: Levels) -> list[DriftAlert]:
    """One alert, at the gravest level that the value passes, or none."""
    for severity, level in levels[measured.name].items():
        limit = max(level, measured.noise)
        if measured.value > limit:
            return [
                DriftAlert(
                    name=measured.name,
                    feature=None if measured.feature is None else shortened(measured.feature),
                    severity=severity,
                    value=measured.value,
                    threshold=limit,
                    message=shortened(measured.message),
                )
            ]
    return []
