"""Files → one frame in which every cell is still the text that the files hold.

Nothing is guessed while reading: what a text means is learned later, on the training part only.
Columns are dictionary-encoded (pandas categories), so that what follows works on distinct texts.
"""

from __future__ import annotations

import gzip
import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from housing_core.cleaning import normalise_text
from housing_core.storage import DataFile, open_file
from housing_training.data.text_format import Dialect, decode, detect_dialect, read_header
from housing_training.errors import InvalidDataError

BAD_ROW_SHARE = 0.01
"""Rows with too many or too few cells are left out up to this share of a file; more is refused."""

_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_PARQUET = b"PAR1"
_UNNAMED = re.compile(r"Unnamed: \d+|__index_level_\d+__")
_BLOCK_BYTES = 16 << 20


@dataclass(frozen=True)
class Listings:
    """Rows as the files hold them.

    Attributes:
        frame: (rows, columns); every column is a category of texts, missing where a file lacks
            the column or its cell.
        numeric: columns that every file that has them stores as numbers, not as text.
        messages: what a person should know of the reading.

    """

    frame: pd.DataFrame
    numeric: frozenset[str] = frozenset()
    messages: list[str] = field(default_factory=list)

    def take(self, rows: np.ndarray[Any, Any]) -> Listings:
        """The rows at these positions, or where this mask is true."""
        return Listings(
            self.frame[rows] if rows.dtype == bool else self.frame.iloc[rows],
            self.numeric,
            self.messages,
        )


@dataclass(frozen=True, slots=True)
class Cells:
    """One column, dictionary-encoded.

    Attributes:
        codes: (rows,) position of each cell's text in `texts`, -1 where there is none.
        texts: distinct texts; some may be unused by these rows.

    """

    codes: np.ndarray[Any, np.dtype[np.int64]]
    texts: list[str]

    @property
    def counts(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """(len(texts),) cells that hold each text."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.texts))


def cells(frame: pd.DataFrame, column: str) -> Cells:
    """A column of `Listings.frame`."""
    categories = frame[column].array
    if not isinstance(categories, pd.Categorical):
        raise TypeError(f"column {column!r} is not dictionary-encoded")
    return Cells(categories.codes.astype(np.int64), list(categories.categories))


def is_unnamed(column: str) -> bool:
    """Whether a column has no name of its own: a row index that some tool wrote along."""
    return bool(_UNNAMED.fullmatch(column))


def read_listings(files: Sequence[DataFile], file_format: str, target: str) -> Listings:
    """Read all files of a dataset and put their rows below one another.

    Args:
        files: what `storage.list_files` found.
        file_format: `Auto`, `CSV` or `Parquet`.
        target: a column that every file must have.

    Raises:
        InvalidDataError: for a file that is empty, truncated, binary or without the target.
        StorageError: for a file that cannot be opened.

    """
    tables, messages, stored = [], [], Counter[str]()
    for file in files:
        table, numeric, notes = _read_file(file, file_format)
        if target not in table.column_names:
            raise InvalidDataError(
                f"dataset.target.column: {file.uri} has no column {target!r}; its columns are "
                f"{list_columns(table.column_names)}"
            )
        if table.num_rows == 0:
            notes = [*notes, f"{file.uri} holds a header and no rows"]
        messages += notes
        stored.update(set(table.column_names) - numeric)
        tables.append(table)
    messages += _differences(files, tables)
    table = pa.concat_tables(tables, promote_options="default")
    frame = pd.DataFrame(
        {name: _categories(table.column(name)) for name in table.column_names}, copy=False
    )
    return Listings(frame, frozenset(table.column_names) - frozenset(stored), messages)


def list_columns(names: Sequence[str]) -> str:
    """Column names for a message; a row index is not worth naming."""
    shown = [repr(name) for name in names if not is_unnamed(name)]
    return ", ".join(shown[:40]) + (f" and {len(shown) - 40} more" if len(shown) > 40 else "")


def _read_file(file: DataFile, file_format: str) -> tuple[pa.Table, set[str], list[str]]:
    with open_file(file.uri) as stream:
        content = stream.read()
    if content.startswith(_GZIP):
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise InvalidDataError(
                f"{file.uri} is a truncated or damaged gzip file ({error}): upload it again"
            ) from error
    if not content.strip():
        raise InvalidDataError(f"{file.uri} is empty: remove it or give it rows")
    if content.startswith(_ZIP):
        raise InvalidDataError(f"{file.uri} is a zip archive or a spreadsheet: save it as CSV")
    parquet = content.startswith(_PARQUET)
    if file_format == "Parquet" and not parquet:
        raise InvalidDataError(
            f"{file.uri} is not a Parquet file: set dataset.format to Auto or CSV"
        )
    if file_format == "CSV" and parquet:
        raise InvalidDataError(
            f"{file.uri} is a Parquet file: set dataset.format to Auto or Parquet"
        )
    return _read_parquet(content, file.uri) if parquet else _read_csv(content, file.uri)


def _read_csv(content: bytes, name: str) -> tuple[pa.Table, set[str], list[str]]:
    dialect, text = detect_dialect(decode(content, name))
    columns, notes = _column_names(read_header(text, dialect), name)
    wrong: list[pa.csv.InvalidRow] = []

    def leave_out(row: pa.csv.InvalidRow) -> str:
        wrong.append(row)
        return "skip"

    try:
        table = pa.csv.read_csv(
            pa.BufferReader(text.encode("utf-8", "replace")),
            read_options=pa.csv.ReadOptions(
                column_names=columns,
                skip_rows_after_names=1,
                block_size=_BLOCK_BYTES,
                use_threads=False,  # row numbers are known only then
            ),
            parse_options=pa.csv.ParseOptions(
                delimiter=dialect.separator,
                quote_char=dialect.quote,
                double_quote=dialect.escape is None,
                escape_char=dialect.escape or False,
                newlines_in_values=True,
                invalid_row_handler=leave_out,
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types={column: pa.string() for column in columns},
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowException as error:
        raise InvalidDataError(f"{name} cannot be read as CSV: {error}") from error
    _refuse_truncated(text, table, wrong, dialect, name)
    if wrong:
        first = wrong[0]
        what = (
            f"{name}: {len(wrong)} of {len(wrong) + table.num_rows} rows do not have the header's "
            f"{first.expected_columns} cells; the first is row {first.number} with "
            f"{first.actual_columns}: {first.text[:80]!r}"
        )
        if len(wrong) > BAD_ROW_SHARE * (len(wrong) + table.num_rows):
            raise InvalidDataError(f"{what}; quote cells that hold {dialect.separator!r}")
        notes.append(f"{what}; these rows are left out")
    return table, set(), notes


def _refuse_truncated(
    text: str, table: pa.Table, wrong: list[pa.csv.InvalidRow], dialect: Dialect, name: str
) -> None:
    """A last row that lacks cells, or a quote that is never closed, means that the end is missing."""
    cut = False
    if wrong:
        end = wrong[-1].text.rstrip("\r\n")
        cut = wrong[-1].actual_columns < wrong[-1].expected_columns and text.rstrip(
            "\r\n"
        ).endswith(end)
    if table.num_rows and not cut:
        last = table.column(table.num_columns - 1)[-1].as_py()
        opened = text.endswith(dialect.quote + last)
        cut = opened and not text.endswith(dialect.quote + last + dialect.quote)
    if cut:
        raise InvalidDataError(
            f"{name} is truncated: its last row ends before its last cell; upload it again"
        )


def _column_names(header: list[str], file: str) -> tuple[list[str], list[str]]:
    """Names as given, normalised; a missing one by its position, a repeated one with a number."""
    names: list[str] = []
    notes = []
    for position, cell in enumerate(header):
        given = normalise_text(cell.removeprefix("\ufeff")) or f"Unnamed: {position}"
        name, again = given, 1
        while name in names:
            name, again = f"{given}.{again}", again + 1
        if name != given:
            notes.append(f"{file} has two columns {given!r}; the later one is called {name!r}")
        names.append(name)
    return names, notes


def _read_parquet(content: bytes, name: str) -> tuple[pa.Table, set[str], list[str]]:
    try:
        table = pa.parquet.read_table(pa.BufferReader(content))
    except (pa.ArrowException, OSError) as error:
        raise InvalidDataError(
            f"{name} is a truncated or damaged Parquet file ({str(error).splitlines()[0]}): "
            "upload it again"
        ) from error
    columns, notes = _column_names(table.column_names, name)
    numeric = {
        column
        for column, type_ in zip(columns, table.schema.types, strict=True)
        if pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_)
    }
    texts = [_as_texts(column) for column in table.columns]
    return pa.table(texts, names=columns), numeric, notes


def _as_texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Typed values as the text that a CSV of them would hold; NaN is null."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string(column.type):
        return column
    if pa.types.is_integer(column.type) or pa.types.is_large_string(column.type):
        return column.cast(pa.string())
    distinct = column if pa.types.is_nested(column.type) else pc.unique(column)
    texts = [_as_text(value) for value in distinct.to_pylist()]
    if pa.types.is_nested(column.type):
        return pa.chunked_array([pa.array(texts, pa.string())])
    positions = pc.index_in(column, distinct)
    return pa.chunked_array([pa.array(texts, pa.string()).take(positions.combine_chunks())])


def _as_text(value: Any) -> str | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, bool | float):
        return normalise_text(value)
    return str(value)


def _categories(column: pa.ChunkedArray) -> pd.Categorical:
    encoded = column.combine_chunks().dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    texts = pd.Index(encoded.dictionary.to_pylist(), dtype=object)
    return pd.Categorical.from_codes(codes, categories=texts)


def _differences(files: Sequence[DataFile], tables: list[pa.Table]) -> list[str]:
    """One message for each column that some files lack."""
    have = Counter(name for table in tables for name in table.column_names)
    messages = []
    for name, count in have.items():
        if count < len(tables) and not is_unnamed(name):
            lacking = next(
                file.uri
                for file, table in zip(files, tables, strict=True)
                if name not in table.column_names
            )
            messages.append(
                f"column {name!r} is in {count} of {len(tables)} files; it counts as missing "
                f"in the others, for example {lacking}"
            )
    return messages[:20]
