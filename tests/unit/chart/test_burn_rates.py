"""Each branch, each short window and each least number of the burn-rate alerts decides somewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import pytest

from tests.unit.chart.test_alerts import MODEL, OF_MODEL, ON_BUDGETS, Series, alerts, firing

POD = f'{MODEL},track="production",pod="p",route="predict"'
STAGING = POD.replace("production", "staging")
EXPLAIN = POD.replace("predict", "explain")

BUSY, USUAL = 10.0, 1.0
Stretch = tuple[float, float, float]
"""Hours, requests a minute over the share of them that may be bad, and how many times faster than
that share allows the budget goes: the product of the last two are the bad requests of a minute."""


def eight_bad_ones(hours: float) -> list[Stretch]:
    return [(hours, 8 / (hours * 60 * 50), 50)]


def twelve_bad_ones(hours: float) -> list[Stretch]:
    return [(hours, 12 / (hours * 60 * 50), 50)]


@dataclass(frozen=True)
class Row:
    """What the requests were like up to now, and whether the alert fires."""

    why: str
    severity: str
    history: Sequence[Stretch]
    fires: bool


TABLE = [
    Row("1 h alone", "critical", [(6, USUAL, 0), (1, USUAL, 15)], True),
    Row("1 h, not yet", "critical", [(6, USUAL, 0), (0.75, USUAL, 12), (0.25, USUAL, 18)], False),
    Row("1 h, over by now", "critical", [(6, USUAL, 0), (0.8, USUAL, 25), (0.2, USUAL, 0)], False),
    Row("6 h alone", "critical", [(7, USUAL, 6.3)], True),
    Row("6 h, not yet", "critical", [(5.4, USUAL, 5), (0.6, USUAL, 10)], False),
    Row("6 h, over by now", "critical", [(5.5, USUAL, 10), (0.6, USUAL, 0)], False),
    Row("eight bad ones", "critical", eight_bad_ones(6), False),
    Row("twelve bad ones", "critical", twelve_bad_ones(6), True),
    Row("nobody asks", "critical", [(6, 0, 0)], False),
    # Of steady traffic, 10 % of the budget in 1 d are 10 % in 3 d: busy days before tell them apart.
    Row("1 d alone", "warning", [(48, BUSY, 0), (24, USUAL, 3.2)], True),
    Row("1 d, not yet", "warning", [(48, BUSY, 0), (21.5, USUAL, 2.4), (2.5, USUAL, 5)], False),
    Row("1 d, over by now", "warning", [(48, BUSY, 0), (21, USUAL, 6), (3, USUAL, 0)], False),
    Row("3 d alone", "warning", [(72, USUAL, 1.1)], True),
    Row("3 d, not yet", "warning", [(65, USUAL, 0.8), (7, USUAL, 1.2)], False),
    Row("3 d, over by now", "warning", [(65, USUAL, 2), (7, USUAL, 0)], False),
    Row("eight bad ones", "warning", eight_bad_ones(72), False),
    Row("twelve bad ones", "warning", twelve_bad_ones(72), True),
    Row("nobody asks", "warning", [(72, 0, 0)], False),
]


def errors(history: Sequence[Stretch], labels: str = POD) -> Series:
    """Answers by their status; one of a thousand may be a 5xx."""
    good, bad = requests(history, allowed=0.001)
    name = "housing_requests_total"
    return {
        f'{name}{{{labels},code="200"}}': counter(good),
        f'{name}{{{labels},code="503"}}': counter(bad),
    }


def durations(history: Sequence[Stretch], labels: str = POD) -> Series:
    """Answers by their time; one of a hundred may take more than 50 ms."""
    good, bad = requests(history, allowed=0.01)
    name = "housing_request_duration_seconds"
    return {
        f'{name}_bucket{{{labels},le="0.05"}}': counter(good),
        f"{name}_count{{{labels}}}": counter(map(sum, zip(good, bad, strict=True))),
    }


def requests(history: Sequence[Stretch], allowed: float) -> tuple[list[float], list[float]]:
    """Good and bad requests of each minute."""
    minutes = [(each, burn) for hours, each, burn in history for _ in range(round(hours * 60))]
    bad = [each * burn for each, burn in minutes]
    good = [each / allowed - failed for (each, _), failed in zip(minutes, bad, strict=True)]
    return good, bad


def counter(each_minute: Iterator[float] | list[float]) -> str:
    return " ".join(map(str, accumulate(each_minute, initial=0)))


ALERTS = {"HousingRequestErrors": errors, "HousingRequestsSlow": durations}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.severity}, {row.why}")
@pytest.mark.parametrize(("alert", "series"), ALERTS.items(), ids=ALERTS)
def test_an_alert_fires_as_fast_as_the_budget_goes(
    alert: str, series: Callable[[Sequence[Stretch]], Series], row: Row, tmp_path: Path
) -> None:
    minutes = round(sum(hours for hours, _, _ in row.history) * 60)
    labels, now = {**OF_MODEL, "severity": row.severity}, f"{minutes}m"
    # Once, at the end, is enough: these alerts have no `for`.
    firing(alert, labels, now, series(row.history), tmp_path, fires=row.fires, every=now)


@pytest.mark.parametrize(
    ("alert", "series"),
    [
        ("HousingRequestErrors", errors([(2, USUAL, 50)], STAGING)),
        ("HousingRequestsSlow", durations([(2, USUAL, 50)], STAGING)),
        ("HousingRequestsSlow", durations([(2, USUAL, 50)], EXPLAIN)),
    ],
    ids=["errors of staging", "slow ones of staging", "slow explanations"],
)
def test_staging_and_explanations_spend_nothing_of_the_budget(
    alert: str, series: Series, tmp_path: Path
) -> None:
    in_production = errors([(2, USUAL, 0)]) | durations([(2, USUAL, 0)])
    labels = {**OF_MODEL, "severity": "critical"}
    firing(alert, labels, "120m", in_production | series, tmp_path, fires=False)


def test_every_alert_on_budgets_is_tested_in_each_of_its_severities() -> None:
    asked = {(rule["alert"], rule["labels"]["severity"]) for rule in alerts()}
    tested = {(alert, row.severity) for alert in ALERTS for row in TABLE}
    assert tested == {one for one in asked if one[0] in ON_BUDGETS}
