"""Listings from Parquet files: a bounded number of bytes at a time, whatever the file says of itself."""

from __future__ import annotations

import mmap
import time
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from housing_core.bundle import GRAPH_BATCH_ROWS
from housing_serving.batch.parquet_pages import LargePagesError, PagesError, measure_pages
from housing_serving.batch.reading import LONGEST_VALUE, Batch, BatchReader, known_columns
from housing_serving.http.problems import Problem
from housing_serving.inference.encoding import Listing

MOST_ROWS = 10_000_000
"""More take longer to answer than an answer may take; a few bytes can claim any number."""

LARGEST_FOOTER_BYTES = 2 * 1024**2
"""It is in memory, some times as large, as long as the file is read."""

DECODED_BYTES = 32 * 1024**2
DECODED_ROWS = 8_192
"""At a time; values that are in a dictionary stay there."""

LISTED_BYTES = 4 * 1024**2
"""Of texts that are listings at a time; one listing may have more."""

CHECK_SECONDS = 20.0

_READ_BUFFER_BYTES = 256 * 1024
"""Of a column; else all of a row group's column is read at once."""

_WIDEST_DECIMAL_BYTES = 32


def read_parquet(file: BinaryIO, columns: Sequence[str]) -> BatchReader:
    """Open Parquet, and look at all of it once, while the answer can still be that it is broken.

    Args:
        file: a real one.
        columns: those that the model takes.

    Raises:
        Problem: 400 when it is none, 413 for one that would take too much memory or time, 422 for
            a file without a column of the model or with one of a type that is no text and no number.

    """
    deadline = time.monotonic() + CHECK_SECONDS
    try:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            _check_footer(content)
            parquet = pq.ParquetFile(file, buffer_size=_READ_BUFFER_BYTES)
            schema, rows = parquet.schema_arrow, parquet.metadata.num_rows
            known = list(known_columns(schema.names, columns).values())
            _check_types(parquet, known)
            if rows > MOST_ROWS:
                raise _too_large(f"it has {rows} rows, of {MOST_ROWS} at most")
            pages = measure_pages(content, known, deadline)
        texts = [name for name in pages.dictionaries if _is_text(schema.field(name).type)]
        parquet = pq.ParquetFile(file, read_dictionary=texts, buffer_size=_READ_BUFFER_BYTES)
        rows_at_a_time = int(min(DECODED_ROWS, max(1, DECODED_BYTES / max(1, pages.bytes_per_row))))
        for records in parquet.iter_batches(rows_at_a_time, columns=known, use_threads=False):
            records.validate(full=True)
            if time.monotonic() > deadline:
                raise _too_large(f"it takes over {CHECK_SECONDS:g} seconds to read")
    except LargePagesError as error:
        raise _too_large(str(error)) from error
    except (pa.ArrowException, PagesError, OSError, ValueError, OverflowError) as error:
        raise Problem(
            400,
            "invalid-file",
            f"the body is no Parquet file, or broken: {error}; send a whole one",
        ) from error
    ignored = sorted(set(schema.names) - set(columns))
    return BatchReader(ignored, _batches(parquet, known, rows_at_a_time))


def _check_footer(content: mmap.mmap) -> None:
    """Refuse a footer that would take too much memory; what is wrong with it otherwise, Arrow says."""
    size = int.from_bytes(content[-8:-4], "little")
    if LARGEST_FOOTER_BYTES < size < len(content):
        raise _too_large(f"its footer has {size} bytes, of {LARGEST_FOOTER_BYTES} at most")


def _check_types(parquet: pq.ParquetFile, names: Sequence[str]) -> None:
    schema = parquet.schema_arrow
    for name in names:
        if not _readable(schema.field(name).type):
            raise Problem(
                422,
                "invalid-file",
                f"column {name!r} is of the type {schema.field(name).type}: write it as text or "
                "number",
            )
    for column in map(parquet.schema.column, range(len(parquet.schema.names))):
        if column.path in names and column.length > _WIDEST_DECIMAL_BYTES:
            raise PagesError(f"column {column.path!r} has numbers of {column.length} bytes")


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _readable(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _readable(kind.value_type)
    return bool(
        _is_text(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_null(kind)
    )


def _batches(parquet: pq.ParquetFile, known: Sequence[str], rows_at_a_time: int) -> Iterator[Batch]:
    position = 0
    for records in parquet.iter_batches(rows_at_a_time, columns=list(known), use_threads=False):
        columns = {name: records.column(name) for name in known}
        lengths = {name: _lengths(column) for name, column in columns.items()}
        too_long: NDArray[np.bool_] = np.any(
            [each > LONGEST_VALUE for each in lengths.values()], axis=0
        )
        sizes = np.where(too_long, 0, sum(lengths.values()))
        for rows in _slices(sizes):
            good = rows[~too_long[rows]]
            batch = Batch((position + good).tolist(), _listings(columns, good))
            for row in rows[too_long[rows]].tolist():
                batch.bad[position + row] = _too_long({n: int(v[row]) for n, v in lengths.items()})
            yield batch
        position += len(records)


def _lengths(column: pa.Array) -> NDArray[np.int64]:
    """Bytes of each text, (rows,); of numbers 0."""
    if not _is_text(column.type):
        return np.zeros(len(column), np.int64)
    if pa.types.is_dictionary(column.type):
        lengths = pc.binary_length(column.dictionary).take(column.indices)
    else:
        lengths = pc.binary_length(column)
    found: NDArray[np.int64] = lengths.fill_null(0).to_numpy().astype(np.int64)
    return found


def _slices(sizes: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Positions of rows that are listings at a time."""
    ends = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        before = ends[start] - sizes[start]
        fit = int(np.searchsorted(ends, before + LISTED_BYTES, side="right"))
        end = min(max(fit, start + 1), start + GRAPH_BATCH_ROWS)
        end = min(end, len(sizes))
        yield np.arange(start, end)
        start = end


def _listings(columns: dict[str, pa.Array], rows: NDArray[np.int64]) -> list[Listing]:
    values = {name: _values(column.take(pa.array(rows))) for name, column in columns.items()}
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def _values(column: pa.Array) -> list[Any]:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    elif pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    values: list[Any] = column.to_pylist()
    return values


def _too_long(lengths: dict[str, int]) -> str:
    name = max(lengths, key=lambda name: lengths[name])
    return f"field {name!r} has {lengths[name]} bytes, of {LONGEST_VALUE} at most"


def _too_large(what: str) -> Problem:
    return Problem(413, "too-large", f"the Parquet file cannot be read: {what}; send it in parts")
