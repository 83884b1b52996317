"""What the pages of a Parquet file will take in memory, by their headers, before any is decoded.

A few hundred bytes may stand for gigabytes, and the sizes in the file's footer need not be true.
A page's own header is: the reader refuses a page that decompresses to another size. Headers and footer
are in Thrift's compact protocol: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift.
The footer is read here too, since pyarrow's access to a column of it ends the process where it is damaged.
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

LARGEST_PAGES_BYTES = 64 * 1024**2
"""Of the largest dictionary and the largest page of every column, decompressed; one of each is in
memory at a time. Writers begin a new page at 1 MiB, some at 100,000 rows."""

MOST_PAGES = 100_000

MOST_STRUCTS = 500_000
"""In a footer; as many as the columns of all row groups, and some more for each."""

_DATA, _DICTIONARY, _DATA_V2 = 0, 2, 3
"""`PageType`."""

_DELTA_BYTE_ARRAY = 7
"""`Encoding`: each text is a part of the one before it and some more, so that a small page may stand
for any number of large ones."""


class PagesError(ValueError):
    """Headers that cannot be read, or a page that cannot be."""


class LargePagesError(PagesError):
    """Pages over a limit."""


@dataclass(frozen=True, slots=True)
class Pages:
    """What the pages of some columns hold.

    Attributes:
        bytes_per_row: of all columns together, where the values of each are largest; of values in
            a dictionary, those of their indices.
        dictionaries: columns that have one.

    """

    bytes_per_row: float
    dictionaries: frozenset[str]


@dataclass(slots=True)
class _Column:
    dictionary: int = 0
    page: int = 0
    densest: float = 0.0


def measure_pages(file: mmap.mmap, names: Collection[str], deadline: float) -> Pages:
    """Read the header of every page of some columns.

    Args:
        file: the whole file.
        names: columns without others inside.
        deadline: monotonic time by which it must be done.

    Raises:
        LargePagesError: when there are too many pages, they are too large, or take too long.
        PagesError: when a header cannot be read or a page's encoding is refused.

    """
    columns = {name: _Column() for name in names}
    pages = 0
    try:
        for chunk in _chunks(file):
            column = columns.get(b".".join(chunk[3]).decode())
            if column is not None:
                pages = _measure_chunk(file, chunk, column, pages)
            if time.monotonic() > deadline:
                raise LargePagesError("its pages take too long to look at")
    except (IndexError, KeyError, TypeError, AttributeError) as error:
        raise PagesError("a header has not the fields that it should have") from error
    largest = sum(column.dictionary + column.page for column in columns.values())
    if largest > LARGEST_PAGES_BYTES:
        raise LargePagesError(
            f"the largest pages of its columns have {largest} bytes together, of "
            f"{LARGEST_PAGES_BYTES} at most: write smaller pages"
        )
    return Pages(
        sum(column.densest for column in columns.values()),
        frozenset(name for name, column in columns.items() if column.dictionary),
    )


def _chunks(file: mmap.mmap) -> list[dict[int, Any]]:
    """`ColumnMetaData` of each column of each row group."""
    size = int.from_bytes(file[-8:-4], "little")
    footer, _ = _Compact(file, len(file) - 8 - size).read()
    return [column[3] for row_group in footer[4] for column in row_group[1]]


def _measure_chunk(file: mmap.mmap, chunk: dict[int, Any], column: _Column, pages: int) -> int:
    """Look at the pages of a row group's column; returns how many there have been."""
    start, dictionary = chunk[9], chunk.get(11, 0)
    if 0 < dictionary < start:
        start = dictionary
    end, values = start + chunk[7], 0
    while values < chunk[5] and start < end:
        pages += 1
        if pages > MOST_PAGES:
            raise LargePagesError(f"it has over {MOST_PAGES} pages: write larger ones")
        header, start = _Compact(file, start).read()
        kind, compressed = header[1], header[3]
        size = max(header[2], compressed)
        if compressed < 0:
            raise PagesError("a page has a negative size")
        start += compressed
        if kind == _DICTIONARY:
            column.dictionary = max(column.dictionary, size)
        elif kind in (_DATA, _DATA_V2):
            data = header[5] if kind == _DATA else header[8]
            if data[2 if kind == _DATA else 4] == _DELTA_BYTE_ARRAY:
                raise PagesError(
                    "a column is encoded as DELTA_BYTE_ARRAY: write it with a dictionary, or plain"
                )
            values += max(0, data[1])
            column.page = max(column.page, size)
            column.densest = max(column.densest, size / max(1, data[1]))
    return pages


class _Compact:
    """A struct of Thrift's compact protocol, as a dictionary by the numbers of its fields."""

    def __init__(self, file: mmap.mmap, start: int) -> None:
        if start < 0:
            raise PagesError("a header lies before the file")
        self._file = file
        self._position = start
        self._structs = 0

    def read(self) -> tuple[dict[int, Any], int]:
        """The struct, and where it ends.

        Raises:
            IndexError: when the file ends before it.
            PagesError: when it is none.

        """
        return self._struct(0), self._position

    def _byte(self) -> int:
        byte = self._file[self._position]
        self._position += 1
        return byte

    def _size(self) -> int:
        value = shift = 0
        while shift < 70:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        raise PagesError("a header has a number without end")

    def _number(self) -> int:
        """Zigzag: 0, -1, 1, -2, ..."""
        value = self._size()
        return (value >> 1) ^ -(value & 1)

    def _struct(self, depth: int) -> dict[int, Any]:
        self._structs += 1
        if self._structs > MOST_STRUCTS or depth > 16:
            raise LargePagesError("a header has too many parts")
        fields: dict[int, Any] = {}
        field = 0
        while (byte := self._byte()) != 0:
            step, kind = byte >> 4, byte & 0x0F
            field = field + step if step else self._number()
            # of a field, the kind is the value
            fields[field] = kind == 1 if kind in (1, 2) else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (1, 2, 3):  # a truth value in a list, or a byte
            return self._byte()
        if kind in (4, 5, 6):
            return self._number()
        if kind == 7:
            return self._bytes(8)
        if kind == 8:
            return self._bytes(self._size())
        if kind in (9, 10):
            return self._list(depth + 1)
        if kind == 12:
            return self._struct(depth + 1)
        raise PagesError(f"a header has a field of type {kind}")

    def _list(self, depth: int) -> list[Any]:
        byte = self._byte()
        size, kind = byte >> 4, byte & 0x0F
        if size == 15:
            size = self._size()
        return [self._value(kind, depth) for _ in range(size)]

    def _bytes(self, size: int) -> bytes:
        start = self._position
        self._position += size
        return self._file[start : self._position]
