"""The files of the prediction log, read by pyarrow: only the columns that are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import PurePosixPath
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from housing_core import prediction_log as log
from housing_core import storage
from housing_core.prediction_log import Replaced

SUFFIX = ".parquet"

READERS = 8
"""Folders that are listed and files that are read at a time: the log of a busy hour is many small ones."""

CHUNK_ROWS = 100_000
"""Rows that are in memory at a time; more where the writer of a file made larger row groups."""

WHOLE_FILE_BYTES = 2 * 1024**2
"""A smaller file is fetched whole, as one request is quicker than several; it has fewer rows than those."""

CLOCK_DISAGREEMENT = timedelta(hours=1)
"""How far ahead of this clock rows are looked for, so that they can be counted and named."""

_MANY_HOURS = 48
"""Of more hours than these it is asked first which are there: most have no feedback."""

PREDICTIONS = pa.schema([f for f in log.predictions_schema([]) if f.name != log.FEATURES])
"""Columns of predictions beside the features."""

_REPEATING = (log.MODEL_VERSION, log.TRACK, log.PREDICTED_CLASS)
"""Those whose few texts are read as a dictionary."""

_TEXTS = pa.dictionary(pa.int32(), pa.string())

_FAILURES = (pa.ArrowException, OSError, ValueError)

_T = TypeVar("_T")


class NotOfTheLogError(Exception):
    """A file that is no part of the log; the message says why."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file in the folder of an hour.

    Attributes:
        size: bytes.

    """

    location: storage.Location
    size: int

    @property
    def uri(self) -> str:
        """Where it is, as reports name it."""
        return f"{self.location.prefix}{self.location.path}"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some rows of a file, few enough to be in memory.

    Attributes:
        groups: the row groups that hold them; None for all.

    """

    file: LogFile
    groups: range | None = None


def list_hours(
    uri: str, table: log.Table, model: str, start: datetime | None, end: datetime
) -> Iterator[list[LogFile]]:
    """The files of each hour that may hold rows with start <= time <= end, the oldest hour first.

    Args:
        uri: of the prediction log.
        table: predictions or feedback.
        model: `<namespace>.<name>`.
        start: aware; None for all there are.
        end: aware.

    Raises:
        StorageError: when one cannot be listed.

    """
    place = storage.locate(uri).child(log.model_folder(table, model))
    if start is None:
        wanted = hours_of(place, end)
    else:
        wanted = [PurePosixPath(p).name for p in log.partitions(table, model, start, end)]
        if len(wanted) > _MANY_HOURS:
            there = set(storage.list_folders(place))
            wanted = [name for name in wanted if name in there]
    folders = [place.child(name) for name in wanted]
    with ThreadPoolExecutor(READERS) as pool:
        for folder, files in zip(folders, pool.map(current_files, folders), strict=True):
            yield log_files(folder, files)


def hours_of(place: storage.Location, end: datetime | None = None) -> list[str]:
    """Names of the folders of hours in a model's folder, the oldest first.

    Args:
        place: the model's folder.
        end: hours that begin later are left out; aware.

    Raises:
        StorageError: when it cannot be listed.

    """
    return [
        name
        for name in storage.list_folders(place)
        if (hour := log.hour_of(name)) is not None and (end is None or hour <= end)
    ]


def log_files(folder: storage.Location, files: Iterable[storage.DataFile]) -> list[LogFile]:
    """Files in the folder of an hour, to be read."""
    return [LogFile(folder.child(PurePosixPath(f.uri).name), f.size) for f in files]


def current_files(folder: storage.Location) -> list[storage.DataFile]:
    """The files of an hour's folder, hidden and foreign ones too, but those that are replaced.

    Raises:
        StorageError: when it cannot be listed or read.

    """
    files = storage.list_folder(folder)
    found = [
        replaced
        for file in files
        if log.is_compacted(PurePosixPath(file.uri).name)
        and (replaced := _replaced(folder, file)) is not None
    ]
    return [f for f in files if not any(PurePosixPath(f.uri).name in names for names in found)]


def open_source(location: storage.Location, *, whole: bool) -> pa.NativeFile:
    """Open a file of the log, or fetch it whole.

    Raises:
        StorageError: when it cannot be opened or fetched.

    """
    handle = storage.open_location(location)
    if not whole:
        return handle
    try:
        with handle:
            return pa.BufferReader(handle.read())
    except (OSError, pa.ArrowException) as error:
        raise storage.StorageError(f"{location.path} cannot be read: {error}") from error


def read_columns(file: LogFile, columns: pa.Schema) -> Iterator[tuple[Stretch, pa.Table]]:
    """Some columns of a file, a stretch at a time; none of them has a null.

    Raises:
        NotOfTheLogError: for a file that is half-written, foreign or corrupt.
        StorageError: when it cannot be fetched.

    """
    name = PurePosixPath(file.location.path).name
    if name[0] in "._":
        raise NotOfTheLogError("is being written")
    if not name.endswith(SUFFIX):
        raise NotOfTheLogError(f"does not end in {SUFFIX}")
    for stretch in _stretches(file):
        found = _parsed(file, partial(_columns, stretch, columns))
        for column in columns.names:
            if nulls := found[column].null_count:
                raise NotOfTheLogError(f"has {nulls:,} rows without {column}")
        yield stretch, found


def read_features(stretch: Stretch, names: Sequence[str] | None = None) -> pa.Table:
    """JSON texts of some features as dictionaries, a column each; null where one is absent.

    Args:
        stretch: the rows.
        names: of the features; None for all that the file has.

    Raises:
        NotOfTheLogError: when the content of the file is corrupt.
        StorageError: when it cannot be fetched.

    """
    return _parsed(stretch.file, partial(_features, stretch, names))


def microseconds(rows: pa.Table) -> NDArray[np.int64]:
    """(rows,) times since 1970."""
    found: NDArray[np.int64] = rows[log.TIME].cast(pa.int64()).to_numpy()
    return found


def microseconds_of(time: datetime) -> int:
    """An aware time in the unit of `microseconds`."""
    return (time - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)


def _stretches(file: LogFile) -> Iterator[Stretch]:
    if file.size < WHOLE_FILE_BYTES:
        yield Stretch(file)
        return
    start = rows = 0
    sizes = _parsed(file, _row_groups)
    for position, size in enumerate(sizes):
        if rows and rows + size > CHUNK_ROWS:
            yield Stretch(file, range(start, position))
            start, rows = position, 0
        rows += size
    yield Stretch(file, range(start, len(sizes)))


def _row_groups(source: pa.NativeFile) -> list[int]:
    """Rows of each row group."""
    metadata = pq.read_metadata(source)
    return [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]


def _columns(stretch: Stretch, columns: pa.Schema, source: pa.NativeFile) -> pa.Table:
    metadata = pq.read_metadata(source)
    schema = metadata.schema.to_arrow_schema()
    for field in columns:
        position = schema.get_field_index(field.name)
        if position < 0:
            raise NotOfTheLogError(f"lacks a column: {field.name}")
        kind = schema.field(position).type
        if not (_is_text(kind) if field.type == pa.string() else kind == field.type):
            raise NotOfTheLogError(
                f"is corrupt or foreign: {field.name} is {kind} in place of {field.type}"
            )
    repeating = [name for name in _REPEATING if name in columns.names]
    found = _read(stretch, source, metadata, columns.names, repeating)
    _check_texts([found[name] for name in repeating])
    return found


def _features(stretch: Stretch, names: Sequence[str] | None, source: pa.NativeFile) -> pa.Table:
    metadata = pq.read_metadata(source)
    schema = metadata.schema.to_arrow_schema()
    position = schema.get_field_index(log.FEATURES)
    if position < 0:
        raise NotOfTheLogError(f"lacks a column: {log.FEATURES}")
    kind = schema.field(position).type
    if not pa.types.is_struct(kind):
        raise NotOfTheLogError(f"is corrupt or foreign: {log.FEATURES} is {kind}")
    if names is None:
        names = [field.name for field in kind]
    there = [name for name in names if kind.get_field_index(name) >= 0]
    for name in there:
        if not _is_text(kind.field(name).type):
            raise NotOfTheLogError(f"is corrupt or foreign: {name} is {kind.field(name).type}")
    columns: dict[str, pa.ChunkedArray] = {}
    if there:
        leaves = [f"{log.FEATURES}.{name}" for name in there]
        found = _read(stretch, source, metadata, leaves, leaves)
        # Of a feature "a", one that is called "a.b" comes along.
        fields = [field.name for field in found.schema.field(0).type]
        every = dict(zip(fields, found.flatten().columns, strict=True))
        columns = {name: every[name] for name in there}
    _check_texts(columns.values())
    rows = sum(metadata.row_group(group).num_rows for group in _groups(stretch, metadata))
    absent = pa.nulls(rows, _TEXTS)
    return pa.table({name: columns.get(name, absent) for name in names})


def _read(
    stretch: Stretch,
    source: pa.NativeFile,
    metadata: pq.FileMetaData,
    columns: Sequence[str],
    dictionaries: Sequence[str],
) -> pa.Table:
    """Some columns, of which some as dictionaries."""
    with pq.ParquetFile(
        source, metadata=metadata, read_dictionary=dictionaries, pre_buffer=True
    ) as parquet:
        # Of a struct, dictionaries are read only a row group at a time.
        tables = [parquet.read_row_group(g, columns) for g in _groups(stretch, metadata)]
        return pa.concat_tables(tables or [parquet.read_row_groups([], columns)])


def _groups(stretch: Stretch, metadata: pq.FileMetaData) -> range:
    return range(metadata.num_row_groups) if stretch.groups is None else stretch.groups


def _check_texts(columns: Iterable[pa.ChunkedArray]) -> None:
    """Refuse what is not UTF-8, which is not seen by reading it."""
    for column in columns:
        for chunk in column.chunks:
            chunk.dictionary.validate(full=True)


def _is_text(kind: pa.DataType) -> bool:
    kinds = (pa.string(), pa.large_string())
    return (kind.value_type if pa.types.is_dictionary(kind) else kind) in kinds


def _parsed(file: LogFile, read: Callable[[pa.NativeFile], _T]) -> _T:
    if file.size >= WHOLE_FILE_BYTES:
        with suppress(*_FAILURES), _opened(file, whole=False) as handle:
            return read(handle)
        # A place that is away and a page that is spoiled fail alike: only what can be fetched
        # whole and still not be read is spoiled.
    try:
        return read(_opened(file, whole=True))
    except _FAILURES as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise NotOfTheLogError(f"is corrupt or foreign: {reason}") from error


def _replaced(folder: storage.Location, file: storage.DataFile) -> Replaced | None:
    """What a compacted file replaces; None for one that is damaged, or was deleted meanwhile."""
    location = folder.child(PurePosixPath(file.uri).name)
    try:
        with open_source(location, whole=file.size < WHOLE_FILE_BYTES) as source:
            return Replaced.from_metadata(pq.read_schema(source).metadata)
    except storage.StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise
    except _FAILURES:
        return None


def _opened(file: LogFile, *, whole: bool) -> pa.NativeFile:
    try:
        return open_source(file.location, whole=whole)
    except storage.StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise NotOfTheLogError("was removed while the log was read") from error
        raise
