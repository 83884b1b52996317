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
from housing_core.log_reading import files as log_files
from housing_core.storage import StorageError
from housing_monitoring.log import window as window_module
from housing_monitoring.log.window import COPY, Window, read_window
from housing_monitoring.measures.statistics import Moments
from housing_monitoring.measures.tally import CategoryTally, NumberTally
from housing_monitoring.profile import Profile
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
    assert list(window.skipped_files.values()) == [COPY]


def test_files_that_share_some_rows_are_no_copies(tmp_path: Path) -> None:
    one, both, other = (predictions_table(ROWS, ago(hours=1), request_id=name) for name in "abc")
    write_table(tmp_path, MODEL, pa.concat_tables([one, both]), ago(hours=1))
    write_table(tmp_path, MODEL, pa.concat_tables([both, other]), ago(hours=1))
    window = read(tmp_path)
    assert window.rows == 6
    assert window.skipped_rows == {"logged twice": 2}
    assert window.skipped_files == {}


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


def _with_a_damaged_feature(path: Path) -> None:
    metadata = pq.read_metadata(path).row_group(0)
    columns = [metadata.column(number) for number in range(metadata.num_columns)]
    (damaged,) = [column for column in columns if column.path_in_schema == "features.area"]
    content = bytearray(path.read_bytes())
    begin = damaged.dictionary_page_offset
    content[begin : begin + 8] = b"\xff" * 8
    path.write_bytes(bytes(content))


def _not_utf8(path: Path) -> None:
    table = pq.read_table(path)
    texts = pa.array([b'"\xff"'] * len(table)).view(pa.string())
    features = pa.StructArray.from_arrays([texts], names=["area"])
    place = table.schema.get_field_index(log.FEATURES)
    pq.write_table(table.set_column(place, log.FEATURES, features), path)


def _with_numbers_for_texts(path: Path) -> None:
    table = pq.read_table(path)
    features = pa.StructArray.from_arrays([pa.array([85.0] * len(table))], names=["area"])
    place = table.schema.get_field_index(log.FEATURES)
    pq.write_table(table.set_column(place, log.FEATURES, features), path)


def _renamed(path: Path) -> None:
    path.rename(path.with_name(f".{path.name}.1"))


def _of_another_kind(path: Path) -> None:
    path.rename(path.with_suffix(".csv"))


@pytest.mark.parametrize("size", ["small", "large"])
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
        (_with_a_damaged_feature, "corrupt or foreign"),
        (_not_utf8, "corrupt or foreign"),
        (_with_numbers_for_texts, "corrupt or foreign"),
        (_renamed, "is being written"),
        (_of_another_kind, "does not end in .parquet"),
    ],
)
def test_a_file_that_is_no_part_of_the_log_is_named_and_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil, why: str, size: str
) -> None:
    if size == "large":
        monkeypatch.setattr(log_files, "WHOLE_FILE_BYTES", 0)
    write_predictions(tmp_path, MODEL, ROWS, ago(hours=1))
    spoil(write_predictions(tmp_path, MODEL, ROWS, ago(hours=1)))
    window = read(tmp_path)
    assert window.rows == 2
    ((name, reason),) = window.skipped_files.items()
    assert name.startswith(str(tmp_path))
    assert why in reason


def test_a_large_file_is_read_some_row_groups_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listings = [{"area": number, "ilçe": f"district {number % 7}"} for number in range(100)]
    table = predictions_table(listings, ago(hours=1), classes=["Low", "High"] * 50)
    others = predictions_table(ROWS * 10, ago(hours=1), version="2")
    table = pa.concat_tables([table[:30], others, table[30:]])
    path = write_table(tmp_path, MODEL, table, ago(hours=1))
    whole = read(tmp_path)
    pq.write_table(table, path, row_group_size=10)
    monkeypatch.setattr(log_files, "WHOLE_FILE_BYTES", 0)
    for rows in (1, 25, 1_000):
        monkeypatch.setattr(log_files, "CHUNK_ROWS", rows)
        monkeypatch.setattr(window_module, "CHUNK_ROWS", rows)
        found = read(tmp_path)
        assert (found.rows, found.digest) == (whole.rows, whole.digest)
        assert found.skipped_rows == {"of model version 2": 20}
        assert categories(found, "ilçe") == categories(whole, "ilçe")
        assert numbers(found, "area").mean == pytest.approx(49.5)
        assert numbers(found, "area").std == pytest.approx(numbers(whole, "area").std)
        for name in ("area", "ilçe"):
            counts = found.features[name].counts
            assert counts.tolist() == whole.features[name].counts.tolist()


def test_texts_may_be_written_in_any_of_arrow_s_ways(tmp_path: Path) -> None:
    table = predictions_table(ROWS, ago(hours=1))
    features = [table[log.FEATURES].combine_chunks().field(name) for name in ("area", "ilçe")]
    for kind in (pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        struct = pa.StructArray.from_arrays([f.cast(kind) for f in features], ["area", "ilçe"])
        written = predictions_table(ROWS, ago(hours=1))
        for name, column in (
            (log.REQUEST_ID, written[log.REQUEST_ID].cast(kind)),
            (log.TRACK, written[log.TRACK].cast(kind)),
            (log.FEATURES, struct),
        ):
            written = written.set_column(written.schema.get_field_index(name), name, column)
        write_table(tmp_path, MODEL, written, ago(hours=1))
    window = read(tmp_path)
    assert (window.rows, window.skipped_files) == (4, {})
    assert categories(window, "ilçe") == {"Kadıköy": 2, "Şile": 2}


def test_files_may_hold_other_features(tmp_path: Path) -> None:
    write_predictions(tmp_path, MODEL, [{"ilçe": "Şile", "area": 80}], ago(hours=1))
    write_predictions(tmp_path, MODEL, [{"note": "x", "area": "90 m2"}], ago(hours=1))
    write_predictions(tmp_path, MODEL, [{"note": "x"}], ago(hours=1))
    window = read(tmp_path)
    assert window.rows == 3
    assert numbers(window, "area") == Moments(2, 85.0, 5.0, 0.0)
    assert window.features["area"].counts.sum(axis=0).tolist() == [2, 1]
    assert categories(window, "ilçe") == {"Şile": 1}


def test_names_of_features_may_have_dots(tmp_path: Path) -> None:
    write_predictions(tmp_path, MODEL, [{"a": "x", "a.b": "y", "a.b.c": 3}], ago(hours=1))
    found = read(tmp_path, rules=CleaningRules(texts=("a",), numbers={"a.b.c": NumberRule()}))
    assert categories(found, "a") == {"x": 1}
    assert numbers(found, "a.b.c").mean == 3


def test_rows_without_features_have_none(tmp_path: Path) -> None:
    table = predictions_table(ROWS, ago(hours=1))
    place = table.schema.get_field_index(log.FEATURES)
    kind = table.schema.field(place).type
    features = pa.array([{"area": "85", "ilçe": '"Şile"'}, None], kind)
    write_table(tmp_path, MODEL, table.set_column(place, log.FEATURES, features), ago(hours=1))
    window = read(tmp_path)
    assert window.rows == 2
    assert numbers(window, "area").rows == 1
    assert categories(window, "ilçe") == {"Şile": 1}


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


def test_rows_count_where_no_feature_has_a_profile(tmp_path: Path) -> None:
    write_predictions(tmp_path, MODEL, ROWS, ago(hours=1))
    reference = Reference(rows=1, holdout_rows=0, features={}, class_shares={}, scores={})
    bare = Profile(RULES, reference)
    window = read_window(str(tmp_path), MODEL, "1", bare, start=ago(hours=24), now=NOW)
    assert (window.rows, window.features, window.skipped_files) == (2, {}, {})
    assert len(window.messages) == 2


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
