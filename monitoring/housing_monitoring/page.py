"""The report as one HTML page: no scripts, nothing fetched, every value from outside escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

from housing_core.api.status import DriftAlert
from housing_core.drift_report import Bin, DriftReport, FeatureDrift

PLOTTED_FEATURES = 12
PLOTTED_BINS = 12
NAMED_FILES = 50

_LABEL_CHARACTERS = 22
_ROW, _BAR, _LEFT, _WIDTH, _RIGHT = 30, 11, 150, 150, 50

_VERDICTS = {
    "Drift": "Drift",
    "Stable": "No drift",
    "NotEnoughData": "Not enough data for a verdict",
}


def page(report: DriftReport) -> str:
    """The page of a report, complete in itself; it follows the reader's light or dark setting."""
    style = files("housing_monitoring").joinpath("static/report.css").read_text("utf-8")
    title = f"{_VERDICTS[report.verdict]}: {report.model_name}"
    body = [
        _verdict(report),
        _messages(report),
        _alerts(report.alerts),
        _plots(report),
        _features(report.features),
        _left_out(report),
        _thresholds(report),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body>\n</html>\n"
    )


def _verdict(report: DriftReport) -> str:
    window = f"{report.samples:,} predictions"
    if report.window_start and report.window_end:
        window += f" from {escape(report.window_start)} to {escape(report.window_end)}"
    return (
        f"<h1>{escape(report.model_name)}</h1>\n"
        f'<p class="soft">Version {escape(report.model_version)}, {window}; '
        f"report {escape(report.report_id)} of {escape(report.time)}</p>\n"
        f'<div class="verdict {escape(report.verdict)}">'
        f"<strong>{_VERDICTS[report.verdict]}</strong><p>{escape(report.reason)}</p></div>"
    )


def _messages(report: DriftReport) -> str:
    return "".join(f"<p>{escape(message)}</p>" for message in report.messages)


def _alerts(alerts: Sequence[DriftAlert]) -> str:
    rows = (
        [
            f'<span class="{alert.severity}">{alert.severity}</span>',
            escape(alert.name),
            escape(alert.feature or "predictions"),
            _number(alert.value),
            _number(alert.threshold),
            escape(alert.message),
        ]
        for alert in alerts
    )
    head = ["severity", "alert", "feature", "value", "held against", ""]
    return _section("Alerts", _table(head, rows, numbers={3, 4})) if alerts else ""


def _plots(report: DriftReport) -> str:
    figures = []
    if report.class_shares_window:
        bins = [
            (name, report.class_shares_reference.get(name, 0.0), now)
            for name, now in report.class_shares_window.items()
        ]
        caption = f"Predicted class, drift {_number(report.prediction_drift)}"
        figures.append(_figure(caption, bins))
    moved = sorted(report.features, key=lambda feature: -(feature.psi or 0.0))
    for feature in moved[:PLOTTED_FEATURES]:
        caption = f"{feature.name}, PSI {_number(feature.psi)}"
        figures.append(_figure(caption, _shares(feature.bins)))
    if not figures:
        return ""
    key = '<p class="key soft"><i class="before"></i>training<i class="now"></i>window</p>'
    return _section("What moved most", f'{key}<div class="plots">{"".join(figures)}</div>')


def _shares(bins: Sequence[Bin]) -> list[tuple[str, float, float]]:
    """(label, share before, share now) of the bins that matter most, in the bins' own order."""
    before = sum(bin_.reference for bin_ in bins) or 1
    now = sum(bin_.window for bin_ in bins) or 1
    shares = [(bin_.label, bin_.reference / before, bin_.window / now) for bin_ in bins]
    largest = sorted(range(len(shares)), key=lambda i: -max(shares[i][1:]))[:PLOTTED_BINS]
    return [shares[position] for position in sorted(largest)]


def _figure(caption: str, shares: Sequence[tuple[str, float, float]]) -> str:
    scale = _WIDTH / (max((max(before, now) for _, before, now in shares), default=0.0) or 1.0)
    rows = []
    for position, (label, before, now) in enumerate(shares):
        top = position * _ROW
        rows.append(
            f'<text x="0" y="{top + 15}">{escape(_cut(label))}<title>{escape(label)}</title></text>'
            f'<rect class="before" x="{_LEFT}" y="{top + 2}" width="{before * scale:.1f}" '
            f'height="{_BAR}"/>'
            f'<rect class="now" x="{_LEFT}" y="{top + 2 + _BAR}" width="{now * scale:.1f}" '
            f'height="{_BAR}"/>'
            f'<text class="share" x="{_LEFT + _WIDTH + _RIGHT}" y="{top + 11}">{before:.1%}</text>'
            f'<text class="share" x="{_LEFT + _WIDTH + _RIGHT}" y="{top + 23}">{now:.1%}</text>'
        )
    size = f"0 0 {_LEFT + _WIDTH + _RIGHT} {max(len(shares), 1) * _ROW}"
    return (
        f'<figure><h3>{escape(caption)}</h3><svg viewBox="{size}" role="img" '
        f'aria-label="{escape(caption)}">{"".join(rows)}</svg></figure>'
    )


def _features(features: Sequence[FeatureDrift]) -> str:
    rows = (
        [
            escape(feature.name),
            feature.kind.lower(),
            _number(feature.psi),
            _number(feature.psi_plain),
            _change(feature.missing_share_reference, feature.missing_share_window, share=True),
            _change(feature.mean_reference, feature.mean_window),
            _change(feature.std_reference, feature.std_window),
            _change(feature.skewness_reference, feature.skewness_window),
            _change(feature.new_share_expected, feature.new_share, share=True),
            _number(feature.cardinality_ratio),
            escape(_cut(", ".join(feature.new_categories), 80)),
        ]
        for feature in sorted(features, key=lambda feature: -(feature.psi or 0.0))
    )
    head = [
        *("feature", "kind", "PSI", "PSI, plain formula", "missing", "mean"),
        *("standard deviation", "skewness", "new categories' share", "cardinality ratio"),
        "new categories",
    ]
    numbers = set(range(2, 10))
    return _section("Features", _table(head, rows, numbers)) if features else ""


def _left_out(report: DriftReport) -> str:
    rows = [[f"{count:,} rows", escape(why)] for why, count in report.skipped_rows.items()]
    named = list(report.skipped_files.items())[:NAMED_FILES]
    rows += [[escape(name), escape(why)] for name, why in named]
    more = len(report.skipped_files) - len(named)
    if more > 0:
        rows.append([f"{more:,} more files", "named in the JSON beside this page"])
    return _section("Left out", _table(["what", "why"], rows, set())) if rows else ""


def _thresholds(report: DriftReport) -> str:
    rows = [[escape(name.replace("_", " ")), f"{v:g}"] for name, v in report.thresholds.items()]
    note = (
        "<p>PSI and prediction drift are given without what chance adds to the plain formula in a "
        "window of this size. The JSON beside this page holds every bin, and its reader can "
        "recompute every number.</p>"
    )
    return _section("Thresholds", _table(["threshold", "value"], rows, {1}) + note)


def _section(title: str, content: str) -> str:
    return f"<h2>{title}</h2>\n{content}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: set[int]) -> str:
    """A table of cells that are HTML already; `numbers` are the columns to align right."""

    def cells(tag: str, row: Sequence[str]) -> str:
        kinds = (' class="number"' if position in numbers else "" for position in range(len(row)))
        return "".join(
            f"<{tag}{kind}>{cell}</{tag}>" for kind, cell in zip(kinds, row, strict=True)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>\n" for row in rows)
    return (
        f'<div class="scroll"><table><thead><tr>{cells("th", head)}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _change(before: float | None, now: float | None, share: bool = False) -> str:
    if before is None and now is None:
        return ""
    texts = (
        "none" if value is None else f"{value:.1%}" if share else _number(value)
        for value in (before, now)
    )
    return " → ".join(texts)


def _cut(text: str, characters: int = _LABEL_CHARACTERS) -> str:
    return text if len(text) <= characters else text[: characters - 1] + "…"
