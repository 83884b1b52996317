"""The prediction log: Parquet files under one URI, partitioned by model and hour.

    <uri>/predictions/model=<namespace>.<name>/hour=2026-11-23T15/<writer>-<sequence>.parquet
    <uri>/feedback/model=<namespace>.<name>/hour=2026-11-23T15/<writer>-<sequence>.parquet

A file appears under its name only when it is complete, and never changes; names that start with
`.` or `_` are being written.

The files of a finished hour are compacted into one, `compacted-<digest>.parquet`, whose metadata
say which files it replaces (`Replaced`). These stay for a while, for whoever has listed the folder
before, so that nobody misses a row: a reader leaves them out where it finds both, or counts each
(request id, row) once, which it does in any case.

Each raw feature is kept as its JSON text (`"2.250 m2"` with quotes, `2.25`
without), so that a reader can tell a number from a text and cleans it as serving did.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self, get_args

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
TABLES: tuple[Table, ...] = get_args(Table)

_DIFFERING = frozenset({REQUEST_ID, TIME, PROBABILITIES, PRICE})
"""Columns whose values seldom come twice."""

_HOUR_FORMAT = "%Y-%m-%dT%H"
_HOUR_FOLDER = re.compile(r"hour=(\d{4}-\d\d-\d\dT\d\d)")
_WRITTEN_NAME = re.compile(r"(?P<writer>[^._].*)-(?P<sequence>\d{6,})\.parquet")
_COMPACTED_NAME = re.compile(r"compacted-[0-9a-f]{16}\.parquet")
_REPLACED_KEY = b"housing-operator.replaced"


def predictions_schema(columns: list[str]) -> pa.Schema:
    """Schema of a predictions file of a model with these input columns.

    `row` is the position of the listing in its request, from 0; `time` is when the request came
    in, UTC, microseconds; `features` holds each raw value as JSON text, null where it was absent
    or null.
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


def parquet_options(schema: pa.Schema) -> dict[str, Any]:
    """How a file of the log is written: keywords of pyarrow's `write_table` and `ParquetWriter`.

    Values that differ from row to row have no dictionary, which would only come on top of them, and
    nobody looks for rows by the least and greatest of anything but time.
    """
    repeating = []
    for column in schema:
        if pa.types.is_struct(column.type):
            repeating += [f"{column.name}.{part.name}" for part in column.type]
        elif column.name not in _DIFFERING:
            repeating.append(column.name)
    return {"compression": "zstd", "use_dictionary": repeating, "write_statistics": [TIME]}


def partition(table: Table, model: str, time: datetime) -> str:
    """Folder below the log's URI for rows of this model at this time."""
    hour = time.astimezone(UTC).strftime(_HOUR_FORMAT)
    return f"{model_folder(table, model)}/hour={hour}"


def model_folder(table: Table, model: str) -> str:
    """Folder below the log's URI with the hours of this model."""
    return f"{table}/model={model}"


def hour_of(folder: str) -> datetime | None:
    """Start of the hour whose rows a folder of this name holds; None when it is no such folder."""
    match = _HOUR_FOLDER.fullmatch(folder)
    try:
        return datetime.strptime(match[1], _HOUR_FORMAT).replace(tzinfo=UTC) if match else None
    except ValueError:
        return None


def is_written(name: str) -> bool:
    """Whether a file of this name is one that serving writes."""
    return not is_compacted(name) and _WRITTEN_NAME.fullmatch(name) is not None


def is_compacted(name: str) -> bool:
    """Whether a file of this name is a whole hour's."""
    return _COMPACTED_NAME.fullmatch(name) is not None


def compacted_name(sources: Iterable[str]) -> str:
    """Name of the file that these are compacted into: the same ones give the same name."""
    digest = hashlib.sha256("\n".join(sorted(sources)).encode()).hexdigest()
    return f"compacted-{digest[:16]}.parquet"


@dataclass(frozen=True, slots=True)
class Replaced:
    """The files that a compacted one holds the rows of.

    Attributes:
        sequences: by writer, the sequence numbers of its files.
        compacted: names of former compacted files.

    """

    sequences: Mapping[str, frozenset[int]] = field(default_factory=dict)
    compacted: frozenset[str] = frozenset()

    @classmethod
    def by(cls, sources: Mapping[str, Replaced | None]) -> Self:
        """What replaces these files of the log: name → what a compacted one replaces itself."""
        sequences: dict[str, set[int]] = {}
        compacted: set[str] = set()
        for name, former in sources.items():
            if former is not None:
                compacted |= {name, *former.compacted}
                for writer, numbers in former.sequences.items():
                    sequences.setdefault(writer, set()).update(numbers)
            elif match := _WRITTEN_NAME.fullmatch(name):
                sequences.setdefault(match["writer"], set()).add(int(match["sequence"]))
        return cls(
            {w: frozenset(numbers) for w, numbers in sequences.items()}, frozenset(compacted)
        )

    def __contains__(self, name: str) -> bool:
        """Whether the file of this name is among them."""
        if is_compacted(name):
            return name in self.compacted
        match = _WRITTEN_NAME.fullmatch(name)
        return match is not None and int(match["sequence"]) in self.sequences.get(
            match["writer"], ()
        )

    def to_metadata(self) -> dict[bytes, bytes]:
        """For the metadata of the compacted file's schema."""
        content = {
            "sequences": {w: _runs(numbers) for w, numbers in sorted(self.sequences.items())},
            "compacted": sorted(self.compacted),
        }
        return {_REPLACED_KEY: json.dumps(content, separators=(",", ":")).encode()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[bytes, bytes] | None) -> Self | None:
        """What a file's metadata say; None when they say nothing that can be read."""
        try:
            content = json.loads((metadata or {})[_REPLACED_KEY])
            sequences = {
                writer: frozenset(n for first, last in runs for n in range(first, last + 1))
                for writer, runs in content["sequences"].items()
            }
            return cls(sequences, frozenset(content["compacted"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            return None


def _runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """First and last of each run without a gap: an hour has thousands of numbers, and few gaps."""
    runs: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1] = runs[-1][0], number
        else:
            runs.append((number, number))
    return runs


def partitions(table: Table, model: str, start: datetime, end: datetime) -> list[str]:
    """Folders that may hold rows with start <= time <= end, oldest first."""
    hour = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    folders = []
    while hour <= end:
        folders.append(partition(table, model, hour))
        hour += timedelta(hours=1)
    return folders
