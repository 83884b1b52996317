"""The window: the rows of the prediction log that a report judges."""

from __future__ import annotations

import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from housing_core import prediction_log as log
from housing_core import storage
from housing_core.cleaning import CleaningRules
from housing_monitoring.columns import Column, categorical_column, numeric_column
from housing_monitoring.compaction import current_files
from housing_monitoring.log_files import (
    IDENTITY,
    NotOfTheLogError,
    feature_field,
    read_rows,
    rows_schema,
)

TRACK = "production"

READERS = 8
"""Files that are fetched at a time: the log of a busy hour is many small ones."""

CLOCK_DISAGREEMENT = timedelta(hours=1)
"""How far ahead of this clock rows are looked for, so that they can be counted and named."""


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


@dataclass(frozen=True, slots=True)
class _Part:
    """What one file gives: rows to judge, or why it gives none, and why rows were left out."""

    rows: pa.Table | None = None
    not_read: str = ""
    left_out: Counter[str] = field(default_factory=Counter)


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
    tables = [rows_schema(names).empty_table()]

    def part_of(file: storage.DataFile) -> _Part:
        try:
            rows = read_rows(file, names)
        except NotOfTheLogError as error:
            return _Part(not_read=str(error))
        return _judged(rows, version, start, now)

    files = _files(uri, model, start, now)
    with ThreadPoolExecutor(READERS) as pool:
        for file, part in zip(files, pool.map(part_of, files), strict=True):
            skipped_rows.update(part.left_out)
            if part.rows is None:
                skipped_files[file.uri] = part.not_read
            else:
                tables.append(part.rows)
    rows = pa.concat_tables(tables).combine_chunks()
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
    return [file for folder in folders for file in current_files(root.child(folder))]


def _judged(table: pa.Table, version: str, start: datetime, now: datetime) -> _Part:
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
    return _Part(rows=table, left_out=+left_out)


def _unique(table: pa.Table) -> pa.Table:
    """Each (request id, row) once: the first that was read."""
    position = "position"
    numbered = table.select(IDENTITY).append_column(position, pa.array(np.arange(len(table))))
    first = numbered.group_by(IDENTITY).aggregate([(position, "min")])[f"{position}_min"]
    return table.take(first.take(pc.sort_indices(first)))


def _digest(table: pa.Table) -> str:
    identity = table.select(IDENTITY).sort_by([(name, "ascending") for name in IDENTITY])
    digest = hashlib.sha256()
    for request, row in zip(*(identity[name].to_pylist() for name in IDENTITY), strict=True):
        digest.update(f"{request}\t{row}\n".encode())
    return digest.hexdigest()


def _features(table: pa.Table, rules: CleaningRules) -> dict[str, Column]:
    columns: dict[str, Column] = {}
    for name, rule in rules.numbers.items():
        texts, codes = _encoded(table[feature_field(name)])
        columns[name] = numeric_column(name, texts, codes, rule, rules.missing_words)
    for name in rules.texts:
        texts, codes = _encoded(table[feature_field(name)])
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
