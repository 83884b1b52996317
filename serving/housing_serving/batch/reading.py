"""Listings from CSV files, a bounded number at a time."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from housing_core.bundle import GRAPH_BATCH_ROWS
from housing_serving.http.problems import Problem, shown
from housing_serving.inference.encoding import Listing

DELIMITERS = ",;\t|"

LONGEST_LINE = 1024**2
"""Characters; what a longer line has beyond them is not read, and its row is refused."""

LONGEST_VALUE = 131_072
"""The csv module's own limit in characters, and Parquet's here in bytes."""


@dataclass(slots=True)
class Batch:
    """Some rows of a file.

    Attributes:
        positions: of `rows` in the file, from 0; empty lines do not count.
        rows: listings that could be read.
        bad: position → what is wrong with a row that could not.

    """

    positions: list[int] = field(default_factory=list)
    rows: list[Listing] = field(default_factory=list)
    bad: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows) + len(self.bad)


@dataclass(frozen=True, slots=True)
class BatchReader:
    """A file that has been opened.

    Attributes:
        ignored: its columns that the model does not take, sorted.
        batches: its rows, read when they are asked for.

    """

    ignored: list[str]
    batches: Iterator[Batch]


def read_csv(file: BinaryIO, columns: Sequence[str]) -> BatchReader:
    """Open CSV in UTF-8 with a header, whatever of `,` `;` `|` and tab it is divided by.

    Args:
        columns: those that the model takes.

    Raises:
        Problem: 400 for an empty body, 422 for a header without a column of the model.

    """
    # A byte that is not UTF-8 shall refuse its row, and not the file.
    text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
    first = text.readline(LONGEST_LINE)
    if not first.strip():
        raise Problem(400, "invalid-file", "the first line is empty: send CSV with a header")
    text.seek(0)
    delimiter, names = _header(first, columns)
    known = known_columns(names, columns)
    reader = csv.reader(_lines(text), delimiter=delimiter)
    next(reader)
    return BatchReader(sorted(set(names) - set(columns)), _csv_batches(reader, names, known))


def _header(line: str, columns: Sequence[str]) -> tuple[str, list[str]]:
    """The delimiter that gives the most columns of the model, and the names it gives."""
    wanted = set(columns)

    def names(delimiter: str) -> list[str]:
        return [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]

    best = max(DELIMITERS, key=lambda delimiter: len(wanted.intersection(names(delimiter))))
    return best, names(best)


def known_columns(names: Sequence[str], columns: Sequence[str]) -> dict[int, str]:
    """Position in the file → column of the model.

    Raises:
        Problem: 422 when there is none, or one is there twice.

    """
    known = {i: name for i, name in enumerate(names) if name in columns}
    if not known:
        raise Problem(
            422,
            "invalid-file",
            f"the columns are {shown(list(names)[:20])}: the model takes {shown(list(columns))}",
        )
    for name in known.values():
        if names.count(name) > 1:
            raise Problem(422, "invalid-file", f"column {name!r} is there twice: leave one out")
    return known


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(LONGEST_LINE):
        yield line if line.endswith("\n") or len(line) < LONGEST_LINE else f"{line}\n"
        while line and not line.endswith("\n") and len(line) == LONGEST_LINE:
            line = text.readline(LONGEST_LINE)


def _csv_batches(reader: Any, names: Sequence[str], known: dict[int, str]) -> Iterator[Batch]:
    batch, position = Batch(), 0
    while True:
        line = reader.line_num + 1
        try:
            values = next(reader)
            wrong = _wrong(values, len(names))
        except StopIteration:
            break
        except csv.Error as error:
            values, wrong = [""], f"line {line}: {error}; is a quote not closed?"
        if not values:
            continue
        if wrong:
            batch.bad[position] = wrong
        else:
            batch.positions.append(position)
            batch.rows.append({name: values[i] for i, name in known.items()})
        position += 1
        if len(batch) == GRAPH_BATCH_ROWS:
            yield batch
            batch = Batch()
    if batch:
        yield batch


def _wrong(values: list[str], fields: int) -> str:
    if not values:
        return ""
    if len(values) != fields:
        return f"the row has {len(values)} fields, the header has {fields}"
    for value in values:
        if not value.isascii() and any("\udc80" <= c <= "\udcff" for c in value):
            shown_value = value[:40].encode(errors="surrogateescape")
            return f"{shown_value!r} is not UTF-8: encode the file as UTF-8"
    return ""
