"""Rows of the prediction log."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from housing_core.prediction_log import predictions_schema
from housing_serving.log.tables import (
    REMEMBERED_TEXTS,
    JsonTexts,
    LogEntry,
    Received,
    to_tables,
)
from housing_serving.remembered import REMEMBERED_LENGTH

COLUMNS = ("area", "ilçe")


NOW = datetime(2026, 11, 23, 15, 59, 59, 250_000, tzinfo=UTC)


def _entry(rows: list[dict[str, Any]], time: datetime = NOW, **changes: Any) -> LogEntry:
    values: dict[str, Any] = {
        "requests": [Received("id-1", time, 10)],
        "counts": [len(rows)],
        "texts": JsonTexts().of(rows, changes.get("columns", COLUMNS)),
        "version": "3",
        "track": "production",
        "columns": COLUMNS,
        "classes": ["Low", "High"],
        "labels": np.zeros(len(rows), np.int64),
        "probabilities": np.full((len(rows), 2), 0.5, dtype=np.float32),
    }
    return LogEntry(**{**values, **changes})


def test_a_request_becomes_one_row_for_each_listing() -> None:
    ((folder, table),) = to_tables("ns.model", [_entry([{"area": 1}, {"area": 2}])])
    assert folder == "predictions/model=ns.model/hour=2026-11-23T15"
    assert table.schema == predictions_schema(list(COLUMNS))
    first = table.to_pylist()[0]
    assert first == {
        "request_id": "id-1",
        "row": 0,
        "time": NOW,
        "model_version": "3",
        "track": "production",
        "features": {"area": "1", "ilçe": None},
        "class": "Low",
        "probabilities": [0.5, 0.5],
    }
    assert table.column("row").to_pylist() == [0, 1]


def test_listings_that_are_a_part_of_their_request_keep_their_positions() -> None:
    entries = [_entry([{"area": 1}, {"area": 2}], positions=[1024, 1026]), _entry([{"area": 3}])]
    ((_, table),) = to_tables("ns.model", entries)
    assert table.column("row").to_pylist() == [1024, 1026, 0]


def test_requests_that_were_classified_together_keep_their_own_rows() -> None:
    later = NOW + timedelta(microseconds=1)
    together = _entry(
        [{"area": 1}, {"area": 2}, {"area": 3}],
        requests=[Received("one", NOW, 10), Received("two", later, 20)],
        counts=[1, 2],
        labels=np.array([0, 1, 0]),
        probabilities=np.array([[0.75, 0.25], [0.25, 0.75], [1, 0]], np.float32),
    )
    three = _entry(
        [{"area": 4}],
        requests=[Received("three", later, 30)],
        version="4",
        classes=["Low", "Medium", "High"],
        labels=np.array([2]),
        probabilities=np.array([[0.25, 0.25, 0.5]], np.float32),
    )
    assert together.size == 30
    ((_, table),) = to_tables("ns.model", [together, three])
    names = ("request_id", "row", "time", "model_version", "class", "probabilities")
    assert [tuple(row[name] for name in names) for row in table.to_pylist()] == [
        ("one", 0, NOW, "3", "Low", [0.75, 0.25]),
        ("two", 0, later, "3", "High", [0.25, 0.75]),
        ("two", 1, later, "3", "Low", [1.0, 0.0]),
        ("three", 0, later, "4", "High", [0.25, 0.25, 0.5]),
    ]
    areas = [row["area"] for row in table.column("features").to_pylist()]
    assert areas == ["1", "2", "3", "4"]


def test_raw_values_keep_their_json_text_and_absent_ones_are_null() -> None:
    values: list[Any] = ["2.250 m2", 2.25, None, True, 1, 1.0, "1", "Kadıköy", 10**17, -0.0, 0]
    ((_, table),) = to_tables("ns.model", [_entry([{"area": v, "other": 1} for v in values])])
    logged = [row["area"] for row in table.column("features").to_pylist()]
    assert [json.loads(text) for text in logged] == values
    assert logged[:7] == ['"2.250 m2"', "2.25", "null", "true", "1", "1.0", '"1"']
    assert logged[-2:] == ["-0.0", "0"]
    assert {row["ilçe"] for row in table.column("features").to_pylist()} == {None}


def test_hours_and_sets_of_columns_have_tables_of_their_own() -> None:
    later = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)
    tables = to_tables(
        "ns.model",
        [
            _entry([{"area": 1}]),
            _entry([{"area": 1}], time=later),
            _entry([{"area": 1}]),
            _entry([{"area": 1}], columns=("area",), version="4"),
        ],
    )
    assert [(folder[-2:], table.num_rows) for folder, table in tables] == [
        ("15", 2),
        ("16", 1),
        ("15", 1),
    ]


def test_requests_on_both_sides_of_an_hour_are_logged_in_their_own() -> None:
    later = NOW + timedelta(hours=1)
    requests = [Received("one", later, 1), Received("two", NOW, 1), Received("three", later, 1)]
    entry = _entry([{"area": 1}, {"area": 2}, {"area": 3}], requests=requests, counts=[1, 1, 1])
    assert [
        (folder[-2:], table.column("request_id").to_pylist())
        for folder, table in to_tables("ns.model", [entry])
    ] == [("15", ["two"]), ("16", ["one", "three"])]


def test_equal_keys_of_a_dictionary_keep_their_own_json_texts() -> None:
    rows = [{"area": value} for value in (1, True, 1.0, "1", None, 0, False, "", 1)]
    texts = JsonTexts()
    for _ in range(2):
        assert texts.of(rows, ["area"]) == [
            *("1", "true", "1.0", '"1"', "null", "0", "false", '""', "1")
        ]


def test_only_so_many_texts_of_so_many_characters_are_remembered() -> None:
    texts = JsonTexts()
    long = "x" * (REMEMBERED_LENGTH + 1)
    assert texts.of([{"area": long}, {"area": 2.5}, {}], ["area"]) == [f'"{long}"', "2.5", None]
    assert len(texts) == 1
    rows = [{"area": f"{number}", "ilçe": None} for number in range(REMEMBERED_TEXTS + 5)]
    assert texts.of(rows, ["area", "rooms"])[-2:] == [f'"{REMEMBERED_TEXTS + 4}"', None]
    assert len(texts) <= REMEMBERED_TEXTS


def test_nothing_to_log_is_no_table() -> None:
    assert to_tables("ns.model", []) == []
