"""The files of the prediction log, read lazily by Polars: only the columns that are asked for."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePosixPath

import polars as pl

from housing_core import prediction_log as log
from housing_core import storage
from housing_monitoring.compaction import current_files

SUFFIX = ".parquet"

READERS = 8
"""Folders that are listed and files that are read at a time: the log of a busy hour is many small ones."""

CHUNK_ROWS = 250_000
"""Rows of which the features are in memory at a time."""

WHOLE_FILE_BYTES = 16 * 1024**2
"""Rows of a larger file are read in stretches."""

_MANY_HOURS = 48
"""Of more hours than these it is asked first which are there: most have no feedback."""

_TEXT = pl.String()
_IDENTITY = {log.REQUEST_ID: _TEXT, log.ROW: pl.Int32(), log.TIME: pl.Datetime("us", "UTC")}
PREDICTIONS = {
    **_IDENTITY,
    log.MODEL_VERSION: _TEXT,
    log.TRACK: _TEXT,
    log.PREDICTED_CLASS: _TEXT,
    log.PROBABILITIES: pl.List(pl.Float32()),
}
FEEDBACK = {**_IDENTITY, log.PRICE: pl.Float64()}
"""Columns of the log's files that monitoring reads beside the features."""

_ANY_STRUCT = pl.ScanCastOptions(
    missing_struct_fields="insert", extra_struct_fields="ignore", categorical_to_string="allow"
)


_FAILURES = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)


class NotOfTheLogError(Exception):
    """A file that is no part of the log; the message says why."""


def list_hours(
    uri: str, table: log.Table, model: str, start: datetime, end: datetime
) -> Iterator[list[storage.DataFile]]:
    """The files of each hour that may hold rows with start <= time <= end, the oldest hour first.

    Raises:
        StorageError: when one cannot be listed.

    """
    root = storage.locate(uri)
    wanted = log.partitions(table, model, start, end)
    if len(wanted) > _MANY_HOURS:
        there = set(storage.list_folders(root.child(str(PurePosixPath(wanted[0]).parent))))
        wanted = [folder for folder in wanted if PurePosixPath(folder).name in there]
    folders = [root.child(folder) for folder in wanted]
    with ThreadPoolExecutor(READERS) as pool:
        yield from pool.map(current_files, folders)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some rows of a file, few enough to be in memory.

    Attributes:
        rows: how many; None for all from `start` on.

    """

    file: storage.DataFile
    start: int = 0
    rows: int | None = None


def read_columns(
    file: storage.DataFile, columns: dict[str, pl.DataType]
) -> Iterator[tuple[Stretch, pl.DataFrame]]:
    """Some columns of a file, a stretch at a time; none of them has a null.

    Raises:
        NotOfTheLogError: for a file that is half-written, foreign or corrupt.
        StorageError: when it cannot be fetched.

    """
    name = PurePosixPath(file.uri).name
    if name[0] in "._":
        raise NotOfTheLogError("is being written")
    if not name.endswith(SUFFIX):
        raise NotOfTheLogError(f"does not end in {SUFFIX}")
    for stretch in _stretches(file):
        found = _collect(stretch, columns)
        for column, nulls in found.null_count().row(0, named=True).items():
            if nulls:
                raise NotOfTheLogError(f"has {nulls:,} rows without {column}")
        yield replace(stretch, rows=len(found)), found


def read_features(stretches: Sequence[Stretch], names: Sequence[str]) -> pl.DataFrame:
    """JSON texts of some features, all rows in their order; null where one is absent.

    Args:
        stretches: one, or several whole files.
        names: of the features.

    Raises:
        NotOfTheLogError: when the content of a file is corrupt; with several files, of any.
        StorageError: when one cannot be fetched.

    """
    schema: dict[str, pl.DataType] = {log.FEATURES: pl.Struct(dict.fromkeys(names, _TEXT))}
    if len(stretches) == 1:
        features = _collect(stretches[0], schema)
    else:
        try:
            features = _scan([stretch.file.uri for stretch in stretches], schema).collect()
        except _FAILURES as error:
            raise NotOfTheLogError(_reason(error)) from error
    return features.select(pl.col(log.FEATURES).struct.field(name) for name in names)


def _stretches(file: storage.DataFile) -> list[Stretch]:
    if file.size <= WHOLE_FILE_BYTES:
        return [Stretch(file)]
    rows = _collect(Stretch(file), {log.REQUEST_ID: _TEXT}, count=True).item()
    return [
        Stretch(file, start, min(CHUNK_ROWS, rows - start)) for start in range(0, rows, CHUNK_ROWS)
    ]


def _collect(
    stretch: Stretch, schema: dict[str, pl.DataType], *, count: bool = False
) -> pl.DataFrame:
    def of(source: str | io.BytesIO) -> pl.DataFrame:
        scan = _scan(source, schema)
        return (
            scan.select(pl.len()) if count else scan.slice(stretch.start, stretch.rows)
        ).collect()

    try:
        return of(stretch.file.uri)
    except _FAILURES:
        # Polars tells a place that is away and content that is spoiled alike. The storage door
        # tells them apart: what can be fetched and still not be read is spoiled.
        content = _fetched(stretch.file)
    try:
        return of(content)
    except pl.exceptions.ColumnNotFoundError as error:
        raise NotOfTheLogError(f"lacks a column: {_reason(error)}") from error
    except _FAILURES as error:
        raise NotOfTheLogError(f"is corrupt or foreign: {_reason(error)}") from error


def _fetched(file: storage.DataFile) -> io.BytesIO:
    try:
        with storage.open_file(file.uri) as handle:
            return io.BytesIO(handle.read())
    except storage.StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise NotOfTheLogError("was removed while the log was read") from error
        raise
    except OSError as error:
        raise storage.StorageError(f"{file.uri} cannot be read: {error}") from error


def _scan(source: str | list[str] | io.BytesIO, schema: dict[str, pl.DataType]) -> pl.LazyFrame:
    remote = not isinstance(source, io.BytesIO) and "://" in (
        source if isinstance(source, str) else source[0]
    )
    return pl.scan_parquet(
        source,
        schema=schema,
        extra_columns="ignore",
        cast_options=_ANY_STRUCT,
        hive_partitioning=False,
        glob=False,
        storage_options=_s3_options() if remote else None,
        credential_provider=None,
    )


def _s3_options() -> dict[str, str]:
    """What Polars does not take from the usual AWS variables by itself, as `storage` reads them."""
    options = {}
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        options["aws_endpoint_url"] = endpoint
        options["aws_allow_http"] = str(endpoint.startswith("http://")).lower()
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if region:
        options["aws_region"] = region
    return options


def _reason(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
