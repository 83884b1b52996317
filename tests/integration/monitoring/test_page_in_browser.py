"""The page of a report as a person sees it: in Chromium, alone and within MLflow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from housing_core.drift_report import HTML_FILE, Rule
from housing_monitoring.page.history import past_report
from housing_monitoring.page.html import page
from tests.browser import (
    DESK_WIDTH,
    PHONE_WIDTH,
    STRICT,
    Scheme,
    browser,
    looks_right,
    open_artifact,
    show,
    visit,
)
from tests.drift_reports import alert, feature, hostile, number, performance, report
from tests.integration.monitoring.monitored import Monitored
from tests.listings import Listings, read_listings

PAPER_WIDTH = 680
"""An A4 page between its margins."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.mark.parametrize(("scheme", "width"), [("light", PHONE_WIDTH), ("dark", DESK_WIDTH)])
def test_many_features_and_hostile_names_neither_break_nor_widen_the_page(
    chromium: Browser, scheme: Scheme, width: int, tmp_path: Path
) -> None:
    looks_right(chromium, page(hostile()), scheme, width, tmp_path / "page.png")


@pytest.mark.parametrize(("scheme", "width"), [("light", DESK_WIDTH), ("dark", PHONE_WIDTH)])
def test_everything_that_a_page_may_show_is_accessible(
    chromium: Browser, scheme: Scheme, width: int, tmp_path: Path
) -> None:
    newest = report(
        features=[feature(), number()],
        alerts=[alert(severity=severity) for severity in ("High", "Medium", "Low")],
        rules=[Rule(name="PSI", value=0.4, threshold=0.25, holds=True, text="PSI 0.4 > 0.25")],
        class_shares_reference={"Low": 0.4, "High": 0.6},
        class_shares_window={"Low": 0.5, "High": 0.5},
        performance=performance(),
        skipped_rows={"later than now": 3},
        thresholds={"psi": 0.25},
    )
    earlier = newest.model_copy(update={"time": "2026-11-22T10:00:00Z", "verdict": "Stable"})
    html = page(newest, [past_report(earlier), past_report(newest)])
    looks_right(chromium, html, scheme, width, tmp_path / "page.png", axe=True)


def test_real_reports_can_be_read_alone_and_within_mlflow(
    registered: Monitored, istanbul: tuple[Listings, Listings], chromium: Browser, tmp_path: Path
) -> None:
    registered.log_traffic(istanbul[1].sample(120, 1))
    for verdict, listings in (
        ("NotEnoughData", None),
        ("Stable", istanbul[1].sample(880, 2)),
        ("Drift", read_listings("izmir").sample(1_000, 1)),
    ):
        if listings is not None:
            registered.log_traffic(listings)
        assert registered.run().code == 0
        drift = registered.drift()
        assert drift["verdict"] == verdict
        html = registered.page(drift["runId"])
        for scheme, width in (("light", DESK_WIDTH), ("dark", PHONE_WIDTH)):
            shot = tmp_path / f"{verdict}-{scheme}-{width}.png"
            looks_right(chromium, html, scheme, width, shot)
    assert "Largest PSI of a feature" in html

    with visit(chromium, scheme="dark") as visited:
        mlflow = registered.registry.tracking_uri
        shown = open_artifact(visited, mlflow, drift["runId"], HTML_FILE)
        shown.get_by_role("heading", name="Drift", exact=True).wait_for()
        text = shown.locator("main").inner_text()
        visited.page.screenshot(path=tmp_path / "mlflow.png")
    assert f"PSI of {drift['scores']['maxPsiFeature']}" in text
    assert not [line for line in visited.complaints if "Content Security Policy" in line]


def test_the_page_on_paper_is_light_and_shows_what_is_folded_on_screen(chromium: Browser) -> None:
    found = hostile(8).model_copy(update={"performance": performance()})
    with visit(chromium, scheme="dark", width=PAPER_WIDTH) as visited:
        show(visited, page(found), STRICT)
        table = visited.page.locator("figure details table").first
        assert not table.is_visible()
        visited.page.emulate_media(media="print")
        assert table.is_visible()
        assert visited.overflow() == 0
        ink = visited.page.evaluate("getComputedStyle(document.body).color")
        assert ink == "rgb(27, 36, 48)"
