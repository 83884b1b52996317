"""Answers to a file of listings, as CSV or Parquet that is written while it is made."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from housing_serving.formats.open_inference import probability_output

ROW_GROUP_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class AnsweredRow:
    """The answer for one row of a file.

    Attributes:
        row: its position, from 0.
        label: the predicted class; None for a row that is wrong.
        probabilities: one for each class, or none.
        error: what is wrong; None when nothing is.

    """

    row: int
    label: str | None
    probabilities: Sequence[float]
    error: str | None


class BatchWriter(Protocol):
    """Turns answers into the bytes of a file, part by part."""

    media_type: str

    def begin(self) -> bytes:
        """The bytes before the first row."""

    def write(self, rows: Sequence[AnsweredRow]) -> bytes:
        """The bytes of some rows; may be none yet."""

    def end(self) -> bytes:
        """The bytes after the last row."""


def names(classes: Sequence[str]) -> list[str]:
    """Columns of the answer."""
    return ["row", "class", *map(probability_output, classes), "error"]


class CsvWriter:
    """CSV in UTF-8, divided by commas."""

    media_type = "text/csv; charset=utf-8"

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = classes

    def begin(self) -> bytes:
        """The header."""
        return _csv([names(self._classes)])

    def write(self, rows: Sequence[AnsweredRow]) -> bytes:
        """One line for each row."""
        blank = [""] * len(self._classes)
        return _csv(
            [
                # float32 has seven digits.
                (r.row, r.label or "", *([f"{p:.7g}" for p in r.probabilities] or blank), r.error)
                for r in rows
            ]
        )

    def end(self) -> bytes:
        """Nothing."""
        return b""


class ParquetWriter:
    """Parquet, in row groups of some ten thousand rows."""

    media_type = "application/vnd.apache.parquet"

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = classes
        self._schema = pa.schema(
            [
                pa.field("row", pa.int64(), nullable=False),
                pa.field("class", pa.string()),
                *(pa.field(probability_output(name), pa.float32()) for name in classes),
                pa.field("error", pa.string()),
            ]
        )
        self._sink = _Sink()
        self._writer = pq.ParquetWriter(self._sink, self._schema, compression="zstd")
        self._waiting: list[AnsweredRow] = []

    def begin(self) -> bytes:
        """What Parquet files begin with."""
        return self._sink.take()

    def write(self, rows: Sequence[AnsweredRow]) -> bytes:
        """A row group, once there are rows enough."""
        self._waiting.extend(rows)
        return self._flush() if len(self._waiting) >= ROW_GROUP_ROWS else b""

    def end(self) -> bytes:
        """The last row group and the footer."""
        last = self._flush() if self._waiting else b""
        self._writer.close()
        return last + self._sink.take()

    def _flush(self) -> bytes:
        rows, self._waiting = self._waiting, []
        shares = [
            pa.array([r.probabilities[i] if r.probabilities else None for r in rows], pa.float32())
            for i in range(len(self._classes))
        ]
        columns = [
            pa.array([r.row for r in rows], pa.int64()),
            pa.array([r.label for r in rows], pa.string()),
            *shares,
            pa.array([r.error for r in rows], pa.string()),
        ]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))
        return self._sink.take()


class _Sink(io.RawIOBase):
    """A file that forgets what has been taken from it."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        part = bytes(memoryview(data))  # type: ignore[arg-type]  # whatever has a buffer
        self._parts.append(part)
        self._written += len(part)
        return len(part)

    def tell(self) -> int:
        return self._written

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken


def _csv(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
