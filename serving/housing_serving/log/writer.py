"""Writes the prediction log in a thread of its own, and never holds up an answer."""

from __future__ import annotations

import io
import logging
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
from prometheus_client import Counter, Gauge

from housing_core import prediction_log
from housing_core.storage import StorageError, locate, write_file
from housing_serving.log.tables import to_tables

FLUSH_SECONDS = 2.0
"""What a killed process loses at most, while the log can be written."""

FLUSH_ROWS = 2_000
"""That are written as soon as they wait, and about as many in one file: more rows at once take more
memory (25 MB with 5,000) and hold up the event loop longer, and fewer cost more for each."""

NICENESS = 10

BACKLOG_ROWS = 50_000
BACKLOG_BYTES = 32 * 1024**2
"""Of request bodies; their listings take some times as much in memory."""

LONGEST_RETRY_SECONDS = 30.0
LAST_RETRY_SECONDS = 0.5
"""Between attempts at shutdown."""

logger = logging.getLogger(__name__)


class Entry(Protocol):
    """What waits to be written: the rows of one request, and the bytes of its body."""

    @property
    def row_count(self) -> int:
        """How many rows of the log it becomes."""

    @property
    def size(self) -> int:
        """About what the entry holds in memory."""


Tables = Callable[[str, Sequence[Any]], list[tuple[str, pa.Table]]]
"""(model, entries) → (folder below the log's URI, table)."""


class LogMetrics(Protocol):
    """What a log counts: rows written, rows lost by reason, failed attempts, and rows that wait."""

    log_rows: Counter
    log_dropped_rows: Counter
    log_failed_writes: Counter
    log_backlog_rows: Gauge


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    content: bytes
    rows: int


class PredictionLog:
    """A bounded backlog of answered requests, or of feedback, and the thread that writes it."""

    def __init__(
        self, uri: str, model_name: str, metrics: LogMetrics, tables: Tables = to_tables
    ) -> None:
        """Find where the log goes; nothing is written yet.

        Args:
            tables: makes Arrow tables of what waits.

        Raises:
            StorageError: when the URI is not one that can be written to.

        """
        self._location = locate(uri)
        self._model_name = model_name
        self._metrics = metrics
        self._tables = tables
        started = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        self._writer = f"{socket.gethostname()}-{os.getpid()}-{started}"
        self._sequence = 0
        self._lock = threading.Lock()
        self._queue: deque[Entry] = deque()
        self._queued_rows = 0
        self._backlog_rows = 0
        self._queued_bytes = 0
        self._overflow_rows = 0
        self._deadline = 0.0
        self._files: list[_File] = []
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)

    @property
    def backlog_rows(self) -> int:
        """Rows that are not written yet."""
        return self._backlog_rows

    def start(self) -> None:
        """Begin to write, in the background."""
        self._thread.start()

    def append(self, entry: Entry) -> bool:
        """Take an answered request, or count its rows as lost when the backlog is full.

        Returns:
            Whether it was taken.

        """
        rows, size = entry.row_count, entry.size
        with self._lock:
            full = (
                self._backlog_rows + rows > BACKLOG_ROWS
                or self._queued_bytes + size > BACKLOG_BYTES
            )
            if full:
                self._overflow_rows += rows
            else:
                self._queue.append(entry)
                self._backlog_rows += rows
                self._queued_rows += rows
                self._queued_bytes += size
        if full:
            self._metrics.log_dropped_rows.labels("backlog_full").inc(rows)
        elif self._queued_rows >= FLUSH_ROWS:
            self._wake.set()
        return not full

    def close(self, timeout: float) -> None:
        """Write what is left and end the thread; what cannot be written in time is counted as lost.

        Args:
            timeout: seconds.

        """
        self._deadline = time.monotonic() + timeout
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout)
        lost = self._backlog_rows
        if lost:
            self._metrics.log_dropped_rows.labels("shutdown").inc(lost)
            logger.error("%d rows of the prediction log are lost at shutdown", lost)

    def _run(self) -> None:
        # On Linux each thread has a niceness of its own: who waits for an answer goes before.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        pause = FLUSH_SECONDS
        due = time.monotonic() + pause
        while not self._closing.is_set():
            self._wake.wait(max(0.0, due - time.monotonic()))
            self._wake.clear()
            if time.monotonic() < due and pause > FLUSH_SECONDS:
                self._encode_waiting()  # files take less memory, and the place is not tried yet
                continue
            written = self._try_to_write()
            pause = FLUSH_SECONDS if written else min(2 * pause, LONGEST_RETRY_SECONDS)
            due = time.monotonic() + pause
        while not (self._try_to_write() and self._backlog_rows == 0):
            if time.monotonic() >= self._deadline:
                return
            time.sleep(LAST_RETRY_SECONDS)

    def _try_to_write(self) -> bool:
        """Write all that waits; False when it is to be tried again later."""
        try:
            self._write()
            return True
        except StorageError as error:
            logger.warning("%d rows wait to be logged: %s", self._backlog_rows, error)
        except Exception:
            # The thread must not end while the process answers.
            logger.exception("%d rows wait to be logged", self._backlog_rows)
        self._metrics.log_failed_writes.inc()
        return False

    def _write(self) -> None:
        """Write all that waits, oldest first.

        Raises:
            StorageError: when the place cannot be written now.

        """
        # What comes in meanwhile waits for the next time, or busy hours would be files of a few rows.
        self._encode_waiting()
        while self._files:
            file = self._files[0]
            write_file(self._location.child(file.path), file.content)
            del self._files[0]
            self._metrics.log_rows.inc(file.rows)
            self._settle(file.rows)

    def _encode_waiting(self) -> None:
        """Turn requests that wait into files."""
        with self._lock:
            entries, self._queue = self._queue, deque()
            self._queued_rows = self._queued_bytes = 0
            overflow, self._overflow_rows = self._overflow_rows, 0
            self._metrics.log_backlog_rows.set(self._backlog_rows)
        if overflow:
            logger.warning("%d rows of the prediction log are lost: the backlog is full", overflow)
        while entries:
            chunk: list[Entry] = []
            rows = 0
            while entries and rows < 2 * FLUSH_ROWS:
                chunk.append(entries.popleft())
                rows += chunk[-1].row_count
            self._files += self._encode(chunk)

    def _encode(self, entries: Sequence[Entry]) -> list[_File]:
        """Files of entries; one that Parquet cannot hold is counted as lost, and no other with it."""
        try:
            return [self._file(*table) for table in self._tables(self._model_name, entries)]
        except Exception:  # noqa: BLE001 - the thread must not end while the process answers
            if len(entries) > 1:
                half = len(entries) // 2
                return self._encode(entries[:half]) + self._encode(entries[half:])
            self._lose(sum(entry.row_count for entry in entries))
            return []

    def _file(self, folder: str, table: pa.Table) -> _File:
        content = io.BytesIO()
        pq.write_table(table, content, **prediction_log.parquet_options(table.schema))
        self._sequence += 1
        path = f"{folder}/{self._writer}-{self._sequence:06d}.parquet"
        return _File(path, content.getvalue(), table.num_rows)

    def _lose(self, rows: int) -> None:
        """Count rows as lost to the error that is being handled."""
        logger.exception("%d rows of the prediction log are lost", rows)
        self._metrics.log_dropped_rows.labels("not_encodable").inc(rows)
        self._settle(rows)

    def _settle(self, rows: int) -> None:
        with self._lock:
            self._backlog_rows -= rows
            self._metrics.log_backlog_rows.set(self._backlog_rows)
