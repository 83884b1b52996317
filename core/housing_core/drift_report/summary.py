"""Parts of the report in short, as `status.drift` takes them."""

from __future__ import annotations

from housing_core.api.status import (
    FEATURE_LIMIT,
    TEXT_LIMIT,
    FeatureScores,
    MeasuredScore,
    PerformanceStatus,
)
from housing_core.drift_report.features import FeatureDrift
from housing_core.drift_report.performance import Performance


def most_moved(features: list[FeatureDrift]) -> list[FeatureScores]:
    """The features that moved furthest by their PSI, as many as the status takes."""
    moved = sorted(features, key=lambda feature: (-(feature.psi or 0.0), feature.name))
    return [
        FeatureScores(
            name=shortened(feature.name),
            psi=feature.psi,
            psi_noise=feature.psi_noise,
            missing_share=feature.missing_share_window,
            missing_share_reference=feature.missing_share_reference,
            mean_shift=feature.mean_shift,
            deviation_ratio=feature.deviation_ratio,
            skewness_shift=feature.skewness_shift,
            out_of_range_share=feature.out_of_range_share,
            cardinality_ratio=feature.cardinality_ratio,
            new_share=feature.new_share,
        )
        for feature in moved[:FEATURE_LIMIT]
    ]


def performance_status(performance: Performance | None) -> PerformanceStatus | None:
    """Its scores with their intervals; None without any performance."""
    if performance is None:
        return None
    scores = {
        name: MeasuredScore(
            value=score.value, lower=score.lower, upper=score.upper, reference=score.reference
        )
        for name in ("accuracy", "macro_f1", "estimated_accuracy")
        if (score := getattr(performance, name)) is not None
    }
    return PerformanceStatus(labels=performance.labels, **scores)


def shortened(text: str) -> str:
    """A text as `status.drift` takes it: at most 1,024 characters, cut with `...`."""
    return text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 3] + "..."
