"""The report as one HTML page: no scripts, nothing fetched, every value from outside escaped.

The page bounds itself: whatever the number of features, categories and files, and however long
their names, it stays under a megabyte. What it leaves out is in the JSON beside it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from housing_core.api.status import DriftAlert
from housing_core.drift_report import JSON_FILE, DriftReport, FeatureDrift, Performance, Rule, Score
from housing_core.times import parse_time
from housing_monitoring.page.figures import figures, moved
from housing_monitoring.page.history import PastReport, charts, history_table, period_chart
from housing_monitoring.page.plots import WIDTH
from housing_monitoring.page.tables import (
    NAME_CHARACTERS,
    Table,
    change,
    columns,
    cut,
    digits,
    more,
    name_of,
    percent,
    spaced,
    text_of,
    visible,
)

LISTED_FEATURES = 150
LISTED_ALERTS = 100
LISTED_MESSAGES = 20
LISTED_LEFT_OUT = 50
LISTED_CLASSES = 10

_SEVERITIES = ("High", "Medium", "Low")
_HEADLINES = {"Drift": "Drift", "Stable": "No drift", "NotEnoughData": "Not enough data"}
_OF_ANSWERS = ("AccuracyDrop", "MacroF1Drop", "EstimatedAccuracyDrop")
_RULES = {
    "PSI": "PSI, the largest of a feature",
    "PredictionDrift": "Prediction drift",
    "HighSeverityAlerts": "Alerts of high severity",
    "AccuracyDrop": "Drop of the accuracy, measured on labels",
    "MacroF1Drop": "Drop of macro F1, measured on labels",
    "EstimatedAccuracyDrop": "Drop of the accuracy, estimated without labels",
}


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert: what happened, and the numbers of it."""

    message: str
    numbers: str


@dataclass(frozen=True, slots=True)
class AlertGroup:
    """The alerts of one severity."""

    severity: str
    count: int
    alerts: Sequence[Alert]
    more: str


def page(report: DriftReport, past: Sequence[PastReport] = ()) -> str:
    """The page of a report, complete in itself; it follows the reader's light or dark setting.

    Args:
        report: the report.
        past: reports on the same model, oldest first, this one the last.

    """
    style = files("housing_monitoring.page").joinpath("static/report.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    namespace, _, name = report.model_name.partition(".")
    template = _environment().get_template("report.html.jinja")
    return template.render(
        report=report,
        style=Markup(style),  # noqa: S704 - our own file
        style_digest=f"sha256-{digest}",
        width=WIDTH,
        json_file=JSON_FILE,
        headline=_HEADLINES[report.verdict],
        sentence=_sentence(report),
        facts=_facts(report),
        rules=_rules(report.rules),
        messages=[_begun(text_of(message)) for message in report.messages[:LISTED_MESSAGES]],
        command=f"kubectl describe housingmodel {cut(name, 300)} -n {cut(namespace, 300)}",
        alerts=_alerts(report.alerts),
        figures=figures(report),
        something_moved=bool(moved(report)),
        performance=_performance(report),
        charts=charts(past, report.thresholds),
        history=history_table(past),
        features=_features(report.features),
        left_out=_left_out(report),
        thresholds=_thresholds(report),
        levels=_levels(report),
        not_judged=report.samples < report.thresholds.get("min_samples", 0),
        quantile=digits(report.quantile),
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("housing_monitoring.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_seen,
    )
    environment.globals["zip"] = zip
    return environment


def _seen(value: object) -> object:
    """What the template prints, with nothing hidden in it."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _sentence(report: DriftReport) -> str:
    drift = report.verdict == "Drift"
    deciding = [rule for rule in report.rules if rule.holds == drift]
    reasons = [text_of(rule.text) for rule in deciding] or [cut(report.reason, 1_000)]
    text = f"{_opening(report, deciding)}: {'; '.join(reasons)}."
    return text.replace("<=", "≤").replace(">=", "≥")


def _opening(report: DriftReport, deciding: Sequence[Rule]) -> str:
    version = f"version {report.model_version}"
    if report.verdict == "NotEnoughData":
        return f"Nothing can be said about {version} yet"
    if report.verdict == "Stable":
        return (
            f"As far as {report.samples:,} predictions can show, what {version} is asked about "
            "now is like what it was trained on"
        )
    if all(rule.name in _OF_ANSWERS for rule in deciding):
        return f"The answers of {version} have become worse"
    return f"What {version} is asked about now is not like what it was trained on"


def _facts(report: DriftReport) -> list[tuple[str, str]]:
    found = [("Predictions judged", f"{report.samples:,}")]
    if report.window_start and report.window_end:
        start, end = _time(report.window_start), _time(report.window_end)
        same_day = start[:10] == end[:10]
        found.append(("Asked for", f"{start} to {end[11:] if same_day else end} UTC"))
    return [*found, ("Report made", f"{_time(report.time)} UTC")]


def _rules(rules: Sequence[Rule]) -> Table:
    return Table(
        "The rules of the verdict: Drift when one of them holds",
        columns("Rule", "measured*", "threshold*", "chance explains*", "holds"),
        [
            [
                _rule_name(rule),
                digits(rule.value) or "not measured",
                digits(rule.threshold),
                digits(rule.noise),
                "yes" if rule.holds else "no",
            ]
            for rule in rules
        ],
    )


def _rule_name(rule: Rule) -> str:
    name = _RULES.get(rule.name, spaced(name_of(rule.name)))
    return f"{name}: {name_of(rule.feature)}" if rule.feature else name


def _alerts(alerts: Sequence[DriftAlert]) -> list[AlertGroup]:
    groups = []
    room = LISTED_ALERTS
    for severity in _SEVERITIES:
        found = [alert for alert in alerts if alert.severity == severity]
        shown = found[:room]
        room -= len(shown)
        rest = more(len(found) - len(shown), "alerts")
        if found:
            groups.append(AlertGroup(severity, len(found), list(map(_alert, shown)), rest))
    return groups


def _alert(alert: DriftAlert) -> Alert:
    about = f" of {name_of(alert.feature)}" if alert.feature else ""
    numbers = f"{spaced(name_of(alert.name))}{about}: {digits(alert.value)}"
    limit = digits(alert.threshold)
    return Alert(
        _begun(text_of(alert.message)), numbers + (f", held against {limit}" if limit else "")
    )


def _performance(report: DriftReport) -> dict[str, object] | None:
    found = report.performance
    if found is None:
        return None
    scores = [
        ("Accuracy, measured on labels", found.accuracy),
        ("Macro F1, measured on labels", found.macro_f1),
        ("Accuracy, estimated without labels", found.estimated_accuracy),
    ]
    return {
        "text": _labels_text(found),
        "scores": Table(
            f"Scores with {100 * found.confidence:.3g} % intervals",
            columns(
                *("Score", "value*", "interval*", "on the holdout*"), *("drop*", "drop's interval*")
            ),
            [_score_row(name, score) for name, score in scores if score is not None],
        ),
        "confusion": _confusion(found),
        "chart": period_chart(found.periods),
        "estimated": found.estimated_accuracy is not None,
    }


def _labels_text(performance: Performance) -> str:
    labels = performance.labels
    if labels == 0:
        return "No true price has come back for a prediction of this version."
    text = f"{labels:,} predictions have a true price"
    if performance.start and performance.end:
        text += f", from {_time(performance.start)} to {_time(performance.end)} UTC"
    needed = performance.labels_needed
    if labels < needed:
        text += f"; {needed:,} are needed before their accuracy decides anything"
    return text + "."


def _score_row(name: str, score: Score) -> list[str]:
    return [
        name,
        percent(score.value),
        f"{percent(score.lower)} – {percent(score.upper)}",
        percent(score.reference),
        percent(score.drop),
        (
            ""
            if score.drop_lower is None or score.drop_upper is None
            else f"{percent(score.drop_lower)} – {percent(score.drop_upper)}"
        ),
    ]


def _confusion(performance: Performance) -> Table | None:
    matrix = performance.confusion_matrix
    if not matrix or len(matrix) > LISTED_CLASSES:
        return None
    names = [name_of(name) for name in performance.classes]
    return Table(
        "Labelled predictions: the true class in rows, the predicted one in columns",
        columns("True", *(f"{name}*" for name in names)),
        [[name, *(f"{n:,}" for n in row)] for name, row in zip(names, matrix, strict=False)],
        narrow=True,
    )


_OF_ALL: dict[str, Callable[[FeatureDrift], str]] = {
    "PSI": lambda f: digits(f.psi),
    "plain PSI": lambda f: digits(f.psi_plain),
    "chance explains": lambda f: digits(f.psi_noise),
    "bins": lambda f: str(len(f.bins)),
    "design effect": lambda f: digits(f.design_effect) if f.design_effect != 1 else "",
    "missing": lambda f: change(f.missing_share_reference, f.missing_share_window, share=True),
    "unreadable": lambda f: f"{f.unreadable:,}" if f.unreadable else "",
}
_OF_NUMBERS: dict[str, Callable[[FeatureDrift], str]] = {
    "mean": lambda f: change(f.mean_reference, f.mean_window),
    "deviation": lambda f: change(f.std_reference, f.std_window),
    "skewness": lambda f: change(f.skewness_reference, f.skewness_window),
    "out of range": lambda f: percent(f.out_of_range_share),
}
_OF_CATEGORIES: dict[str, Callable[[FeatureDrift], str]] = {
    "new": lambda f: percent(f.new_share),
    "new, expected": lambda f: percent(f.new_share_expected),
    "cardinality ratio": lambda f: digits(f.cardinality_ratio),
}


def _features(features: Sequence[FeatureDrift]) -> list[Table]:
    """A table of the numbers and one of the categories, the furthest moved first."""
    ordered = sorted(features, key=lambda feature: -(feature.psi or 0.0))[:LISTED_FEATURES]
    found = []
    for kind, cells in (
        ("Numeric", _OF_ALL | _OF_NUMBERS),
        ("Categorical", _OF_ALL | _OF_CATEGORIES),
    ):
        shown = [feature for feature in ordered if feature.kind == kind]
        left_out = sum(1 for feature in features if feature.kind == kind) - len(shown)
        table = Table(
            f"{kind} features in numbers ({len(shown):,})",
            columns("Feature", *(f"{name}*" for name in cells)),
            [[name_of(f.name), *(cell(f) for cell in cells.values())] for f in shown],
            more(left_out, f"{kind.lower()} features"),
        )
        if shown:
            found.append(table.without_empty_columns())
    return found


def _left_out(report: DriftReport) -> Table:
    labels = report.performance.skipped_labels if report.performance else {}
    counted = [[f"{n:,} rows", text_of(why)] for why, n in report.skipped_rows.items()]
    counted += [[f"{n:,} labels", text_of(why)] for why, n in labels.items()]
    named = [[text_of(name), text_of(why)] for name, why in report.skipped_files.items()]
    shown = [*counted[:LISTED_LEFT_OUT], *named[:LISTED_LEFT_OUT]]
    rest = more(len(counted) + len(named) - len(shown), "entries")
    return Table("What of the log was not judged", columns("What", "why"), shown, rest)


def _thresholds(report: DriftReport) -> Table:
    return Table(
        "Thresholds, from monitoring in the spec",
        columns("Threshold", "value*"),
        [
            [spaced(cut(name, NAME_CHARACTERS)), f"{value:g}"]
            for name, value in list(report.thresholds.items())[:LISTED_LEFT_OUT]
        ],
        narrow=True,
    )


def _levels(report: DriftReport) -> Table:
    return Table(
        "Levels of the alerts",
        columns("Alert", "High*", "Medium*", "Low*"),
        [
            [spaced(cut(name, NAME_CHARACTERS)), *(digits(of.get(s)) for s in _SEVERITIES)]
            for name, of in list(report.levels.items())[:LISTED_LEFT_OUT]
        ],
        narrow=True,
    )


def _begun(message: str) -> str:
    """A message as a sentence begins."""
    return message[:1].upper() + message[1:]


def _time(text: str) -> str:
    return f"{parse_time(text):%Y-%m-%d %H:%M}"
