"""Ground truth is joined from real files of both tables."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from housing_core.bundle import Reference
from housing_core.cleaning import CleaningRules
from housing_core.log_reading import labels as labels_module
from housing_monitoring.log.labels import UNKNOWN, read_labelled
from housing_monitoring.measures.performance import Labelled
from housing_monitoring.profile import Profile
from tests.prediction_logs import write_labels, write_predictions

NOW = datetime(2026, 11, 23, 15, 30, tzinfo=UTC)
MODEL = "homes.istanbul"
PROFILE = Profile(
    CleaningRules(texts=("district",)),
    Reference(rows=1, holdout_rows=0, features={}, class_shares={}, scores={}),
    ["Low", "Medium", "High"],
    [2.5e6, 6e6],
)
LOW, MEDIUM, HIGH = 0, 1, 2


def ago(**duration: float) -> datetime:
    return NOW - timedelta(**duration)


def predict(root: Path, request: str, classes: list[str], time: datetime, **more: Any) -> Path:
    rows = [{"district": "Şile"}] * len(classes)
    return write_predictions(root, MODEL, rows, time, classes=classes, request_id=request, **more)


def read(root: Path, *, days: int = 30, version: str = "1") -> Labelled:
    start = ago(days=days)
    return read_labelled(str(root), MODEL, version, PROFILE, start=start, now=NOW)


def pairs(found: Labelled) -> list[tuple[int, int]]:
    """(true class, predicted class) of each, the oldest prediction first."""
    return list(zip(found.truth.tolist(), found.predicted.tolist(), strict=True))


def test_prices_are_joined_by_request_and_row_days_after_the_prediction(tmp_path: Path) -> None:
    predict(tmp_path, "a", ["Low", "High", "Medium"], ago(days=20))
    predict(tmp_path, "b", ["Low"], ago(hours=2))
    write_labels(tmp_path, MODEL, [("a", 2, 7e6), ("b", 0, 1e6)], ago(hours=1))
    write_labels(tmp_path, MODEL, [("a", 0, 1e6)], ago(minutes=5))
    found = read(tmp_path)
    assert pairs(found) == [(LOW, LOW), (HIGH, MEDIUM), (LOW, LOW)]
    assert found.skipped == {}
    assert found.messages == ()


def test_a_price_on_a_boundary_belongs_to_the_class_above(tmp_path: Path) -> None:
    predict(tmp_path, "a", ["Low"] * 3, ago(hours=2))
    labels = [("a", 0, 2.5e6 - 1), ("a", 1, 2.5e6), ("a", 2, 6e6)]
    write_labels(tmp_path, MODEL, labels, ago(hours=1))
    assert sorted(read(tmp_path).truth.tolist()) == [LOW, MEDIUM, HIGH]


def test_without_labels_nothing_is_evaluated(tmp_path: Path) -> None:
    assert pairs(read(tmp_path)) == []
    predict(tmp_path, "a", ["Low"], ago(hours=2)).write_bytes(b"not read, as there is no label")
    assert read(tmp_path).messages == ()


def test_of_two_labels_for_one_prediction_the_later_counts(tmp_path: Path) -> None:
    predict(tmp_path, "a", ["Low", "Low"], ago(hours=3))
    write_labels(tmp_path, MODEL, [("a", 0, 7e6), ("a", 1, 3e6)], ago(minutes=10))
    write_labels(tmp_path, MODEL, [("a", 0, 1e6), ("a", 1, 8e6)], ago(hours=2))
    found = read(tmp_path)
    assert sorted(pairs(found)) == [(MEDIUM, LOW), (HIGH, LOW)]
    assert found.skipped == {"replaced by a later label": 2}


def test_labels_for_unknown_or_too_old_predictions_are_counted(tmp_path: Path) -> None:
    predict(tmp_path, "a", ["Low"], ago(hours=3))
    predict(tmp_path, "old", ["Low"], ago(days=31))
    labels = [("a", 1, 1e6), ("nobody", 0, 1e6), ("old", 0, 1e6)]
    write_labels(tmp_path, MODEL, labels, ago(hours=1))
    found = read(tmp_path)
    assert pairs(found) == []
    assert found.skipped == {UNKNOWN: 3}
    assert pairs(read(tmp_path, days=32)) == [(LOW, LOW)]


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_price_is_counted(tmp_path: Path, price: float) -> None:
    predict(tmp_path, "a", ["Low"], ago(hours=3))
    write_labels(tmp_path, MODEL, [("a", 0, price)], ago(hours=1))
    found = read(tmp_path)
    assert (pairs(found), found.skipped) == ([], {"with no price above zero": 1})


def test_only_what_production_answered_with_this_version_is_evaluated(tmp_path: Path) -> None:
    predict(tmp_path, "a", ["Low"], ago(hours=3))
    predict(tmp_path, "b", ["Low"], ago(hours=3), version="2")
    predict(tmp_path, "c", ["Low"], ago(hours=3), track="staging")
    predict(tmp_path, "d", ["Palace"], ago(hours=3))
    write_labels(tmp_path, MODEL, [(name, 0, 1e6) for name in "abcd"], ago(hours=1))
    found = read(tmp_path)
    assert pairs(found) == [(LOW, LOW)]
    assert found.skipped == {
        "for predictions of another version or track": 2,
        "for predictions of a class that the version does not have": 1,
    }


def test_clocks_that_disagree_join_all_the_same(tmp_path: Path) -> None:
    predict(tmp_path, "a", ["Low"], ago(minutes=1))
    predict(tmp_path, "ahead", ["Low"], ago(minutes=-20))
    write_labels(tmp_path, MODEL, [("a", 0, 1e6), ("ahead", 0, 1e6)], ago(minutes=30))
    write_labels(tmp_path, MODEL, [("a", 0, 7e6)], ago(minutes=-10))
    found = read(tmp_path)
    assert pairs(found) == [(LOW, LOW), (LOW, LOW)]
    assert found.skipped == {"later than now": 1}


def test_a_prediction_that_was_logged_twice_is_one(tmp_path: Path) -> None:
    for _ in range(2):
        predict(tmp_path, "a", ["Low"], ago(hours=3))
    write_labels(tmp_path, MODEL, [("a", 0, 1e6)], ago(hours=1))
    assert pairs(read(tmp_path)) == [(LOW, LOW)]


def test_every_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    predict(tmp_path, "a", ["Low"], ago(hours=3))
    half = predict(tmp_path, "b", ["Low"], ago(hours=2))
    half.write_bytes(b"PAR1")
    write_labels(tmp_path, MODEL, [("a", 0, 1e6)], ago(hours=1))
    foreign = write_labels(tmp_path, MODEL, [("b", 0, 1e6)], ago(hours=2))
    foreign.write_bytes(b"half")
    found = read(tmp_path)
    assert pairs(found) == [(LOW, LOW)]
    assert set(found.skipped_files) == {str(half), str(foreign)}
    assert all(found.skipped_files.values())
    assert found.messages == ()


def test_what_is_read_is_bounded_and_the_report_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labels_module, "MOST_PREDICTIONS", 2)
    for hours in (4, 3, 2, 1):
        predict(tmp_path, f"r{hours}", ["Low"] * 2, ago(hours=hours))
        write_labels(tmp_path, MODEL, [(f"r{hours}", 0, 1e6)], ago(minutes=30))
    found = read(tmp_path)
    assert len(pairs(found)) == 2
    assert found.messages == ("4 predictions were looked through for labels; older ones were not",)
    monkeypatch.setattr(labels_module, "MOST_LABELS", 1)
    assert any("newest 4 labels were read" in message for message in read(tmp_path).messages)
