"""Rows of the prediction log."""

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np

from housing_core.prediction_log import predictions_schema
from housing_serving.log_tables import LogEntry, to_tables

COLUMNS = ("area", "ilçe")


def _entry(rows: list[dict[str, Any]], **changes: Any) -> LogEntry:
    values: dict[str, Any] = {
        "request_id": "id-1",
        "time": datetime(2026, 11, 23, 15, 59, 59, 250_000, tzinfo=UTC),
        "version": "3",
        "track": "production",
        "columns": COLUMNS,
        "rows": rows,
        "classes": ["Low"] * len(rows),
        "probabilities": np.full((len(rows), 2), 0.5, dtype=np.float32),
        "size": 10,
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
        "time": datetime(2026, 11, 23, 15, 59, 59, 250_000, tzinfo=UTC),
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


def test_raw_values_keep_their_json_text_and_absent_ones_are_null() -> None:
    values: list[Any] = ["2.250 m2", 2.25, None, True, "Kadıköy", 10**17]
    ((_, table),) = to_tables("ns.model", [_entry([{"area": v, "other": 1} for v in values])])
    logged = [row["area"] for row in table.column("features").to_pylist()]
    assert [json.loads(text) for text in logged] == values
    assert logged[:3] == ['"2.250 m2"', "2.25", "null"]
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


def test_nothing_to_log_is_no_table() -> None:
    assert to_tables("ns.model", []) == []
