"""Compaction: the files of a finished hour of the prediction log become one.

A run killed at any point loses and doubles nothing. The new file appears only when it is complete;
its metadata say what it replaces; and what it replaces is deleted only by a later run, once
nobody can still be reading a listing that is older than the new file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

from housing_core import prediction_log as log
from housing_core import storage
from housing_core.log_reading.files import open_source
from housing_core.prediction_log import Replaced

GRACE = timedelta(minutes=45)
"""How long replaced files stay: longer than a run of the monitor, which reads what it has listed,
may take, and shorter than the hour between two of them."""

READERS = 8
"""Files that are fetched at a time."""

SMALL_BYTES = 8 * 1024**2
"""A smaller file is fetched whole: that is one request instead of one for each column."""

ROW_GROUP_BYTES = 16 * 1024**2
"""Of rows in memory that make one row group: what a run needs does not grow with the hour."""

BATCH_ROWS = 10_000

_NEEDED = {
    "predictions": {log.REQUEST_ID, log.ROW, log.TIME, log.FEATURES, log.PREDICTED_CLASS},
    "feedback": {log.REQUEST_ID, log.ROW, log.TIME, log.PRICE},
}


@dataclass(frozen=True, slots=True)
class Todo:
    """What is to be done in the folder of an hour.

    Attributes:
        merge: names of files that become one; empty when nothing is to be merged.
        delete: names of files that another has replaced long enough ago.

    """

    merge: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compacted:
    """What was done in the folder of an hour.

    Attributes:
        files: merged into one.
        rows: in the new file.
        deleted: replaced files that are gone.
        unreadable: name → why the file was left as it is.

    """

    files: int = 0
    rows: int = 0
    deleted: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)


class UnreadableError(Exception):
    """A file that is none of the log's, or damaged.

    Attributes:
        name: of the file.

    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name


@dataclass(frozen=True, slots=True)
class _Source:
    name: str
    size: int
    schema: pa.Schema
    rows: int
    replaced: Replaced | None


def plan(
    written: Sequence[str], compacted: Mapping[str, tuple[Replaced, datetime]], now: datetime
) -> Todo:
    """Decide on one folder.

    Args:
        written: names of serving's readable files.
        compacted: name of each compacted file → what it replaces, and when it appeared.
        now: aware.

    """
    current = {
        name: (replaced, since)
        for name, (replaced, since) in compacted.items()
        if not any(name in other for other, _ in compacted.values())
    }
    old = [replaced for replaced, since in current.values() if now - since > GRACE]
    replaced_names = {
        name
        for name in (*written, *compacted)
        if any(name in replaced for replaced, _ in current.values())
    }
    fresh = [name for name in written if name not in replaced_names]
    together = (*sorted(current), *sorted(fresh))
    return Todo(
        merge=together if len(together) > 1 else (),
        delete=tuple(sorted(n for n in replaced_names if any(n in replaced for replaced in old))),
    )


def compact(
    folder: storage.Location, files: Sequence[storage.DataFile], table: log.Table, now: datetime
) -> Compacted:
    """Make one file of those in the folder of a finished hour.

    Args:
        folder: of the hour.
        files: in it.
        table: that the folder belongs to.
        now: aware.

    Raises:
        StorageError: when the folder cannot be read or written.

    """
    ours = {_name(f): f for f in files if log.is_written(_name(f)) or log.is_compacted(_name(f))}
    if len(ours) < 2:
        return Compacted()
    unreadable: dict[str, str] = {}

    def look_at(names: Iterable[str]) -> dict[str, _Source]:
        return _look_at(folder, [ours[name] for name in names], table, unreadable)

    sources = look_at(filter(log.is_compacted, ours))
    compacted = {
        name: (source.replaced, _time(ours[name]))
        for name, source in sources.items()
        if source.replaced is not None
    }
    written = [name for name in ours if not log.is_compacted(name)]
    # What is replaced needs no look: it is deleted as it is.
    fresh = {n for n in written if not any(n in replaced for replaced, _ in compacted.values())}
    sources |= look_at(sorted(fresh))
    todo = plan([n for n in written if n in sources or n not in fresh], compacted, now)
    rows, merged = _merge(folder, {name: sources[name] for name in todo.merge}, unreadable)
    delete_files(folder, todo.delete)
    return Compacted(merged, rows, len(todo.delete), unreadable)


def delete_files(folder: storage.Location, names: Sequence[str]) -> None:
    """Delete these files of a folder.

    Raises:
        StorageError: when one cannot be deleted.

    """
    with ThreadPoolExecutor(READERS) as pool:
        list(pool.map(lambda name: storage.delete_file(folder.child(name)), names))


def _merge(
    folder: storage.Location, sources: dict[str, _Source], unreadable: dict[str, str]
) -> tuple[int, int]:
    """Write the file that replaces these; returns its rows and the number of files in it."""
    while len(sources) > 1:
        try:
            return _write(folder, sources), len(sources)
        except UnreadableError as error:
            # Its end was good and its middle is not; the others go without it.
            unreadable[error.name] = str(error)
            del sources[error.name]
    return 0, 0


def _write(folder: storage.Location, sources: Mapping[str, _Source]) -> int:
    replaced = Replaced.by({name: source.replaced for name, source in sources.items()})
    schema = _common_schema(list(sources.values()))
    target = folder.child(log.compacted_name(sources))
    rows = 0
    with (
        storage.writing(target) as stream,
        pq.ParquetWriter(
            stream, schema.with_metadata(replaced.to_metadata()), **log.parquet_options(schema)
        ) as writer,
    ):
        for group in _row_groups(folder, list(sources.values()), schema):
            writer.write_table(group, row_group_size=len(group))
            rows += len(group)
    return rows


def _common_schema(sources: Sequence[_Source]) -> pa.Schema:
    """Every column and every feature that one of the files has; null where another has it not."""
    schema = sources[0].schema
    everywhere = set(schema.names)
    for source in sources[1:]:
        if source.schema != schema:
            schema = _unified(schema, source)
            everywhere &= set(source.schema.names)
    return pa.schema([f if f.name in everywhere else f.with_nullable(True) for f in schema])


def _unified(schema: pa.Schema, source: _Source) -> pa.Schema:
    try:
        return pa.unify_schemas([schema, source.schema], promote_options="permissive")
    except pa.ArrowException as error:
        raise UnreadableError(source.name, f"does not fit the other files: {error}") from error


def _row_groups(
    folder: storage.Location, sources: Sequence[_Source], schema: pa.Schema
) -> Iterator[pa.Table]:
    """The rows of all files in tables of about `ROW_GROUP_BYTES`."""
    empty = schema.empty_table()
    tables: list[pa.Table] = []
    size = 0
    for table in _tables(folder, sources):
        tables.append(pa.concat_tables([empty, table], promote_options="permissive"))
        size += table.nbytes
        if size >= ROW_GROUP_BYTES:
            yield pa.concat_tables(tables)
            tables, size = [], 0
    if tables:
        yield pa.concat_tables(tables)


def _tables(folder: storage.Location, sources: Sequence[_Source]) -> Iterator[pa.Table]:
    """Each file's rows, in small tables, some small files fetched ahead."""
    for source, content in _fetched(folder, sources):
        rows = 0
        try:
            with pq.ParquetFile(content) as file:
                for batch in file.iter_batches(BATCH_ROWS):
                    rows += len(batch)
                    yield pa.Table.from_batches([batch]).replace_schema_metadata(None)
        except (pa.ArrowException, ValueError) as error:
            raise UnreadableError(source.name, _first_line(error)) from error
        except OSError as error:
            # Damaged pages are OSErrors too, without a number.
            if error.errno is None and source.size < SMALL_BYTES:
                raise UnreadableError(source.name, _first_line(error)) from error
            raise storage.StorageError(f"{source.name} cannot be read: {error}") from error
        if rows != source.rows:
            raise UnreadableError(source.name, f"has {rows} rows in place of {source.rows}")


def _fetched(
    folder: storage.Location, sources: Sequence[_Source]
) -> Iterator[tuple[_Source, pa.NativeFile]]:
    ahead = iter(sources)
    with ThreadPoolExecutor(READERS) as pool:
        waiting = [
            (source, pool.submit(_open, folder, source.name, source.size))
            for source in islice(ahead, READERS)
        ]
        while waiting:
            source, future = waiting.pop(0)
            yield source, future.result()
            for following in islice(ahead, 1):
                submitted = pool.submit(_open, folder, following.name, following.size)
                waiting.append((following, submitted))


def _look_at(
    folder: storage.Location,
    files: Sequence[storage.DataFile],
    table: log.Table,
    unreadable: dict[str, str],
) -> dict[str, _Source]:
    """The files by name; one that cannot be read is noted among `unreadable`."""
    found: dict[str, _Source] = {}
    with ThreadPoolExecutor(READERS) as pool:
        for looked in pool.map(lambda file: _look(folder, file, table), files):
            if isinstance(looked, UnreadableError):
                unreadable[looked.name] = str(looked)
            elif looked is not None:
                found[looked.name] = looked
    return found


def _look(
    folder: storage.Location, file: storage.DataFile, table: log.Table
) -> _Source | UnreadableError | None:
    """A file's schema and what it replaces; None for one that was deleted meanwhile."""
    name = _name(file)
    try:
        content = _open(folder, name, file.size)
    except storage.StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise
    try:
        with pq.ParquetFile(content) as parquet:
            schema, rows = parquet.schema_arrow, parquet.metadata.num_rows
    except (pa.ArrowException, ValueError, OSError) as error:
        return UnreadableError(name, _first_line(error))
    replaced = Replaced.from_metadata(schema.metadata)
    if log.is_compacted(name) and replaced is None:
        return UnreadableError(name, "does not say which files it replaces")
    missing = _NEEDED[table] - set(schema.names)
    if missing:
        return UnreadableError(name, f"has no column {', '.join(sorted(missing))}")
    plain = schema.remove_metadata()
    return _Source(name, file.size, plain, rows, replaced if log.is_compacted(name) else None)


def _open(folder: storage.Location, name: str, size: int) -> pa.NativeFile:
    return open_source(folder.child(name), whole=size < SMALL_BYTES)


def _name(file: storage.DataFile) -> str:
    return PurePosixPath(file.uri).name


def _time(file: storage.DataFile) -> datetime:
    """When a file appeared, by the storage's clock."""
    return datetime.fromtimestamp(int(file.version) / 1e9, UTC)


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
