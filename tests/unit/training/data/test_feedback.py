"""Labelled predictions become listings that are read as those of the files."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from housing_core import storage
from housing_core.api.spec import Dataset
from housing_core.log_reading import labels as labels_module
from housing_core.log_reading.dataset import Feedback
from housing_monitoring.log.compaction import compact
from housing_training.data.columns import infer_columns
from housing_training.data.feedback import (
    UNKNOWN,
    LabelledPredictions,
    join_feedback,
    read_labelled,
)
from housing_training.data.reading import Listings, cells
from housing_training.data.target import read_prices
from tests.prediction_logs import write_labels, write_predictions
from tests.unit.training.listings import as_listings

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MODEL = "homes.istanbul"

AREAS: list[str | None] = ["850", "120", "2.250", "1.100", "90"]
PRICES: list[str | None] = ["3.100.000", "900.000", "7.000.000", "4.000.000", "850.000"]


def dataset(**fields: Any) -> Dataset:
    return Dataset.model_validate(
        {"uri": "/a", "target": {"column": "price"}, "feedback": "Join", **fields}
    )


def labelled(
    *rows: dict[str, str | None], prices: list[float] | None = None
) -> LabelledPredictions:
    """Rows of JSON texts."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {
        name: pa.array([row.get(name) for row in rows], pa.string()).dictionary_encode()
        for name in names
    }
    times = np.arange(len(rows)) * 86_400_000_000
    found = np.array(prices or [1e6 + row for row in range(len(rows))])
    return LabelledPredictions(pa.table(columns), found, times, [])


def column(listings: Listings, name: str) -> list[str | None]:
    found = cells(listings.frame, name)
    return [found.texts[code] if code >= 0 else None for code in found.codes]


@pytest.mark.parametrize(
    ("given", "text", "kept"),
    [
        (AREAS, "3100", "3.100"),
        (AREAS, '"3100"', "3.100"),
        (AREAS, '"2.250 m2"', "2.250 m2"),
        (AREAS, "97.5", "97,5"),
        (AREAS, "97.125", "97,1250"),
        (AREAS, '"unknown"', "unknown"),
        (AREAS, "null", None),
        (AREAS, None, None),
        (AREAS, "NaN", None),
        (["41.5", "28.25", "3", "7", "9.75"], "2.125", "2.1250"),
        (["$1,200", "$900", "$40", "$5,000", "$7"], "1300", "$ 1,300"),
        (["3+1", "2+1", "1+1", "4+2", "3+1"], '"5+1"', "5+1"),
        (["3+1", "2+1", "1+1", "4+2", "3+1"], "3.0", "3"),
        (["3+1", "2+1", "1+1", "4+2", "3+1"], "true", "true"),
    ],
)
def test_a_value_is_written_as_its_column_writes_it(
    given: list[str | None], text: str | None, kept: str | None
) -> None:
    files = as_listings({"x": given, "price": PRICES})
    joined = join_feedback(files, labelled({"x": text}), dataset())
    assert column(joined, "x") == [*given, kept]
    assert column(joined, "price")[-1] == "1.000.000"


def test_columns_are_learned_as_without_feedback() -> None:
    files = as_listings({"area": AREAS * 30, "price": PRICES * 30})
    rows = [{"area": str(area)} for area in range(1500, 1600)]
    joined = join_feedback(files, labelled(*rows), dataset())
    assert infer_columns(joined, "price").rules == infer_columns(files, "price").rules
    prices = read_prices("price", cells(joined.frame, "price"), stored_as_numbers=False).prices
    assert prices[:3].tolist() == [3.1e6, 9e5, 7e6]
    assert prices[150:152].tolist() == [1e6, 1e6 + 1]


@pytest.mark.parametrize(
    ("text", "kept"), [("2.5", "2.5"), ('"7"', "7"), ('"seven"', None), ("1e3", "1000")]
)
def test_what_files_store_as_numbers_stays_numbers(text: str, kept: str | None) -> None:
    given: list[str | None] = ["1", "2"]
    files = as_listings({"x": given, "price": ["100", "200"]}, numeric=("x", "price"))
    joined = join_feedback(files, labelled({"x": text}, prices=[1234.5]), dataset())
    assert joined.numeric == files.numeric
    assert column(joined, "x") == [*given, kept]
    assert column(joined, "price")[-1] == "1234.5"


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({}, "3.100"),
        ({"columns": [{"name": "area", "kind": "HighCardinality"}]}, "3100"),
        ({"columns": [{"name": "area", "kind": "Numeric"}]}, "3.100"),
        ({"crosses": [{"name": "c", "columns": ["area", "district"]}]}, "3100"),
    ],
)
def test_the_spec_says_whether_a_column_holds_numbers(fields: dict[str, Any], kept: str) -> None:
    files = as_listings({"area": AREAS, "price": PRICES})
    joined = join_feedback(files, labelled({"area": "3100"}), dataset(**fields))
    assert column(joined, "area")[-1] == kept


def test_columns_that_one_side_lacks_are_missing_there_and_named() -> None:
    files = as_listings({"id": ["1", "2"], "rooms": ["3", "4"], "price": ["1", "2"]})
    joined = join_feedback(files, labelled({"rooms": "5", "view": '"sea"'}), dataset())
    assert column(joined, "id") == ["1", "2", None]
    assert column(joined, "view") == [None, None, "sea"]
    assert joined.messages == [
        "only the files have 'id'; it counts as missing elsewhere",
        "only the labelled predictions have 'view'; it counts as missing elsewhere",
    ]


@pytest.mark.parametrize("text", ["[1, 2]", "{}", "half", "1e999", '"\\ud800"'])
def test_a_row_with_what_no_file_could_hold_is_left_out_and_named(text: str) -> None:
    files = as_listings({"area": AREAS, "price": PRICES})
    joined = join_feedback(files, labelled({"area": text}, {"area": "77"}), dataset())
    assert column(joined, "area") == [*AREAS, "77"]
    (message,) = joined.messages
    assert message.startswith("1 labelled predictions are left out: column 'area': ")


def test_rows_of_which_the_price_column_was_an_input_are_left_out() -> None:
    files = as_listings({"area": AREAS, "price": PRICES})
    joined = join_feedback(files, labelled({"area": "1", "price": "5"}, {"area": "2"}), dataset())
    assert column(joined, "area") == [*AREAS, "2"]
    assert joined.messages == [
        "1 labelled predictions are left out: 'price' was no price then but an input"
    ]


def test_what_the_files_hold_with_that_price_is_left_out() -> None:
    files = as_listings(
        {"id": ["1", "2"], "rooms": ["3+1", "4+1"], "price": ["100.000 TL", "200.000 TL"]}
    )
    rows = [{"rooms": '"3+1"'}, {"rooms": '"3+1"'}, {"rooms": '"1+1"'}]
    joined = join_feedback(files, labelled(*rows, prices=[1e5, 2e5, 1e5]), dataset())
    assert column(joined, "rooms") == ["3+1", "4+1", "3+1", "1+1"]
    assert joined.messages[0] == (
        "1 labelled predictions are left out: the files hold the same listing with that price"
    )


def test_by_time_a_prediction_without_one_has_the_day_of_its_own() -> None:
    files = as_listings({"listed": ["2022-02-24", None], "price": ["1", "2"]})
    split = {"split": {"timeColumn": "listed"}}
    joined = join_feedback(files, labelled({"area": "1"}, {"area": "2"}), dataset(**split))
    assert column(joined, "listed") == ["2022-02-24", None, "1970-01-01", "1970-01-02"]
    own = labelled({"listed": '"2020-01-01"'}, {"listed": None})
    assert column(join_feedback(files, own, dataset(**split)), "listed")[2:] == [
        "2020-01-01",
        "1970-01-02",
    ]


def test_a_time_that_files_store_as_a_number_may_be_a_day_too() -> None:
    files = as_listings({"year": ["2021", "2022"], "price": ["1", "2"]}, numeric=("year", "price"))
    joined = join_feedback(files, labelled({"area": "1"}), dataset(split={"timeColumn": "year"}))
    assert joined.numeric == {"price"}
    assert column(joined, "year") == ["2021", "2022", "1970-01-01"]
    infer_columns(joined, "price", [])


def feedback(root: Path, until: datetime = NOON) -> Feedback:
    return Feedback(str(root), MODEL, until)


def rows_of(found: LabelledPredictions) -> list[tuple[Any, ...]]:
    features = [found.features[name].to_pylist() for name in sorted(found.features.column_names)]
    return list(zip(*features, found.prices.tolist(), strict=True))


def test_predictions_of_every_version_and_track_are_joined_with_their_newest_price(
    tmp_path: Path,
) -> None:
    asked = NOON - timedelta(days=30)
    write_predictions(tmp_path, MODEL, [{"a": "x"}, {"a": 2.5}], asked, request_id="r")
    write_predictions(
        *(tmp_path, MODEL, [{"a": "y", "b": 1}], NOON - timedelta(hours=2)),
        version="7",
        track="staging",
        request_id="s",
    )
    write_labels(tmp_path, MODEL, [("r", 0, 5.0), ("s", 0, 7.0)], NOON - timedelta(hours=1))
    write_labels(tmp_path, MODEL, [("r", 0, 6.0), ("nobody", 0, 1.0)], NOON)
    write_labels(tmp_path, MODEL, [("r", 1, 9.0)], NOON + timedelta(seconds=1))
    found = read_labelled(feedback(tmp_path))
    assert sorted(rows_of(found), key=str) == [('"x"', None, 6.0), ('"y"', "1", 7.0)]
    assert sorted(found.messages) == [
        f"1 prices {UNKNOWN} are left out",
        "1 prices later than now are left out",
        "1 prices replaced by a later label are left out",
    ]


def test_rows_and_their_order_are_the_same_after_compaction(tmp_path: Path) -> None:
    hours = []
    for number in range(20):
        time = NOON - timedelta(hours=3, minutes=-number)
        hours.append(
            write_predictions(tmp_path, MODEL, [{"a": number}], time, request_id=f"r{number}")
        )
        hours.append(write_labels(tmp_path, MODEL, [(f"r{number}", 0, 1.0 + number)], time))
    before = rows_of(read_labelled(feedback(tmp_path)))
    assert len(before) == 20
    for folder in {file.parent for file in hours}:
        place = storage.locate(str(folder))
        table = "feedback" if "feedback" in str(folder) else "predictions"
        files = storage.list_folder(place)
        assert compact(place, files, table, NOON + timedelta(hours=2)).files == 20
        for file in files:
            Path(file.uri).unlink()
    assert rows_of(read_labelled(feedback(tmp_path))) == before


def test_files_that_cannot_be_read_are_named_and_the_others_join(tmp_path: Path) -> None:
    for number in range(2):
        write_predictions(
            *(tmp_path, MODEL, [{"a": number}], NOON - timedelta(hours=number)),
            request_id=f"r{number}",
        )
        write_labels(tmp_path, MODEL, [(f"r{number}", 0, 1.0)], NOON)
    half = write_predictions(tmp_path, MODEL, [{"a": 3}], NOON)
    half.write_bytes(b"PAR1")
    found = read_labelled(feedback(tmp_path))
    assert sorted(rows_of(found)) == [("0", 1.0), ("1", 1.0)]
    (message,) = found.messages
    assert message.startswith(f"{half} is not read: it is corrupt or foreign")


def test_what_is_read_is_bounded_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels_module, "MOST_LABELS", 1)
    for hours in (3, 2, 1):
        time = NOON - timedelta(hours=hours)
        write_predictions(tmp_path, MODEL, [{"a": hours}], time, request_id=f"r{hours}")
        write_labels(tmp_path, MODEL, [(f"r{hours}", 0, 1.0)], time)
    found = read_labelled(feedback(tmp_path))
    assert rows_of(found) == [("1", 1.0)]
    assert "the newest 1 labels were read; older ones were not" in found.messages


def test_a_log_without_predictions_gives_no_rows(tmp_path: Path) -> None:
    write_labels(tmp_path, MODEL, [("r", 0, 5.0)], NOON)
    found = read_labelled(feedback(tmp_path))
    files = as_listings({"area": AREAS, "price": PRICES})
    joined = join_feedback(files, found, dataset())
    assert column(joined, "area") == AREAS
    assert joined.messages == [
        f"1 prices {UNKNOWN} are left out",
        "only the files have 'area'; it counts as missing elsewhere",
    ]
