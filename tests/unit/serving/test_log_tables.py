"""Rows of the prediction log."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from housing_core.prediction_log import predictions_schema
from housing_serving.log.tables import LogEntry, Received, json_texts, to_tables

COLUMNS = ("area", "ilçe")


NOW = datetime(2026, 11, 23, 15, 59, 59, 250_000, tzinfo=UTC)


def _entry(rows: list[dict[str, Any]], time: datetime = NOW, **changes: Any) -> LogEntry:
    values: dict[str, Any] = {
        "requests": [Received("id-1", time, 10)],
        "counts": [len(rows)],
        "texts": json_texts(
            [[row.get(name) for row in rows] for name in changes.get("columns", COLUMNS)]
        ),
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
    tables = to_tables("ns.model", [together, three])
    assert [table.num_rows for _, table in tables] == [3, 1]  # their classes differ
    names = ("request_id", "row", "time", "model_version", "class", "probabilities")
    rows = [row for _, table in tables for row in table.to_pylist()]
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("one", 0, NOW, "3", "Low", [0.75, 0.25]),
        ("two", 0, later, "3", "High", [0.25, 0.75]),
        ("two", 1, later, "3", "Low", [1.0, 0.0]),
        ("three", 0, later, "4", "High", [0.25, 0.25, 0.5]),
    ]
    assert [row["features"]["area"] for row in rows] == ["1", "2", "3", "4"]


def test_raw_values_keep_their_json_text_and_missing_ones_are_null() -> None:
    values: list[Any] = [
        *("2.250 m2", 2.25, None, True, 1, 1.0, "1", "Kadıköy", 10**17, -0.0, 0, "", "null", False),
        *('",\n  "', "\n", "\u2028", "[1,\n  2]", "\\", '"'),
    ]
    rows = [{"area": value, "other": 1} for value in values]
    ((_, table),) = to_tables("ns.model", [_entry(rows[:7]), _entry(rows[7:])])
    logged = [row["area"] for row in table.column("features").to_pylist()]
    assert [text and json.loads(text) for text in logged] == values
    assert logged[:7] == ['"2.250 m2"', "2.25", None, "true", "1", "1.0", '"1"']
    assert logged[9:13] == ["-0.0", "0", '""', '"null"']
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


def test_nothing_to_log_is_no_table() -> None:
    assert to_tables("ns.model", []) == []
