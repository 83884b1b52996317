"""The window: the rows of the prediction log that a report judges."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from housing_core import prediction_log as log
from housing_core import storage
from housing_core.cleaning import CleaningRules
from housing_monitoring.columns import Column, categorical_column, numeric_column

SUFFIX = ".parquet"
TRACK = "production"

CLOCK_DISAGREEMENT = timedelta(hours=1)
"""How far ahead of this clock rows are looked for, so that they can be counted and named."""

_IDENTITY = [log.REQUEST_ID, log.ROW]
_FIELDS = [*_IDENTITY, log.TIME, log.MODEL_VERSION, log.TRACK, log.PREDICTED_CLASS]
_SCHEMA = pa.schema([log.predictions_schema([]).field(name) for name in _FIELDS])


@dataclass(frozen=True, slots=True)
class Window:
    """The judged rows, each once, and what was left out.

    Attributes:
        rows: number of judged rows.
        digest: equal for equal sets of judged rows.
        start, end: times of the oldest and the newest judged row; None when there is none.
        features: typed columns by name.
        classes: rows of each predicted class.
        skipped_files: files that were not read → why.
        skipped_rows: why rows were not judged → how many.

    """

    rows: int
    digest: str
    start: datetime | None
    end: datetime | None
    features: dict[str, Column]
    classes: dict[str, int]
    skipped_files: dict[str, str] = field(default_factory=dict)
    skipped_rows: dict[str, int] = field(default_factory=dict)


class _NotOfTheLogError(Exception):
    """A file that is not a predictions file; the message says why."""


def read_window(
    uri: str, model: str, version: str, rules: CleaningRules, *, start: datetime, now: datetime
) -> Window:
    """Read the rows that production answered with one version, start <= time <= now.

    Half-written, foreign and corrupt files are skipped and named. Rows of other versions and
    tracks, rows that are later than now and rows that were logged twice are counted.

    Args:
        uri: of the prediction log.
        model: `<namespace>.<name>`.
        version: version number of the registered model.
        rules: of the model; they say which columns there are, and how each is read.
        start: oldest time, aware.
        now: newest time, aware.

    Raises:
        StorageError: when the log cannot be listed or read.

    """
    skipped_files: dict[str, str] = {}
    skipped_rows: Counter[str] = Counter()
    names = [*rules.numbers, *rules.texts]
    parts = [_schema(names).empty_table()]
    for file in _files(uri, model, start, now):
        try:
            table = _read(file, names)
        except _NotOfTheLogError as error:
            skipped_files[file.uri] = str(error)
            continue
        kept, left_out = _judged(table, version, start, now)
        skipped_rows.update(left_out)
        parts.append(kept)
    rows = pa.concat_tables(parts)
    unique = _unique(rows)
    if twice := len(rows) - len(unique):
        skipped_rows["logged twice"] = twice
    return Window(
        rows=len(unique),
        digest=_digest(unique),
        start=_time(pc.min(unique[log.TIME])),
        end=_time(pc.max(unique[log.TIME])),
        features=_features(unique, rules),
        classes=_counts(unique[log.PREDICTED_CLASS]),
        skipped_files=skipped_files,
        skipped_rows=dict(sorted(skipped_rows.items())),
    )


def _files(uri: str, model: str, start: datetime, now: datetime) -> list[storage.DataFile]:
    root = storage.locate(uri)
    folders = log.partitions("predictions", model, start, now + CLOCK_DISAGREEMENT)
    return [file for folder in folders for file in storage.list_folder(root.child(folder))]


def _read(file: storage.DataFile, names: list[str]) -> pa.Table:
    name = PurePosixPath(file.uri).name
    if name[0] in "._":
        raise _NotOfTheLogError("is being written")
    if not name.endswith(SUFFIX):
        raise _NotOfTheLogError(f"does not end in {SUFFIX}")
    try:
        with storage.open_file(file.uri) as handle:
            content = handle.read()
    except storage.StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise _NotOfTheLogError("was removed while the log was read") from error
        raise
    except OSError as error:
        raise storage.StorageError(f"{file.uri} cannot be read: {error}") from error
    try:
        # From here on nothing is fetched: what fails is the content.
        parquet = pq.ParquetFile(pa.BufferReader(content))
        missing = {*_FIELDS, log.FEATURES} - set(parquet.schema_arrow.names)
        if missing:
            raise _NotOfTheLogError(f"has no column {', '.join(sorted(missing))}")
        table = parquet.read(columns=[*_FIELDS, log.FEATURES])
        fields = table.select(_FIELDS).cast(_SCHEMA)
        texts = _feature_texts(table, names)
    except (OSError, ValueError, pa.ArrowException) as error:
        first_line = str(error).partition("\n")[0]
        raise _NotOfTheLogError(f"is corrupt or foreign: {first_line}") from error
    return pa.Table.from_arrays([*fields.columns, *texts], schema=_schema(names))


def _feature_texts(table: pa.Table, names: list[str]) -> list[pa.Array]:
    """JSON texts of each wanted feature, null where the file does not have it."""
    features = table[log.FEATURES].combine_chunks()
    if not pa.types.is_struct(features.type):
        raise _NotOfTheLogError(f"has no struct in column {log.FEATURES}")
    # flatten() keeps a null struct's fields null, which field() does not.
    found = dict(zip(features.type.names, features.flatten(), strict=True))
    absent = pa.nulls(len(table), pa.string())
    return [found.get(name, absent).cast(pa.string()) for name in names]


def _feature(name: str) -> str:
    """A feature's name in tables of this module, apart from the log's own names."""
    return f"{log.FEATURES}.{name}"


def _schema(names: list[str]) -> pa.Schema:
    return pa.schema([*_SCHEMA, *(pa.field(_feature(name), pa.string()) for name in names)])


def _judged(
    table: pa.Table, version: str, start: datetime, now: datetime
) -> tuple[pa.Table, Counter[str]]:
    """The rows to judge, and why the others of the window are not among them."""
    left_out: Counter[str] = Counter()
    table = table.filter(pc.greater_equal(table[log.TIME], _moment(start)))
    later = pc.greater(table[log.TIME], _moment(now))
    left_out["later than now"] = pc.sum(later).as_py() or 0
    table = table.filter(pc.invert(later))
    for name, wanted in ((log.MODEL_VERSION, version), (log.TRACK, TRACK)):
        for value, rows in _counts(table[name]).items():
            if value != wanted:
                left_out[f"of {name.replace('_', ' ')} {value}"] = rows
        table = table.filter(pc.equal(table[name], wanted))
    return table, +left_out


def _unique(table: pa.Table) -> pa.Table:
    """Each (request id, row) once: the first that was read."""
    position = "position"
    numbered = table.select(_IDENTITY).append_column(position, pa.array(np.arange(len(table))))
    first = numbered.group_by(_IDENTITY).aggregate([(position, "min")])[f"{position}_min"]
    return table.take(first.take(pc.sort_indices(first)))


def _digest(table: pa.Table) -> str:
    identity = table.select(_IDENTITY).sort_by([(name, "ascending") for name in _IDENTITY])
    digest = hashlib.sha256()
    for request, row in zip(*(identity[name].to_pylist() for name in _IDENTITY), strict=True):
        digest.update(f"{request}\t{row}\n".encode())
    return digest.hexdigest()


def _features(table: pa.Table, rules: CleaningRules) -> dict[str, Column]:
    columns: dict[str, Column] = {}
    for name, rule in rules.numbers.items():
        texts, codes = _encoded(table[_feature(name)])
        columns[name] = numeric_column(name, texts, codes, rule, rules.missing_words)
    for name in rules.texts:
        texts, codes = _encoded(table[_feature(name)])
        columns[name] = categorical_column(name, texts, codes, rules.missing_words)
    return columns


def _encoded(column: pa.ChunkedArray) -> tuple[list[str], NDArray[np.int64]]:
    """Distinct values, and for each row the position of its value, -1 where it is null."""
    encoded = column.combine_chunks().dictionary_encode()
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    return encoded.dictionary.to_pylist(), codes.astype(np.int64)


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    return {entry["values"]: entry["counts"] for entry in pc.value_counts(column).to_pylist()}


def _moment(time: datetime) -> pa.Scalar:
    return pa.scalar(time.astimezone(UTC), pa.timestamp("us", tz="UTC"))


def _time(scalar: pa.Scalar) -> datetime | None:
    found: datetime | None = scalar.as_py()
    return found
