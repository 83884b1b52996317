"""The figures of a page: a plot, a line on it, and its numbers. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from housing_core.drift_report import Bin, DriftReport, FeatureDrift, shortened
from housing_monitoring.page.plots import Bar, Drawing, categories, histogram
from housing_monitoring.page.tables import Table, change, columns, digits, more, name_of

PLOTTED_FEATURES = 12
PLOTTED_UNMOVED = 4
"""Plotted features when none moved."""

PLOTTED_CATEGORIES = 8
NAMED_NEW_CATEGORIES = 4
LISTED_BINS = 30

_SEVERITIES = ("High", "Medium", "Low")
_LABELS = {"New": "all new ones", "Missing": "missing"}


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot, what it shows in a line, and its numbers."""

    drawing: Drawing
    caption: str
    table: Table


def moved(report: DriftReport) -> list[FeatureDrift]:
    """The features with alerts, the gravest first."""
    gravity: dict[str, int] = {}
    for alert in report.alerts:
        if alert.feature is not None:
            rank = _SEVERITIES.index(alert.severity)
            gravity[alert.feature] = min(rank, gravity.get(alert.feature, rank))
    return sorted(
        (feature for feature in report.features if shortened(feature.name) in gravity),
        key=lambda f: (gravity[shortened(f.name)], -(f.psi or 0.0)),
    )


def figures(report: DriftReport) -> list[Figure]:
    """The predicted classes and the features that moved; the largest differences when none did."""
    shown = moved(report)[:PLOTTED_FEATURES]
    if not shown:
        by_index = sorted(report.features, key=lambda feature: -(feature.psi or 0.0))
        shown = by_index[:PLOTTED_UNMOVED]
    return [*_class_figure(report), *map(_feature_figure, shown)]


def _class_figure(report: DriftReport) -> list[Figure]:
    before, now = report.class_shares_reference, report.class_shares_window
    if not now:
        return []
    largest = sorted(now, key=lambda name: -max(now[name], before.get(name, 0.0)))
    shown = [name for name in now if name in set(largest[:PLOTTED_CATEGORIES])]
    bars = [Bar(name_of(name), before.get(name, 0.0), now[name]) for name in shown]
    parts = []
    if report.prediction_drift is not None:
        limit = digits(report.prediction_drift_noise)
        parts.append(
            f"Prediction drift {digits(report.prediction_drift)}; chance explains up to {limit}."
        )
    if report.reference_holdout_rows is not None:
        parts.append(
            f"Before: the {report.reference_holdout_rows:,} rows held out of the training."
        )
    table = Table(
        "Shares of the predicted classes",
        columns("Class", "before*", "now*"),
        [[bar.label, f"{bar.before:.2%}", f"{bar.now:.2%}"] for bar in bars],
        more(len(now) - len(bars), "classes"),
        narrow=True,
    )
    drawing = categories("Predicted classes", _in_words(bars), bars)
    return [Figure(drawing, " ".join(parts), table)]


def _feature_figure(feature: FeatureDrift) -> Figure:
    bars = _bars(feature)
    draw = histogram if feature.kind == "Numeric" else categories
    before, now = _totals(feature.bins)
    listed = _largest(feature.bins, LISTED_BINS)
    table = Table(
        "Rows in each bin",
        columns("Bin", "before*", "now*", "before, %*", "now, %*"),
        [
            [
                name_of(bin_.label),
                f"{bin_.reference:,}",
                f"{bin_.window:,}",
                f"{100 * bin_.reference / before:.2f}",
                f"{100 * bin_.window / now:.2f}",
            ]
            for bin_ in listed
        ],
        more(len(feature.bins) - len(listed), "bins"),
        narrow=True,
    )
    title = name_of(feature.name)
    return Figure(draw(title, _in_words(bars), bars), _caption(feature), table)


def _caption(feature: FeatureDrift) -> str:
    parts = [f"PSI {digits(feature.psi)}; chance explains up to {digits(feature.psi_noise)}."]
    if feature.mean_window is not None:
        parts.append(f"Mean {change(feature.mean_reference, feature.mean_window)}.")
    if feature.new_share:
        expected = feature.new_share_expected or 0.0
        parts.append(f"New: {feature.new_share:.1%} of the rows, {expected:.1%} expected.")
    if feature.missing_share_window or feature.missing_share_reference:
        shares = (feature.missing_share_reference, feature.missing_share_window)
        parts.append(f"Missing {change(*shares, share=True)}.")
    return " ".join(parts)


def _bars(feature: FeatureDrift) -> list[Bar]:
    """The bins as bars: of categories the largest, the others together, and the new by name."""
    before, now = _totals(feature.bins)

    def bar(bin_: Bin) -> Bar:
        label = _LABELS.get(
            bin_.kind, bin_.label.strip("()") if bin_.kind == "Rare" else bin_.label
        )
        return Bar(
            name_of(label),
            bin_.reference / before,
            bin_.window / now,
            note="not in training" if bin_.kind == "New" else "",
            upper=bin_.upper,
            is_range=bin_.kind == "Range",
        )

    named = [bin_ for bin_ in feature.bins if bin_.kind in ("Range", "Category")]
    shown = _largest(named, PLOTTED_CATEGORIES) if feature.kind == "Categorical" else named
    found = [bar(bin_) for bin_ in shown]
    left = [(bin_.reference, bin_.window) for bin_ in named if bin_ not in shown]
    if left:
        rows = [sum(side) for side in zip(*left, strict=True)]
        found.append(Bar(f"{len(left)} others", rows[0] / before, rows[1] / now))
    found += [bar(bin_) for bin_ in feature.bins if bin_.kind in ("Rare", "Missing", "New")]
    new = list(feature.new_categories.items())[:NAMED_NEW_CATEGORIES]
    found += [Bar(name_of(name), 0.0, rows / now, note="new") for name, rows in new]
    return found


def _largest(bins: Sequence[Bin], count: int) -> list[Bin]:
    """The bins with the largest share on either side, in their own order."""
    before, now = _totals(bins)
    by_share = sorted(
        range(len(bins)), key=lambda i: -max(bins[i].reference / before, bins[i].window / now)
    )
    return [bins[position] for position in sorted(by_share[:count])]


def _totals(bins: Sequence[Bin]) -> tuple[int, int]:
    """Rows on each side, 1 at least."""
    before, now = sum(bin_.reference for bin_ in bins), sum(bin_.window for bin_ in bins)
    return before or 1, now or 1


def _in_words(bars: Sequence[Bar]) -> str:
    """The three largest moves, for who cannot see the plot."""
    largest = sorted(bars, key=lambda bar: -abs(bar.now - bar.before))[:3]
    moves = ", ".join(f"{bar.label} from {bar.before:.1%} to {bar.now:.1%}" for bar in largest)
    return f"Shares of the rows before and in the window; the largest moves: {moves}."
