import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from housing_core.api.spec import Dataset, Target, Thresholds
from housing_core.bundle import CategoricalProfile, NumericProfile, Reference
from housing_core.cleaning import CleaningRules, NumberRule
from housing_core.drift_report import DriftReport
from housing_core.tasks import MonitoringTask
from housing_monitoring.columns import CategoricalColumn
from housing_monitoring.log.window import Window, read_window
from housing_monitoring.measures.performance import Labelled
from housing_monitoring.page.html import page
from housing_monitoring.profile import Profile
from housing_monitoring.report import judge as judge_labelled
from housing_monitoring.report import without_profile
from tests.prediction_logs import write_predictions
from tests.windows import numbers, window_of

NOW = datetime(2026, 11, 23, 15, 30, 12, 345678, tzinfo=UTC)
START, END = datetime(2026, 11, 23, 9, tzinfo=UTC), datetime(2026, 11, 23, 15, tzinfo=UTC)
RULES = CleaningRules(numbers={"area": NumberRule()}, texts=("district",))
REFERENCE = Reference(
    rows=20_000,
    holdout_rows=5_000,
    features={
        "area": NumericProfile(
            rows=20_000,
            missing=0,
            edges=[37.5, 112.5],
            counts=[5_000, 10_000, 5_000],
            mean=75.0,
            std=42.7,
            skewness=0.0,
            minimum=0.0,
            maximum=150.0,
        ),
        "district": CategoricalProfile(
            rows=20_000, missing=0, counts={"Kadıköy": 10_000, "Şile": 10_000}, cardinality=2
        ),
    },
    class_shares={"Low": 0.4, "Medium": 0.4, "High": 0.2},
    scores={},
)
PROFILE = Profile(RULES, REFERENCE)
BARE = Profile(RULES, REFERENCE.model_copy(update={"features": {}}))
SCHEMA = Path(__file__).parents[3] / "docs" / "reference" / "drift-report.schema.json"


def task(**changes: Any) -> MonitoringTask:
    settings: dict[str, Any] = {
        "namespace": "homes",
        "name": "istanbul",
        "production_version": "3",
        "log_uri": "pvc://log",
        "dataset": Dataset(uri="/data", target=Target(column="price")),
        "window_seconds": 86_400,
        "min_samples": 200,
        "evaluation_window_seconds": 30 * 86_400,
        "min_labels": 100,
        "thresholds": Thresholds(),
    }
    return MonitoringTask(**(settings | changes))


def window(
    rows: int = 1_000,
    *,
    new: int = 0,
    classes: Sequence[str] = ("Low", "Low", "Medium", "Medium", "High"),
    profile: Profile = PROFILE,
    **changes: Any,
) -> Window:
    """Rows like those of the reference, of which the first `new` are of a new district."""
    codes = np.arange(rows) % 2
    codes[:new] = 2
    mixed = np.random.default_rng(1).permutation
    columns = {
        "area": numbers(mixed(np.linspace(1, 149, rows))),
        "district": CategoricalColumn(("Kadıköy", "Şile", "Foça"), mixed(codes)),
    }
    return window_of(
        columns,
        profile.reference.features,
        [classes[row % len(classes)] for row in range(rows)],
        start=START,
        end=END,
        **changes,
    )


def judge(
    asked: MonitoringTask, profile: Profile, found: Window, now: datetime, **more: Any
) -> DriftReport:
    return judge_labelled(asked, profile, found, more.get("labelled", Labelled.none()), now)


def test_rows_like_the_reference_s_are_stable() -> None:
    report = judge(task(), PROFILE, window(), NOW)
    assert report.verdict == "Stable"
    assert report.reason.startswith("1,000 predictions: PSI of ")
    assert (report.model_name, report.model_version) == ("homes.istanbul", "3")
    assert (report.time, report.window_start, report.window_end) == (
        "2026-11-23T15:30:12Z",
        "2026-11-23T09:00:00Z",
        "2026-11-23T15:00:00Z",
    )
    assert report.alerts == []
    assert [feature.name for feature in report.features] == ["area", "district"]


def test_the_same_window_gives_the_same_id_at_any_time() -> None:
    later = datetime(2026, 11, 23, 16, tzinfo=UTC)
    first, second = (judge(task(), PROFILE, window(), now) for now in (NOW, later))
    assert first.report_id == second.report_id
    assert first.time != second.time


@pytest.mark.parametrize(
    "other",
    [
        (task(), window(digest="e")),
        (task(production_version="4"), window()),
        (task(name="izmir"), window()),
        (task(min_samples=100), window()),
        (task(thresholds=Thresholds(psi=0.3)), window()),
    ],
)
def test_another_question_gives_another_id(other) -> None:
    asked, rows = other
    assert (
        judge(asked, PROFILE, rows, NOW).report_id
        != judge(task(), PROFILE, window(), NOW).report_id
    )


SCORED = Profile(
    RULES, REFERENCE.model_copy(update={"scores": {"accuracy": 0.8}}), ["Low", "Medium", "High"]
)


def labels(rows: int, wrong: int) -> Labelled:
    truth = np.zeros(rows, np.int64)
    return Labelled(
        truth,
        (np.arange(rows) * wrong // rows != (np.arange(rows) + 1) * wrong // rows).astype(int),
        np.arange(rows) * 1_000_000,
    )


def test_labels_make_another_id_only_where_they_alone_make_it_drift() -> None:
    """So that a window is retrained on once, however many labels come for it."""

    def judged(new: int, **labelled: int) -> DriftReport:
        known = labels(**labelled) if labelled else Labelled.none()
        return judge(task(), SCORED, window(new=new), NOW, labelled=known)

    stable, drift = judged(0), judged(900)
    assert (stable.verdict, drift.verdict) == ("Stable", "Drift")
    for few in ({"rows": 99, "wrong": 99}, {"rows": 500, "wrong": 100}):
        assert judged(0, **few).report_id == stable.report_id
    fell = [judged(0, rows=rows, wrong=rows // 2) for rows in (200, 201, 500)]
    assert {report.verdict for report in fell} == {"Drift"}
    assert len({report.report_id for report in fell}) == 1
    assert fell[0].report_id != stable.report_id
    both = judged(900, rows=500, wrong=250)
    assert any(rule.holds for rule in both.rules if rule.name == "AccuracyDrop")
    assert both.report_id == drift.report_id


@pytest.mark.parametrize("rows", [0, 1, 199])
def test_too_few_rows_make_no_verdict_however_far_they_moved(rows: int) -> None:
    report = judge(task(), PROFILE, window(rows, new=rows), NOW)
    assert report.verdict == "NotEnoughData"
    assert report.reason == f"{rows} predictions in the window, 200 are needed"
    assert report.alerts == []
    assert len(report.features) == (2 if rows else 0)
    report.to_status()


@pytest.mark.parametrize("rows", [0, 150])
def test_labels_that_prove_a_fall_are_acted_on_however_few_rows_the_window_has(rows: int) -> None:
    found = window(rows, new=rows)
    report = judge(task(), SCORED, found, NOW, labelled=labels(2_000, 1_000))
    assert report.verdict == "Drift"
    assert [rule.name for rule in report.rules if rule.holds] == ["AccuracyDrop"]
    too_few = f"{rows} predictions in the window, 200 are needed"
    assert [rule.text for rule in report.rules if not rule.holds] == [
        f"{name} not judged: {too_few}" for name in ("PSI", "PredictionDrift", "HighSeverityAlerts")
    ]
    assert report.reason.startswith(f"{too_few}; by labels: drop of the accuracy to 0.500")
    assert [alert.name for alert in report.alerts] == ["AccuracyDrop"]
    more = judge(task(), SCORED, found, NOW, labelled=labels(3_000, 1_500))
    assert more.report_id == report.report_id
    unlabelled = judge(task(), SCORED, found, NOW)
    assert unlabelled.verdict == "NotEnoughData"
    assert unlabelled.report_id != report.report_id
    assert "too few predictions for the other rules" in page(report)
    steady = judge(task(), SCORED, found, NOW, labelled=labels(2_000, 400))
    assert (steady.verdict, steady.rules, steady.alerts) == ("NotEnoughData", [], [])
    assert steady.report_id == unlabelled.report_id


def test_enough_rows_make_one() -> None:
    assert judge(task(), PROFILE, window(200, new=200), NOW).verdict == "Drift"
    assert judge(task(min_samples=1), PROFILE, window(1), NOW).verdict == "Stable"


def test_a_class_that_the_reference_never_saw_is_prediction_drift() -> None:
    report = judge(task(), PROFILE, window(classes=["Palace"]), NOW)
    assert report.verdict == "Drift"
    assert report.class_shares_window == {"Low": 0.0, "Medium": 0.0, "High": 0.0, "Palace": 1.0}


def test_what_the_window_has_to_say_is_in_the_report() -> None:
    found = window(profile=BARE, messages=("area: of another kind", "district has no profile"))
    report = judge(task(), BARE, found, NOW)
    assert report.features == []
    assert report.messages == ["area: of another kind", "district has no profile"]
    assert report.verdict == "Stable"


def test_a_reference_without_class_shares_leaves_the_predictions_out() -> None:
    bare = Profile(RULES, REFERENCE.model_copy(update={"class_shares": {}}))
    report = judge(task(), bare, window(), NOW)
    assert report.prediction_drift is None
    assert "prediction drift not computed" in report.reason


def test_a_version_without_a_profile_is_said_to_be_one() -> None:
    report = without_profile(task(), window(5_000, profile=BARE), NOW, "version 3 has no profile")
    assert (report.verdict, report.reason, report.samples) == (
        "NotEnoughData",
        "version 3 has no profile",
        5_000,
    )


def test_words_where_numbers_were_are_drift_that_says_what_they_are(tmp_path: Path) -> None:
    rows = [{"area": f"{n % 140} square metres", "district": "Şile"} for n in range(400)]
    time = END - timedelta(hours=1)
    write_predictions(tmp_path, "homes.istanbul", rows, time, classes=["Low", "Medium"] * 200)
    found = read_window(str(tmp_path), "homes.istanbul", "1", PROFILE, start=START, now=END)
    report = judge(task(), PROFILE, found, NOW)
    assert report.verdict == "Drift"
    (alert,) = (a for a in report.alerts if (a.name, a.feature) == ("MissingShare", "area"))
    assert alert.severity == "High"
    assert alert.message == (
        "area is missing in 100.0% of the rows, 0.0% in training; 400 of them hold a value that "
        "cannot be read"
    )


def test_what_was_left_out_is_in_the_report() -> None:
    left_out = window(skipped_files={"/log/a": "is corrupt"}, skipped_rows={"logged twice": 2})
    labelled = replace(Labelled.none(), skipped_files={"/log/b": "is no Parquet"})
    report = judge(task(), PROFILE, left_out, NOW, labelled=labelled)
    assert report.skipped_files == {"/log/a": "is corrupt", "/log/b": "is no Parquet"}
    assert report.skipped_rows == {"logged twice": 2}


@pytest.fixture(scope="module")
def published_schema() -> Draft202012Validator:
    schema = json.loads(SCHEMA.read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


REPORTS = {
    "Drift": judge(task(), PROFILE, window(new=500), NOW),
    "Stable": judge(task(), PROFILE, window(), NOW),
    "NotEnoughData": judge(task(), PROFILE, window(7), NOW),
    "without rows": judge(task(), PROFILE, window(0), NOW),
    "without profile": without_profile(task(), window(profile=BARE), NOW, "there is none"),
}


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_a_report_is_as_the_published_schema_says(
    published_schema: Draft202012Validator, report: DriftReport
) -> None:
    written = json.loads(report.model_dump_json())
    published_schema.validate(written)
    assert written["format"] == 1
    assert DriftReport.model_validate(written) == report


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("", {"format": 2}),
        ("", {"verdict": "Maybe"}),
        ("", {"samples": "many"}),
        ("features", {"psi": "0.3"}),
        ("alerts", {"severity": "Grave"}),
        ("rules", {"holds": None}),
    ],
)
def test_the_published_schema_refuses_another_document(
    published_schema: Draft202012Validator, part: str, change: dict[str, Any]
) -> None:
    written = json.loads(REPORTS["Drift"].model_dump_json())
    (written[part][0] if part else written).update(change)
    with pytest.raises(ValidationError):
        published_schema.validate(written)


def test_the_rules_are_those_of_the_reason_and_the_verdict() -> None:
    report = REPORTS["Drift"]
    assert [(rule.name, rule.feature, rule.holds) for rule in report.rules] == [
        ("PSI", "district", True),
        ("PredictionDrift", None, False),
        ("HighSeverityAlerts", None, True),
        ("AccuracyDrop", None, False),
    ]
    assert report.reason == "1,000 predictions: " + "; ".join(rule.text for rule in report.rules)
    psi = report.rules[0]
    assert (psi.value, psi.noise) == (report.features[1].psi, report.features[1].psi_noise)
    assert psi.threshold == 0.25
    assert not any(rule.holds for rule in REPORTS["Stable"].rules)
    assert REPORTS["NotEnoughData"].rules == []


def test_a_bin_of_numbers_has_its_ends_and_other_bins_say_what_they_are() -> None:
    area, district = judge(task(), PROFILE, window(new=500), NOW).features
    assert [(b.kind, b.lower, b.upper) for b in area.bins] == [
        ("Range", None, 37.5),
        ("Range", 37.5, 112.5),
        ("Range", 112.5, None),
    ]
    assert [b.kind for b in district.bins] == ["Category", "Category", "New"]
