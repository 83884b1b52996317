"""Reports over time: what a run's metrics keep of each, and the lines that they make. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from housing_core.drift_report import DriftReport, PerformancePeriod, Score
from housing_core.times import parse_time
from housing_monitoring.page.plots import Drawing, Point, Series, number, over_time
from housing_monitoring.page.tables import Table, columns, digits, name_of, percent

REPORTS = 50
"""Reports that a page shows: two days of hourly ones."""

_SCORES = ("accuracy", "macro_f1", "estimated_accuracy")


@dataclass(frozen=True, slots=True)
class PastReport:
    """One report in a few numbers.

    Attributes:
        time: when it was made, aware.
        version: the version that it judged.
        verdict: what it found.
        metrics: `metrics_of` it; what could not be measured is absent.

    """

    time: datetime
    version: str
    verdict: str
    metrics: Mapping[str, float]


def metrics_of(report: DriftReport) -> dict[str, float]:
    """What is kept of a report as a whole, by name."""
    scores = report.to_status().scores
    found: dict[str, float | None] = {
        "samples": report.samples,
        "drift": None if report.verdict == "NotEnoughData" else float(report.verdict == "Drift"),
        "max_psi": scores.max_psi,
        "max_cardinality_ratio": scores.max_cardinality_ratio,
        "prediction_drift": report.prediction_drift,
    }
    for severity in ("High", "Medium", "Low"):
        count = sum(1 for alert in report.alerts if alert.severity == severity)
        found[f"alerts_{severity.lower()}"] = count
    if report.performance is not None:
        found["labels"] = report.performance.labels
        for name in _SCORES:
            score: Score | None = getattr(report.performance, name)
            if score is not None:
                ends = {
                    name: score.value,
                    f"{name}_lower": score.lower,
                    f"{name}_upper": score.upper,
                }
                found |= {**ends, f"{name}_reference": score.reference}
    return {name: float(value) for name, value in found.items() if value is not None}


def past_report(report: DriftReport) -> PastReport:
    """A report as later ones will see it."""
    return PastReport(
        parse_time(report.time), report.model_version, report.verdict, metrics_of(report)
    )


def charts(past: Sequence[PastReport], thresholds: Mapping[str, float]) -> list[Drawing]:
    """A drawing of each measurement that at least two reports have.

    Args:
        past: oldest first.
        thresholds: of the newest report, by name.

    """
    versions = list(_versions(past))
    found = []
    accuracies = [
        Series("now", list(_points(past, "accuracy"))),
        Series("estimate", list(_points(past, "estimated_accuracy"))),
    ]
    measured = [series for series in accuracies if series.points]
    if any(len(series.points) > 1 for series in measured):
        words = "; ".join(
            f"{'measured on labels' if series.style == 'now' else 'estimated without labels'}: "
            f"{_in_words(series.points)}"
            for series in measured
        )
        found.append(over_time("Accuracy", words, measured, versions=versions, share=True))
    for name, title, threshold in (
        ("max_psi", "Largest PSI of a feature", "psi"),
        ("prediction_drift", "Prediction drift", "prediction_drift"),
        ("samples", "Predictions in the window", "min_samples"),
    ):
        points = list(_points(past, name))
        limit = thresholds.get(threshold)
        if len(points) > 1:
            words = _in_words(points)
            if limit is not None:
                words += f"; the threshold is {number(limit)}"
            series = [Series("now", points)]
            found.append(over_time(title, words, series, limit=limit, versions=versions))
    return found


def period_chart(periods: Sequence[PerformancePeriod]) -> Drawing | None:
    """The accuracy by the time of the predictions; None where fewer than two periods have one."""
    points = [
        Point(
            parse_time(period.end),
            period.accuracy.value,
            f"to {period.end[:16]}: {percent(period.accuracy.value)} of {period.labels:,} labels",
            period.accuracy.lower,
            period.accuracy.upper,
        )
        for period in periods[-REPORTS:]
        if period.accuracy is not None
    ]
    if len(points) < 2:
        return None
    title = "Accuracy by the time of the predictions"
    return over_time(title, _in_words(points), [Series("now", points)], share=True)


def history_table(past: Sequence[PastReport]) -> Table:
    """The numbers of the charts, the newest report first."""
    return Table(
        "Reports on this model, the newest first",
        columns(
            *("Made, UTC", "version", "verdict", "predictions*", "largest PSI*"),
            *("prediction drift*", "high alerts*", "labels*", "accuracy*", "interval*"),
            "accuracy, estimated*",
        ),
        [
            [
                f"{report.time:%Y-%m-%d %H:%M}",
                name_of(report.version),
                name_of(report.verdict),
                *(digits(report.metrics.get(name)) for name in _COUNTED),
                percent(report.metrics.get("accuracy")),
                _interval(report.metrics),
                percent(report.metrics.get("estimated_accuracy")),
            ]
            for report in reversed(past)
        ],
    ).without_empty_columns()


_COUNTED = ("samples", "max_psi", "prediction_drift", "alerts_high", "labels")


def _interval(metrics: Mapping[str, float]) -> str:
    ends = metrics.get("accuracy_lower"), metrics.get("accuracy_upper")
    return " – ".join(percent(end) for end in ends if end is not None)


def _points(past: Sequence[PastReport], name: str) -> Iterator[Point]:
    for report in past:
        value = report.metrics.get(name)
        if value is not None:
            tip = f"{report.time:%Y-%m-%d %H:%M}, version {report.version}: {number(value)}"
            ends = (report.metrics.get(f"{name}_lower"), report.metrics.get(f"{name}_upper"))
            yield Point(
                report.time,
                value,
                tip,
                *ends,
                marked=report.verdict == "Drift" and "estimated" not in name,
            )


def _versions(past: Sequence[PastReport]) -> Iterator[tuple[datetime, str]]:
    for before, after in pairwise(past):
        if before.version != after.version:
            yield after.time, f"v{after.version}"


def _in_words(points: Sequence[Point]) -> str:
    values = [point.value for point in points]
    return (
        f"{len(points)} values from {points[0].time:%Y-%m-%d %H:%M} to "
        f"{points[-1].time:%Y-%m-%d %H:%M} UTC, between {number(min(values))} and "
        f"{number(max(values))}, the last {number(values[-1])}"
    )
