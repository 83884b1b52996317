"""The thread that writes the prediction log, on real folders."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from housing_core.storage import Location, StorageError
from housing_serving.log import writer
from housing_serving.log.tables import LogEntry, Received, json_texts, to_tables
from housing_serving.log.writer import PredictionLog
from housing_serving.metrics import Metrics


def _entry(rows: int = 1, size: int = 100, request_id: str = "id-1") -> LogEntry:
    return LogEntry(
        requests=[Received(request_id, datetime.now(UTC), size)],
        counts=[rows],
        version="1",
        track="production",
        columns=("area",),
        texts=json_texts([range(rows)]),
        classes=["Low", "High"],
        labels=np.zeros(rows, np.int64),
        probabilities=np.full((rows, 2), 0.5, dtype=np.float32),
    )


def _rows(folder: Path) -> int:
    return sum(pq.read_metadata(file).num_rows for file in folder.rglob("*.parquet"))


def _written(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("housing_prediction_log_rows_total")


def _dropped(metrics: Metrics, reason: str) -> float | None:
    return metrics.registry.get_sample_value(
        "housing_prediction_log_dropped_rows_total", {"reason": reason}
    )


def _wait(holds: Callable[[], Any], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_rows_are_on_disk_within_seconds(tmp_path: Path) -> None:
    to_tables("ns.model", [_entry()])  # Arrow's first call imports pandas, which no image has
    metrics = Metrics()
    log = PredictionLog(str(tmp_path), "ns.model", metrics)
    log.start()
    log.append(_entry(rows=3))
    assert log.backlog_rows == 3
    _wait(lambda: _rows(tmp_path) == 3, seconds=2 * writer.FLUSH_SECONDS)
    _wait(lambda: log.backlog_rows == 0)
    assert _written(metrics) == 3
    log.close(5)


def test_a_large_batch_is_not_kept_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "FLUSH_SECONDS", 60)
    log = PredictionLog(str(tmp_path), "ns.model", Metrics())
    log.start()
    log.append(_entry(rows=writer.FLUSH_ROWS))
    _wait(lambda: _rows(tmp_path) == writer.FLUSH_ROWS)
    log.close(5)


def test_what_comes_in_while_a_file_is_written_waits_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or each file of a busy log would be of the few rows that came in while the last was written."""
    monkeypatch.setattr(writer, "FLUSH_SECONDS", 60)
    write_file = writer.write_file

    def write_and_append(location: Location, content: bytes) -> None:
        write_file(location, content)
        log.append(_entry())

    monkeypatch.setattr(writer, "write_file", write_and_append)
    metrics = Metrics()
    log = PredictionLog(str(tmp_path), "ns.model", metrics)
    log.start()
    log.append(_entry(rows=writer.FLUSH_ROWS))
    _wait(lambda: _written(metrics) == writer.FLUSH_ROWS)
    time.sleep(0.2)
    assert (len(list(tmp_path.rglob("*.parquet"))), log.backlog_rows) == (1, 1)
    monkeypatch.setattr(writer, "write_file", write_file)
    log.close(5)
    assert _rows(tmp_path) == writer.FLUSH_ROWS + 1


def test_what_waits_is_one_file_in_the_order_it_came(tmp_path: Path) -> None:
    log = PredictionLog(str(tmp_path), "ns.model", Metrics())
    ids = [f"id-{i}" for i in range(2_001)]
    for request_id in ids:
        log.append(_entry(request_id=request_id))
    log.start()
    log.close(10)
    (file,) = tmp_path.rglob("*.parquet")
    assert pq.read_table(file)["request_id"].to_pylist() == ids


def test_closing_does_not_wait_for_the_next_flush(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "FLUSH_SECONDS", 600)
    metrics = Metrics()
    log = PredictionLog(str(tmp_path), "ns.model", metrics)
    log.start()
    for _ in range(500):
        log.append(_entry())
    log.close(30)
    assert _rows(tmp_path) == _written(metrics) == 500
    assert log.backlog_rows == 0


def test_file_names_of_two_writers_differ_and_sort(tmp_path: Path) -> None:
    for _ in range(2):
        log = PredictionLog(str(tmp_path), "ns.model", Metrics())
        log.start()
        log.append(_entry())
        log.close(5)
    names = [file.name for file in sorted(tmp_path.rglob("*.parquet"))]
    assert len(names) == 2
    assert all(name.endswith("-000001.parquet") for name in names)


def test_rows_wait_for_a_place_that_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "FLUSH_SECONDS", 0.05)
    place = tmp_path / "log"
    place.write_text("a file where the folder should be")
    metrics = Metrics()
    log = PredictionLog(str(place), "ns.model", metrics)
    log.start()
    log.append(_entry(rows=2))
    time.sleep(0.3)
    log.append(_entry(rows=3))
    assert (log.backlog_rows, _written(metrics)) == (5, 0)
    place.unlink()
    _wait(lambda: _rows(place) == 5)
    assert _dropped(metrics, "backlog_full") == 0
    log.close(5)


@pytest.mark.parametrize(
    ("rows", "size"), [(writer.BACKLOG_ROWS // 2, 100), (1, writer.BACKLOG_BYTES // 2)]
)
def test_a_full_backlog_counts_what_it_cannot_take(tmp_path: Path, rows: int, size: int) -> None:
    metrics = Metrics()
    log = PredictionLog(str(tmp_path / "log"), "ns.model", metrics)  # not started: nothing drains
    entry = _entry(rows, size)
    for _ in range(5):
        log.append(entry)
    assert log.backlog_rows == 2 * rows
    assert _dropped(metrics, "backlog_full") == 3 * rows


def test_what_cannot_be_written_at_shutdown_is_counted(tmp_path: Path) -> None:
    place = tmp_path / "log"
    place.write_text("a file where the folder should be")
    metrics = Metrics()
    log = PredictionLog(str(place), "ns.model", metrics)
    log.start()
    log.append(_entry(rows=4))
    log.close(1)
    assert _dropped(metrics, "shutdown") == 4


def test_rows_that_parquet_cannot_hold_are_counted_and_the_next_are_written(
    tmp_path: Path,
) -> None:
    metrics = Metrics()
    log = PredictionLog(str(tmp_path), "ns.model", metrics)
    log.start()
    log.append(_entry(request_id="\ud800"))  # half a surrogate pair is no UTF-8
    _wait(lambda: _dropped(metrics, "not_encodable") == 1)
    log.append(_entry())
    log.close(5)
    assert _rows(tmp_path) == 1


def test_an_entry_that_parquet_cannot_hold_takes_no_other_with_it(tmp_path: Path) -> None:
    metrics = Metrics()
    log = PredictionLog(str(tmp_path), "ns.model", metrics)
    for number in range(7):
        log.append(_entry(rows=2, request_id="\ud800" if number == 3 else f"id-{number}"))
    log.start()
    log.close(5)
    assert (_rows(tmp_path), _dropped(metrics, "not_encodable")) == (12, 2)
    assert log.backlog_rows == 0


@pytest.mark.parametrize("uri", ["gopher://host/log", "relative/log", "pvc://"])
def test_a_uri_that_is_no_place_for_a_log_is_refused_at_once(uri: str) -> None:
    with pytest.raises(StorageError, match=uri):
        PredictionLog(uri, "ns.model", Metrics())
