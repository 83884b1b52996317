"""Answered requests → Arrow tables of the prediction log. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from housing_core import prediction_log


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One answered request.

    Attributes:
        time: when the request came in, UTC.
        columns: the columns of the model that answered.
        rows: the listings as they came.
        classes: the predicted class of each.
        probabilities: float32, (rows, classes).
        size: bytes of the request's body, about what the entry holds in memory.
        positions: of the rows in their request; from 0 on when None.

    """

    request_id: str
    time: datetime
    version: str
    track: str
    columns: tuple[str, ...]
    rows: Sequence[Mapping[str, Any]]
    classes: Sequence[str]
    probabilities: NDArray[np.float32]
    size: int
    positions: Sequence[int] | None = None


def to_tables(model_name: str, entries: Sequence[LogEntry]) -> list[tuple[str, pa.Table]]:
    """Entries → (folder below the log's URI, table), one for each hour and set of columns."""
    groups: dict[tuple[str, tuple[str, ...]], list[LogEntry]] = {}
    for entry in entries:
        folder = prediction_log.partition("predictions", model_name, entry.time)
        groups.setdefault((folder, entry.columns), []).append(entry)
    return [(folder, _table(columns, group)) for (folder, columns), group in groups.items()]


def _table(columns: tuple[str, ...], entries: Sequence[LogEntry]) -> pa.Table:
    schema = prediction_log.predictions_schema(list(columns))
    rows = [row for entry in entries for row in entry.rows]
    features = pa.StructArray.from_arrays(
        [pa.array([_json(row, name) for row in rows], pa.string()) for name in columns],
        fields=list(schema.field(prediction_log.FEATURES).type),
    )
    return pa.table(
        {
            prediction_log.REQUEST_ID: _repeated(entries, "request_id"),
            prediction_log.ROW: [
                i for entry in entries for i in entry.positions or range(len(entry.rows))
            ],
            prediction_log.TIME: _repeated(entries, "time"),
            prediction_log.MODEL_VERSION: _repeated(entries, "version"),
            prediction_log.TRACK: _repeated(entries, "track"),
            prediction_log.FEATURES: features,
            prediction_log.PREDICTED_CLASS: [name for entry in entries for name in entry.classes],
            prediction_log.PROBABILITIES: [
                shares for entry in entries for shares in entry.probabilities.tolist()
            ],
        },
        schema=schema,
    )


def _repeated(entries: Sequence[LogEntry], attribute: str) -> list[Any]:
    return [getattr(entry, attribute) for entry in entries for _ in entry.rows]


def _json(row: Mapping[str, Any], name: str) -> str | None:
    return orjson.dumps(row[name]).decode() if name in row else None
