"""The window is read from real files; a local folder stands for every kind of storage."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from housing_core import prediction_log as log
from housing_core.bundle import CategoricalProfile, NumericProfile, Reference
from housing_core.cleaning import CleaningRules, NumberRule
from housing_core.storage import StorageError
from housing_monitoring.profile import Profile
from housing_monitoring.statistics import Moments
from housing_monitoring.tally import CategoryTally, NumberTally
from housing_monitoring.window import Window, read_window
from tests.prediction_logs import predictions_table, write_predictions, write_table

NOW = datetime(2026, 11, 23, 15, 30, tzinfo=UTC)
MODEL = "homes.istanbul"
RULES = CleaningRules(numbers={"area": NumberRule(suffixes=("m2",))}, texts=("ilçe",))
ROWS: list[dict[str, Any]] = [{"area": "85 m2", "ilçe": "Kadıköy"}, {"area": 120, "ilçe": "Şile"}]


def ago(**duration: float) -> datetime:
    return NOW - timedelta(**duration)


def profile(rules: CleaningRules = RULES) -> Profile:
    """One to which every category is new, so that all of them are counted by name."""
    area = NumericProfile(
        rows=1, missing=0, edges=[], counts=[1], mean=0, std=1, skewness=0, minimum=0, maximum=1e9
    )
    district = CategoricalProfile(rows=1, missing=0, counts={}, cardinality=0)
    features = {**dict.fromkeys(rules.numbers, area), **dict.fromkeys(rules.texts, district)}
    return Profile(
        rules, Reference(rows=1, holdout_rows=0, features=features, class_shares={}, scores={})
    )


def read(root: Path, *, rules: CleaningRules = RULES, now: datetime = NOW) -> Window:
    start = now - timedelta(hours=24)
    return read_window(str(root), MODEL, "1", profile(rules), start=start, now=now)


def numbers(window: Window, name: str) -> Moments:
    tally = window.features[name]
    assert isinstance(tally, NumberTally)
    return tally.found


def categories(window: Window, name: str) -> dict[str, int]:
    tally = window.features[name]
    assert isinstance(tally, CategoryTally)
    return tally.new


def classes(window: Window) -> dict[str, int]:
    return {name: int(rows.sum()) for name, rows in window.classes.items()}


def test_rows_come_typed_and_cleaned(tmp_path: Path) -> None:
    write_predictions(tmp_path, MODEL, ROWS, ago(hours=3), classes=["Low", "High"])
    write_predictions(tmp_path, MODEL, ROWS[:1], ago(minutes=1), classes=["Low"])
    window = read(tmp_path)
    assert window.rows == 3
    assert numbers(window, "area").rows == 3
    assert numbers(window, "area").mean == pytest.approx((85 + 120 + 85) / 3)
    assert categories(window, "ilçe") == {"Kadıköy": 2, "Şile": 1}
    assert classes(window) == {"Low": 2, "High": 1}
    assert (window.start, window.end) == (ago(hours=3), ago(minutes=1))
    assert (window.skipped_files, window.skipped_rows) == ({}, {})


@pytest.mark.parametrize("make_folder", [True, False])
def test_a_log_without_files_is_an_empty_window(tmp_path: Path, make_folder: bool) -> None:
    root = tmp_path / "log"
    if make_folder:
        (root / log.partition("predictions", MODEL, NOW)).mkdir(parents=True)
    window = read(root)
    assert (window.rows, window.start, window.end) == (0, None, None)
    assert window.features == {}


def test_rows_outside_the_window_s_time_are_not_in_it(tmp_path: Path) -> None:
    table = pa.concat_tables(
        predictions_table(ROWS[:1], ago(hours=24, microseconds=microseconds))
        for microseconds in (1, 0, -1)
    )
    write_table(tmp_path, MODEL, table, ago(hours=24))
    window = read(tmp_path)
    assert window.rows == 2
    assert window.start == ago(hours=24)


def test_rows_from_a_clock_that_is_ahead_are_counted_and_wait(tmp_path: Path) -> None:
    write_predictions(tmp_path, MODEL, ROWS, ago(minutes=-10))
    write_predictions(tmp_path, MODEL, ROWS, ago(minutes=-40))
    window = read(tmp_path)
    assert window.rows == 0
    assert window.skipped_rows == {"later than now": 4}
    assert read(tmp_path, now=ago(minutes=-50)).rows == 4


def test_rows_of_other_versions_tracks_and_models_are_not_judged(tmp_path: Path) -> None:
    write_predictions(tmp_path, MODEL, ROWS[:1], ago(hours=1))
    write_predictions(tmp_path, MODEL, ROWS, ago(hours=1), version="2")
    write_predictions(tmp_path, MODEL, ROWS, ago(hours=1), track="staging")
    write_predictions(tmp_path, f"{MODEL}-2", ROWS, ago(hours=1))
    window = read(tmp_path)
    assert window.rows == 1
    assert window.skipped_rows == {"of model version 2": 2, "of track staging": 2}


def test_a_row_that_was_logged_twice_counts_once(tmp_path: Path) -> None:
    for hours in (2, 1):
        write_predictions(tmp_path, MODEL, ROWS, ago(hours=hours), request_id="one")
    write_predictions(tmp_path, MODEL, ROWS, ago(hours=1), request_id="two")
    window = read(tmp_path)
    assert window.rows == 4
    assert window.skipped_rows == {"logged twice": 2}


def test_the_digest_is_that_of_the_rows_and_not_of_the_files(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    first = predictions_table(ROWS, ago(hours=1), request_id="a")
    second = predictions_table(ROWS, ago(hours=1), request_id="b")
    write_table(one, MODEL, first, ago(hours=1))
    write_table(one, MODEL, second, ago(hours=1))
    write_table(other, MODEL, pa.concat_tables([second, first]), ago(hours=1))
    assert read(one).digest == read(other).digest == read(one, now=ago(minutes=-5)).digest
    write_predictions(other, MODEL, ROWS, ago(hours=1))
    assert read(one).digest != read(other).digest


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _spoiled(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4:400] = b"\xff" * 396
    path.write_bytes(bytes(content))


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


def _foreign(path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), path)


def _of_other_types(path: Path) -> None:
    table = pq.read_table(path)
    texts = pa.array(["yesterday"] * len(table))
    pq.write_table(table.set_column(table.schema.get_field_index(log.TIME), log.TIME, texts), path)


def _without_ids(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.set_column(0, log.REQUEST_ID, pa.nulls(len(table), pa.string())), path)


def _without_struct(path: Path) -> None:
    table = pq.read_table(path)
    place = table.schema.get_field_index(log.FEATURES)
    pq.write_table(table.set_column(place, log.FEATURES, pa.array(["{}"] * len(table))), path)


def _renamed(path: Path) -> None:
    path.rename(path.with_name(f".{path.name}.1"))


def _of_another_kind(path: Path) -> None:
    path.rename(path.with_suffix(".csv"))


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_truncated, "corrupt"),
        (_spoiled, "corrupt"),
        (_emptied, "corrupt"),
        (_foreign, "lacks a column"),
        (_of_other_types, "corrupt or foreign"),
        (_without_ids, "rows without request_id"),
        (_without_struct, "corrupt or foreign"),
        (_renamed, "is being written"),
        (_of_another_kind, "does not end in .parquet"),
    ],
)
def test_a_file_that_is_no_part_of_the_log_is_named_and_skipped(
    tmp_path: Path, spoil, why: str
) -> None:
    write_predictions(tmp_path, MODEL, ROWS, ago(hours=1))
    spoil(write_predictions(tmp_path, MODEL, ROWS, ago(hours=1)))
    window = read(tmp_path)
    assert window.rows == 2
    ((name, reason),) = window.skipped_files.items()
    assert name.startswith(str(tmp_path))
    assert why in reason


def test_a_file_without_rows_is_no_trouble(tmp_path: Path) -> None:
    write_table(tmp_path, MODEL, predictions_table(ROWS, NOW).slice(0, 0), ago(hours=1))
    assert read(tmp_path).rows == 0


def test_a_column_that_vanished_is_missing(tmp_path: Path) -> None:
    write_predictions(tmp_path, MODEL, [{"ilçe": "Şile"}, {"ilçe": None}], ago(hours=1))
    window = read(tmp_path)
    assert numbers(window, "area").rows == 0
    assert categories(window, "ilçe") == {"Şile": 1}


def test_a_column_that_changed_its_type_is_read_by_the_rules(tmp_path: Path) -> None:
    rows = [{"area": "large", "ilçe": 34}, {"area": ["85"], "ilçe": 34.0}]
    write_predictions(tmp_path, MODEL, rows, ago(hours=1))
    window = read(tmp_path)
    assert window.features["area"].unreadable == 2
    assert categories(window, "ilçe") == {"34": 2}


def test_a_column_that_the_model_does_not_take_is_left_alone(tmp_path: Path) -> None:
    write_predictions(tmp_path, MODEL, [{**ROWS[0], "note": "sea view"}], ago(hours=1))
    assert list(read(tmp_path).features) == ["area", "ilçe"]


def test_columns_may_carry_the_log_s_own_names(tmp_path: Path) -> None:
    rows = [{"class": "A", "time": 3, "row": "x"}]
    write_predictions(tmp_path, MODEL, rows, ago(hours=1), classes=["Low"])
    rules = CleaningRules(numbers={"time": NumberRule()}, texts=("class", "row"))
    window = read(tmp_path, rules=rules)
    assert (categories(window, "class"), numbers(window, "time").mean) == ({"A": 1}, 3.0)
    assert classes(window) == {"Low": 1}


def test_a_log_that_cannot_be_read_is_no_empty_window(tmp_path: Path) -> None:
    hour = tmp_path / log.partition("predictions", MODEL, NOW)
    hour.parent.mkdir(parents=True)
    hour.write_text("a file where the folder of an hour belongs")
    with pytest.raises(StorageError, match="cannot be listed"):
        read(tmp_path)
    with pytest.raises(StorageError, match="not known"):
        read_window("ftp://log/here", MODEL, "1", profile(), start=ago(hours=1), now=NOW)


def test_the_confidence_is_that_of_the_class_that_was_named(tmp_path: Path) -> None:
    # A calibrated model may name a class whose probability is not the largest: here 0.8, 0.1, 0.1.
    write_predictions(tmp_path, MODEL, ROWS, ago(hours=1), classes=["Low", "High"])
    known = replace(profile(), classes=["Low", "Medium", "High"])
    window = read_window(str(tmp_path), MODEL, "1", known, start=ago(hours=24), now=NOW)
    assert window.confidences.sum(axis=0).tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
