"""Answered requests → Arrow tables of the prediction log. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from housing_core import prediction_log

_BETWEEN = ",\n  "
"""Stands between two values of an indented list, and in none: JSON texts have no line breaks."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def json_texts(values: Sequence[Sequence[Any]]) -> bytes:
    """The JSON text of each value as an indented list, row by row.

    Kept in place of the values: it takes a third of their memory, and bytes in a row are read sooner
    than many objects here and there.

    Args:
        values: column by column, of those that cleaning takes: None, true, a number or a text.

    """
    return orjson.dumps(
        list(chain.from_iterable(zip(*values, strict=True))), option=orjson.OPT_INDENT_2
    )


@dataclass(frozen=True, slots=True)
class Received:
    """What the log keeps of a request beside its listings.

    Attributes:
        time: when it came in, UTC.
        size: bytes of its body, about what its listings hold in memory.

    """

    request_id: str
    time: datetime
    size: int


@dataclass(frozen=True, slots=True)
class LogEntry:
    """What was answered by one call of the model.

    Attributes:
        requests: one or more, whose listings were classified together.
        counts: how many of the rows came with each.
        columns: of the model that answered.
        texts: of the listings as they came; see `json_texts`.
        classes: of the model.
        labels: positions in `classes`, int64, (rows,).
        probabilities: float32, (rows, classes).
        positions: of the rows in their request; from 0 on in each when None.

    """

    requests: Sequence[Received]
    counts: Sequence[int]
    version: str
    track: str
    columns: tuple[str, ...]
    texts: bytes
    classes: Sequence[str]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    positions: Sequence[int] | None = None

    @property
    def row_count(self) -> int:
        """How many listings were classified."""
        return len(self.labels)

    @property
    def size(self) -> int:
        """Bytes of the requests' bodies."""
        return sum(request.size for request in self.requests)


def to_tables(model_name: str, entries: Sequence[LogEntry]) -> list[tuple[str, pa.Table]]:
    """Entries → (folder below the log's URI, table), one for each hour, set of columns and classes."""
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[LogEntry]] = {}
    for entry in entries:
        groups.setdefault((entry.columns, tuple(entry.classes)), []).append(entry)
    return [
        (prediction_log.partition("predictions", model_name, hour), table)
        for (columns, classes), group in groups.items()
        for hour, table in _by_hour(_table(columns, classes, group))
    ]


def _by_hour(table: pa.Table) -> list[tuple[datetime, pa.Table]]:
    """(a time of the hour, its rows) for each hour; most often there is but one."""
    times = table.column(prediction_log.TIME)
    hours = times.cast(pa.int64()).to_numpy() // 3_600_000_000
    found, first = np.unique(hours, return_index=True)
    if len(found) == 1:
        return [(times[0].as_py(), table)]
    return [
        (times[start].as_py(), table.filter(pa.array(hours == hour)))
        for hour, start in zip(found.tolist(), first.tolist(), strict=True)
    ]


def _table(
    columns: tuple[str, ...], classes: tuple[str, ...], entries: Sequence[LogEntry]
) -> pa.Table:
    """Of entries that have columns and classes in common."""
    schema = prediction_log.predictions_schema(list(columns))
    requests = [request for entry in entries for request in entry.requests]
    counts = np.array([count for entry in entries for count in entry.counts])
    by_request = pa.array(np.repeat(np.arange(len(requests)), counts))
    by_entry = pa.array(np.repeat(np.arange(len(entries)), [entry.row_count for entry in entries]))
    # Arrow takes much longer to read times than to read the differences between them.
    times = pa.array([request.time - _EPOCH for request in requests], pa.duration("us"))
    labels = pa.array(np.concatenate([entry.labels for entry in entries]))
    features = pa.StructArray.from_arrays(
        _features([entry.texts for entry in entries], len(columns)),
        fields=list(schema.field(prediction_log.FEATURES).type),
    )
    return pa.Table.from_arrays(
        [
            _strings([request.request_id for request in requests]).take(by_request),
            pa.array(_positions(entries, counts), pa.int32()),
            times.cast(pa.int64()).cast(pa.timestamp("us", "UTC")).take(by_request),
            _strings([entry.version for entry in entries]).take(by_entry),
            _strings([entry.track for entry in entries]).take(by_entry),
            features,
            _strings(classes).take(labels),
            _lists(np.concatenate([entry.probabilities for entry in entries])),
        ],
        schema=schema,
    )


def _strings(texts: Sequence[str]) -> pa.StringArray:
    """The texts; to find the type out by itself, Arrow would look for a module, each time."""
    return pa.array(texts, pa.string())


def _features(texts: Sequence[bytes], columns: int) -> list[pa.StringArray]:
    """What `json_texts` made → the texts of each column."""
    # An indented list is "[\n  1,\n  2\n]".
    joined = _BETWEEN.encode().join([text[4:-2] for text in texts])
    ends = pa.array([0, len(joined)], pa.int32()).buffers()[1]
    whole = pa.Array.from_buffers(pa.string(), 1, [None, ends, pa.py_buffer(joined)])
    found = pc.split_pattern(whole, _BETWEEN).values
    _, ends, characters = found.buffers()
    starts = np.frombuffer(ends, np.int32)[: len(found)]
    # No other text of a value begins like null.
    is_there = np.frombuffer(characters, np.uint8)[starts] != ord("n")
    bits = pa.py_buffer(np.packbits(is_there, bitorder="little"))
    found = pa.Array.from_buffers(pa.string(), len(found), [bits, ends, characters])
    return [found.take(pa.array(np.arange(i, len(found), columns))) for i in range(columns)]


def _positions(entries: Sequence[LogEntry], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of each row in its request."""
    ends = np.cumsum(counts)
    positions = np.arange(ends[-1]) - np.repeat(ends - counts, counts)
    start = 0
    for entry in entries:
        if entry.positions is not None:
            positions[start : start + entry.row_count] = entry.positions
        start += entry.row_count
    return positions


def _lists(shares: NDArray[np.float32]) -> pa.ListArray:
    """A list for each row."""
    rows, classes = shares.shape
    ends = pa.array(np.arange(0, (rows + 1) * classes, classes), pa.int32())
    return pa.ListArray.from_arrays(ends, pa.array(shares.ravel()))
