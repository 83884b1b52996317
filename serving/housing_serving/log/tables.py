"""Answered requests → Arrow tables of the prediction log. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from housing_core import prediction_log
from housing_serving.remembered import Remembered

REMEMBERED_TEXTS = 20_000
"""Values whose JSON text is kept."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ABSENT = object()


class JsonTexts(Remembered[str | None]):
    """Value → its JSON text."""

    def __missing__(self, value: Any) -> str | None:
        """Make the text, of a value that cleaning takes: null, true, a number or a text."""
        text = None if value is _ABSENT else orjson.dumps(value).decode()
        self.keep(value, text, REMEMBERED_TEXTS)
        return text

    def of(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[str | None]:
        """The text of each value, row by row, (rows * columns,); None where there is none.

        To be asked while the rows are in the processor's cache; any thread may ask.
        """
        return [self[row.get(name, _ABSENT)] for row in rows for name in columns]


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
        texts: of the listings as they came; see `JsonTexts.of`.
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
    texts: Sequence[str | None]
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
    """Entries → (folder below the log's URI, table), one for each hour and set of columns."""
    groups: dict[tuple[str, ...], list[LogEntry]] = {}
    for entry in entries:
        groups.setdefault(entry.columns, []).append(entry)
    return [
        (prediction_log.partition("predictions", model_name, hour), table)
        for columns, group in groups.items()
        for hour, table in _by_hour(_table(columns, group))
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


def _table(columns: tuple[str, ...], entries: Sequence[LogEntry]) -> pa.Table:
    schema = prediction_log.predictions_schema(list(columns))
    requests = [request for entry in entries for request in entry.requests]
    counts = [count for entry in entries for count in entry.counts]
    texts = list(chain.from_iterable(entry.texts for entry in entries))
    by_request = pa.array(np.repeat(np.arange(len(requests)), counts))
    by_entry = pa.array(np.repeat(np.arange(len(entries)), [entry.row_count for entry in entries]))
    # Arrow takes much longer to read times than to read the differences between them.
    times = pa.array([request.time - _EPOCH for request in requests], pa.duration("us"))
    features = pa.StructArray.from_arrays(
        [_strings(texts[i :: len(columns)]) for i in range(len(columns))],
        fields=list(schema.field(prediction_log.FEATURES).type),
    )
    return pa.table(
        {
            prediction_log.REQUEST_ID: _strings([r.request_id for r in requests]).take(by_request),
            prediction_log.ROW: [i for entry in entries for i in _positions(entry)],
            prediction_log.TIME: times.cast(pa.int64()).take(by_request),
            prediction_log.MODEL_VERSION: _strings([e.version for e in entries]).take(by_entry),
            prediction_log.TRACK: _strings([e.track for e in entries]).take(by_entry),
            prediction_log.FEATURES: features,
            prediction_log.PREDICTED_CLASS: [
                entry.classes[label] for entry in entries for label in entry.labels.tolist()
            ],
            prediction_log.PROBABILITIES: _lists([entry.probabilities for entry in entries]),
        },
        schema=schema,
    )


def _strings(texts: Sequence[str | None]) -> pa.StringArray:
    """The texts; to find the type out by itself, Arrow would look for a module, each time."""
    return pa.array(texts, pa.string())


def _positions(entry: LogEntry) -> Iterable[int]:
    return entry.positions or chain.from_iterable(map(range, entry.counts))


def _lists(shares: Sequence[NDArray[np.float32]]) -> pa.ListArray:
    """A list for each row; versions may differ in the number of their classes."""
    lengths = np.repeat([part.shape[1] for part in shares], [len(part) for part in shares])
    ends = np.concatenate([[0], np.cumsum(lengths)])
    values = np.concatenate([part.ravel() for part in shares])
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(values))
