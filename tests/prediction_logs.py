"""Prediction logs for tests, written by the contract in `housing_core.prediction_log`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from housing_core import prediction_log as log


def predictions_table(
    rows: Sequence[dict[str, Any]],
    time: datetime,
    *,
    version: str = "1",
    track: str = "production",
    classes: Sequence[str] | None = None,
    request_id: str | None = None,
) -> pa.Table:
    """One request's rows as a file of the log holds them; a row may leave columns out."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    request = request_id or uuid.uuid4().hex
    return pa.Table.from_pylist(
        [
            {
                log.REQUEST_ID: request,
                log.ROW: position,
                log.TIME: time,
                log.MODEL_VERSION: version,
                log.TRACK: track,
                log.FEATURES: {
                    name: json.dumps(row[name], ensure_ascii=False) if name in row else None
                    for name in columns
                },
                log.PREDICTED_CLASS: classes[position] if classes is not None else "Low",
                log.PROBABILITIES: [0.8, 0.1, 0.1],
            }
            for position, row in enumerate(rows)
        ],
        schema=log.predictions_schema(columns),
    )


def write_predictions(
    root: Path, model: str, rows: Sequence[dict[str, Any]], time: datetime, **more: Any
) -> Path:
    """Write one request as a file of its own below `root`, and return the file."""
    return write_table(root, model, predictions_table(rows, time, **more), time)


def write_table(
    root: Path, model: str, table: pa.Table, time: datetime, kind: log.Table = "predictions"
) -> Path:
    folder = root / log.partition(kind, model, time)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"tests-{len(list(folder.iterdir())):06d}.parquet"
    pq.write_table(table, path)
    return path


def write_traffic(
    root: Path,
    model: str,
    rows: Sequence[dict[str, Any]],
    *,
    classes: Sequence[str],
    end: datetime,
    batch: int = 50,
    version: str = "1",
    request: str | None = None,
) -> None:
    """Write rows as requests of `batch` rows each, one every ten seconds, the last one at `end`.

    Their ids are `request` and their number where it is given.
    """
    starts = range(0, len(rows), batch)
    for position, start in enumerate(starts):
        time = end - timedelta(seconds=10 * (len(starts) - 1 - position))
        chosen = slice(start, start + batch)
        name = request and f"{request}{position}"
        more = {"classes": classes[chosen], "version": version, "request_id": name}
        write_predictions(root, model, rows[chosen], time, **more)


def write_labels(
    root: Path,
    model: str,
    labels: Sequence[tuple[str, int, float]],
    time: datetime,
) -> Path:
    """Write true prices, each as (request id, row, price), as a file of feedback."""
    table = pa.Table.from_pylist(
        [
            {log.REQUEST_ID: request, log.ROW: row, log.TIME: time, log.PRICE: price}
            for request, row, price in labels
        ],
        schema=log.feedback_schema(),
    )
    return write_table(root, model, table, time, kind="feedback")
