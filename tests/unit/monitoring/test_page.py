import re
from html.parser import HTMLParser

import pytest

from housing_core.drift_report import DriftReport, Rule
from housing_monitoring.page.figures import PLOTTED_CATEGORIES, PLOTTED_FEATURES, PLOTTED_UNMOVED
from housing_monitoring.page.history import past_report
from housing_monitoring.page.html import page
from tests.drift_reports import BIDI, alert, feature, hostile, number, performance, report

VOID = {"meta"}


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


def test_the_verdict_comes_first_with_the_numbers_that_led_to_it() -> None:
    rules = [
        Rule(name="PSI", feature="district", value=0.4, threshold=0.25, holds=True, text="A > 1"),
        Rule(name="PredictionDrift", value=0.1, threshold=0.15, noise=0.2, holds=False, text="B"),
    ]
    text = outline(page(report(rules=rules, features=[feature()]))).text
    sentence = "What version 3 is asked about now is not like what it was trained on: A > 1."
    assert text.index(sentence) < text.index("What happens next") < text.index("Recompute it")
    for shown in ("PSI, the largest of a feature: district", "Prediction drift", "0.15", "0.2"):
        assert shown in text
    assert "2026-11-23 09:00 to 15:00 UTC" in text


@pytest.mark.parametrize(
    ("verdict", "says", "says_not"),
    [
        ("Drift", "This report asks for a retraining, once", "Nothing"),
        ("Stable", "this report asks for no retraining", "NoNewData"),
        ("NotEnoughData", "Nothing is retrained without a verdict", "NoNewData"),
    ],
)
def test_an_empty_report_makes_a_page_that_says_what_happens_next(
    verdict: str, says: str, says_not: str
) -> None:
    empty = report(verdict=verdict, samples=0, window_start=None, window_end=None, reason="none")
    text = outline(page(empty)).text
    assert says in text
    assert says_not not in text
    assert "kubectl describe housingmodel istanbul -n homes" in text


def test_a_drift_of_the_answers_alone_is_not_told_as_one_of_the_questions() -> None:
    rule = Rule(name="AccuracyDrop", value=0.1, threshold=0.05, holds=True, text="accuracy fell")
    text = outline(page(report(rules=[rule]))).text
    assert "The answers of version 3 have become worse: accuracy fell." in text


def test_everything_from_outside_is_escaped() -> None:
    found = outline(page(hostile()))
    assert not {"script", "img"} & {tag for tag, _ in found.seen}
    assert found.text.count("{{ 7 * 7 }}") >= 10
    assert [tag for tag, _ in found.seen].count("style") == 1


def test_characters_that_nobody_sees_are_shown_as_what_they_are() -> None:
    html = page(report(messages=[BIDI], features=[feature(BIDI)], alerts=[alert(BIDI)]))
    assert not set("\u202e\u2066\u200b\x07") & set(html)
    assert r"safe\u202egnp.exe\u2066\u200b\u0007" in outline(html).text
    page(report(messages=["half a pair: \ud800"])).encode()


@pytest.mark.parametrize("name", ["x" * 99, "\u202e" * 99, "住" * 99, "住宅"])
def test_a_name_never_runs_into_its_bars(name: str) -> None:
    html = page(report(class_shares_window={name: 1.0}))
    (label,) = (text for text in re.findall(r"<text[^>]*>([^<]*)</text>", html) if "%" not in text)
    assert len(label.encode("utf-16-le")) // 2 * (2 if "住" in name else 1) <= 20


def test_the_page_stands_alone_and_its_policy_allows_its_own_style_only() -> None:
    html = page(report(features=[feature(), number()], alerts=[alert()]))
    found = outline(html)
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in found.seen}
    assert not any({"src", "href", "style"} & set(attributes) for _, attributes in found.seen)
    assert not re.search(r"url\(|@import|https?://", html)
    (policy,) = [a["content"] or "" for _, a in found.seen if "http-equiv" in a]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


@pytest.mark.parametrize("features", [60, 1_000])
def test_whatever_comes_the_page_is_under_a_megabyte(features: int) -> None:
    html = page(hostile(features))
    assert len(html.encode()) < 1_000_000
    found = outline(html)
    tags = [tag for tag, _ in found.seen]
    assert tags.count("figure") <= PLOTTED_FEATURES + 3
    assert "more alerts are in the JSON beside this page" in found.text
    assert "more entries are in the JSON beside this page" in found.text


def test_features_with_alerts_come_first_and_the_gravest_before_all() -> None:
    features = [feature("still", psi=0.9), feature("moved", psi=0.2), number("gone", psi=0.3)]
    alerts = [alert("gone", severity="Medium"), alert("moved", severity="High")]
    titles = plots(report(features=features, alerts=alerts))
    assert titles == ["moved", "gone"]


def test_where_nothing_moved_the_largest_differences_are_shown_as_such() -> None:
    features = [feature(f"f{i}", psi=i / 100) for i in range(9)]
    calm = report(verdict="Stable", features=features)
    assert plots(calm) == ["f8", "f7", "f6", "f5"][:PLOTTED_UNMOVED]
    assert "The largest differences; none passes its limit" in outline(page(calm)).text


def test_a_plot_has_a_title_a_description_and_its_numbers_in_a_table() -> None:
    html = page(report(features=[number()], alerts=[alert("area")]))
    (attributes,) = [a for tag, a in outline(html).seen if tag == "svg"]
    for name in (attributes["aria-labelledby"] or "").split():
        assert html.count(f'id="{name}"') == 1
    assert "the largest moves: missing from 0.2% to 40.0%, 0 from 24.9% to 0.0%" in html
    assert re.search(r"<details><summary>Numbers</summary>\s*<table", html)


def test_of_many_categories_the_largest_are_drawn_and_the_new_ones_are_marked() -> None:
    html = page(report(features=[feature(bins=300)], alerts=[alert()]))
    drawn = re.findall(r"<text[^>]*>([^<]*)</text>", html)
    assert f"{300 - PLOTTED_CATEGORIES} others" in drawn
    assert drawn[drawn.index("district") + 1] == "new"
    assert drawn[drawn.index("all new ones") + 1] == "not in training"


def test_bars_are_drawn_to_one_scale_within_the_picture() -> None:
    found = outline(page(report(features=[feature()], alerts=[alert()])))
    boxes = [a for tag, a in found.seen if tag == "rect"]
    assert boxes
    for box in boxes:
        assert float(box["width"] or -1) >= 0
        assert float(box["x"] or 0) + float(box["width"] or 0) <= 320


def test_measured_and_estimated_performance_are_told_apart() -> None:
    text = outline(page(report(performance=performance()))).text
    assert "Accuracy, measured on labels" in text
    assert "Accuracy, estimated without labels" in text
    assert "66.0% – 76.0%" in text
    assert "3 labels" in text
    alone = outline(page(report(performance=performance(None)))).text
    assert "No true price has come back" in alone
    assert "measured on labels" not in alone


def test_earlier_reports_make_lines_and_a_table() -> None:
    earlier = report(
        time="2026-11-23T14:30:00Z",
        verdict="Stable",
        model_version="2",
        features=[feature(psi=0.01)],
        performance=performance(),
    )
    newest = report(features=[feature()], performance=performance(0.5))
    html = page(newest, [past_report(earlier), past_report(newest)])
    assert re.findall(r"<title id=\"time-\d-title\">([^<]*)", html) == [
        "Accuracy",
        "Largest PSI of a feature",
        "Predictions in the window",
    ]
    assert ">v3</text>" in html
    text = outline(html).text
    assert text.index("2026-11-23 15:30") < text.index("2026-11-23 14:30")
    assert "This is the first report" in outline(page(newest, [past_report(newest)])).text


@pytest.mark.parametrize(
    ("verdict", "drift"), [("Drift", 1), ("Stable", 0), ("NotEnoughData", None)]
)
def test_a_report_without_a_verdict_has_no_metric_of_drift(
    verdict: str, drift: float | None
) -> None:
    assert past_report(report(verdict=verdict)).metrics.get("drift") == drift


def test_the_formulas_and_levels_are_there_to_recompute_the_verdict_by() -> None:
    text = outline(page(report())).text
    assert "w′ = (w/e + r′ B/2) / (n/e + B/2)" in text
    assert "z = 3.89" in text
    assert re.search(r"Mean shift\s*1\s*0\.25", text)


def plots(found: DriftReport) -> list[str]:
    """Titles of the plots, in order."""
    return re.findall(r"<title id=\"plot-\d+-title\">([^<]*)", page(found))
