"""The prediction log: Parquet files under one URI, partitioned by model and hour.

    <uri>/predictions/model=<namespace>.<name>/hour=2026-11-23T15/<writer>-<sequence>.parquet
    <uri>/feedback/model=<namespace>.<name>/hour=2026-11-23T15/<writer>-<sequence>.parquet

A file appears under its name only when it is complete; names that start with `.` or `_` are
being written. Each raw feature is kept as its JSON text (`"2.250 m2"` with quotes, `2.25`
without), so that a reader can tell a number from a text and cleans it as serving did.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

import pyarrow as pa

REQUEST_ID = "request_id"
ROW = "row"
TIME = "time"
MODEL_VERSION = "model_version"
TRACK = "track"
FEATURES = "features"
PREDICTED_CLASS = "class"
PROBABILITIES = "probabilities"
PRICE = "price"

Table = Literal["predictions", "feedback"]


def predictions_schema(columns: list[str]) -> pa.Schema:
    """Schema of a predictions file of a model with these input columns.

    `row` is the position of the listing in its request, from 0; `time` is when the request came
    in, UTC, microseconds; `features` holds each raw value as JSON text, null where it was absent.
    """
    return pa.schema(
        [
            pa.field(REQUEST_ID, pa.string(), nullable=False),
            pa.field(ROW, pa.int32(), nullable=False),
            pa.field(TIME, pa.timestamp("us", tz="UTC"), nullable=False),
            pa.field(MODEL_VERSION, pa.string(), nullable=False),
            pa.field(TRACK, pa.string(), nullable=False),
            pa.field(FEATURES, pa.struct([pa.field(name, pa.string()) for name in columns])),
            pa.field(PREDICTED_CLASS, pa.string(), nullable=False),
            pa.field(PROBABILITIES, pa.list_(pa.float32()), nullable=False),
        ]
    )


def feedback_schema() -> pa.Schema:
    """Schema of a feedback file: the true price of one predicted listing."""
    return pa.schema(
        [
            pa.field(REQUEST_ID, pa.string(), nullable=False),
            pa.field(ROW, pa.int32(), nullable=False),
            pa.field(TIME, pa.timestamp("us", tz="UTC"), nullable=False),
            pa.field(PRICE, pa.float64(), nullable=False),
        ]
    )


def partition(table: Table, model: str, time: datetime) -> str:
    """Folder below the log's URI for rows of this model at this time."""
    hour = time.astimezone(UTC).strftime("%Y-%m-%dT%H")
    return f"{table}/model={model}/hour={hour}"


def partitions(table: Table, model: str, start: datetime, end: datetime) -> list[str]:
    """Folders that may hold rows with start <= time <= end, oldest first."""
    hour = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    folders = []
    while hour <= end:
        folders.append(partition(table, model, hour))
        hour += timedelta(hours=1)
    return folders
