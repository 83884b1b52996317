import re
from html.parser import HTMLParser
from typing import Any

import pytest

from housing_core.api.status import DriftAlert
from housing_core.drift_report import Bin, DriftReport, FeatureDrift
from housing_monitoring.page import NAMED_FILES, PLOTTED_BINS, PLOTTED_FEATURES, page

EVIL = '<script>alert("x")</script>&\'"'
VOID = {"meta", "rect"}


class Outline(HTMLParser):
    """Checks that elements are closed in order, and keeps what a test asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def outline(html: str) -> Outline:
    parser = Outline()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return parser


def report(**changes: Any) -> DriftReport:
    settings: dict[str, Any] = {
        "report_id": "0123456789abcdef",
        "model_name": "homes.istanbul",
        "model_version": "3",
        "time": "2026-11-23T15:30:00Z",
        "window_start": "2026-11-23T09:00:00Z",
        "window_end": "2026-11-23T15:00:00Z",
        "samples": 1_234,
        "verdict": "Drift",
        "reason": "PSI of district 0.400 > 0.25",
    }
    return DriftReport(**(settings | changes))


def feature(name: str = "district", bins: int = 3, psi: float = 0.4) -> FeatureDrift:
    return FeatureDrift(
        name=name,
        kind="Categorical",
        psi=psi,
        psi_plain=psi,
        psi_noise=0.1,
        bins=[
            Bin(kind="Category", label=f"{name} {i}", reference=100 - i, window=i)
            for i in range(bins)
        ],
        new_categories=[name],
        missing_share_reference=0.01,
        missing_share_window=0.5,
    )


def test_the_verdict_comes_first_with_its_reason() -> None:
    text = outline(page(report())).text
    assert "1,234 predictions from 2026-11-23T09:00:00Z to 2026-11-23T15:00:00Z" in text
    assert text.index("PSI of district 0.400 > 0.25") < text.index("Thresholds")


@pytest.mark.parametrize("verdict", ["Drift", "Stable", "NotEnoughData"])
def test_an_empty_report_makes_a_page(verdict: str) -> None:
    empty = report(verdict=verdict, samples=0, window_start=None, window_end=None)
    assert "0 predictions;" in outline(page(empty)).text


def test_everything_from_outside_is_escaped() -> None:
    alert = DriftAlert(
        name="PSI", feature=EVIL, severity="High", value=1.0, threshold=0.25, message=EVIL
    )
    html = page(
        report(
            model_name=EVIL,
            reason=EVIL,
            messages=[EVIL],
            alerts=[alert],
            features=[feature(EVIL)],
            class_shares_reference={EVIL: 1.0},
            class_shares_window={EVIL: 1.0},
            skipped_files={EVIL: EVIL},
            skipped_rows={EVIL: 2},
            thresholds={EVIL: 1.0},
        )
    )
    found = outline(html)
    assert "script" not in {tag for tag, _ in found.seen}
    assert found.text.count("alert(") >= 10


def test_the_page_stands_alone_and_follows_light_and_dark() -> None:
    html = page(report(features=[feature()]))
    found = outline(html)
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in found.seen}
    assert not any({"src", "href"} & set(attributes) for _, attributes in found.seen)
    assert "prefers-color-scheme: dark" in html
    assert not re.search(r"url\(|@import|https?://", html)
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in (
        found.seen
    )


def test_a_wide_model_makes_a_bounded_page() -> None:
    many = [feature(f"f{i}", bins=300, psi=i / 100) for i in range(40)]
    files = {f"/log/{i}": "is corrupt" for i in range(NAMED_FILES + 7)}
    found = outline(page(report(features=many, skipped_files=files)))
    tags = [tag for tag, _ in found.seen]
    assert tags.count("svg") == PLOTTED_FEATURES
    assert tags.count("rect") == PLOTTED_FEATURES * PLOTTED_BINS * 2
    assert "f39, PSI 0.39" in found.text
    assert "7 more files" in found.text


def test_bars_are_drawn_to_one_scale_within_the_picture() -> None:
    found = outline(page(report(features=[feature()])))
    widths = [float(a["width"] or 0) for tag, a in found.seen if tag == "rect"]
    assert max(widths) == pytest.approx(150, abs=0.1)
    assert min(widths) >= 0
