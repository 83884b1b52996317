"""Parquet files that say little and mean much."""

from __future__ import annotations

import io
import mmap
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from housing_core.bundle import GRAPH_BATCH_ROWS
from housing_serving.batch import parquet_pages, parquet_reading
from housing_serving.batch.parquet_pages import measure_pages
from housing_serving.batch.parquet_reading import read_parquet
from housing_serving.batch.reading import LONGEST_VALUE, Batch
from housing_serving.http.problems import Problem

COLUMNS = ["area", "ilçe"]
MEBIBYTE = 1024**2


def _file(*tables: dict[str, Any], **options: Any) -> BinaryIO:
    """A file with a row group for each table."""
    file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - the test ends before it matters
    first = pa.table(tables[0])
    with pq.ParquetWriter(file, first.schema, **options) as writer:
        for table in tables:
            writer.write_table(pa.table(table, schema=first.schema))
    file.seek(0)
    return file


def _rows(file: BinaryIO) -> list[Batch]:
    return list(read_parquet(file, COLUMNS).batches)


def _listings(file: BinaryIO) -> list[Any]:
    return [row for batch in _rows(file) for row in batch.rows]


TEXTS = ["Kadıköy", None, "", "Şile", "Kadıköy"] * 500
NUMBERS = [float(i) if i % 7 else None for i in range(len(TEXTS))]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_dictionary": False, "compression": "none"},
        {"data_page_version": "2.0", "compression": "zstd"},
        {"data_page_size": 100, "dictionary_pagesize_limit": 10, "write_page_index": True},
        {"use_dictionary": False, "column_encoding": {"ilçe": "DELTA_LENGTH_BYTE_ARRAY"}},
        {"write_page_checksum": True, "store_schema": False, "compression": "gzip"},
    ],
)
def test_listings_are_the_same_however_the_file_is_written(options: dict[str, Any]) -> None:
    table = {"note": [[1, 2]] * len(TEXTS), "area": NUMBERS, "ilçe": TEXTS}
    found = _listings(_file(table, table, **options))
    expected = [{"area": a, "ilçe": t} for a, t in zip(NUMBERS, TEXTS, strict=True)]
    assert found == expected * 2


def test_positions_go_on_from_batch_to_batch() -> None:
    table = {"ilçe": ["x"] * 1_000}
    batches = _rows(_file(table, table))
    assert [i for batch in batches for i in batch.positions] == list(range(2_000))
    assert max(map(len, batches)) == GRAPH_BATCH_ROWS


@pytest.mark.parametrize("compression", ["none", "zstd"])
@pytest.mark.parametrize("dictionary", [True, False])
def test_page_sizes_are_those_that_the_file_says_decompressed(
    *, compression: str, dictionary: bool
) -> None:
    values = [f"{i % 1_000:01000}" for i in range(2_000)]
    file = _file({"ilçe": values}, use_dictionary=dictionary, compression=compression)
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = measure_pages(content, ["ilçe"], time.monotonic() + 60)
    assert found.dictionaries == ({"ilçe"} if dictionary else set())
    bytes_per_row = 1_004 if not dictionary else 10 / 8  # or an index of 10 bits
    assert found.bytes_per_row == pytest.approx(bytes_per_row, rel=0.1)


def test_texts_that_are_large_together_are_listings_a_few_at_a_time() -> None:
    values = ["7" * 100_000] * 500
    batches = _rows(_file({"ilçe": values}))
    assert sum(map(len, batches)) == 500
    listed = [sum(len(row["ilçe"]) for row in batch.rows) for batch in batches]
    assert max(listed) <= parquet_reading.LISTED_BYTES


def test_a_text_that_is_too_long_is_named_and_loses_no_other_row() -> None:
    first, second = _rows(_file({"ilçe": ["a", "x" * (LONGEST_VALUE + 1), "b"]})), []
    for batch in first:
        second += batch.rows
        assert batch.positions == [0, 2]
        assert batch.bad == {1: "field 'ilçe' has 131073 bytes, of 131072 at most"}
    assert [row["ilçe"] for row in second] == ["a", "b"]


def _refused(file: BinaryIO) -> Problem:
    with pytest.raises(Problem) as refused:
        read_parquet(file, COLUMNS)
    return refused.value


def test_pages_that_are_large_decompressed_are_refused_before_they_are() -> None:
    text = pa.array(["7" * 4_000]).take(pa.array([0] * 20_000))
    file = _file({"ilçe": text}, use_dictionary=False, data_page_size=2**30, compression="zstd")
    assert file.seek(0, io.SEEK_END) < 100_000
    problem = _refused(file)
    assert problem.status == 413
    assert "largest pages of its columns have 800800" in problem.detail


def test_texts_that_are_parts_of_each_other_are_refused() -> None:
    encoding = {"ilçe": "DELTA_BYTE_ARRAY"}
    file = _file({"ilçe": ["a" * 1_000] * 9}, use_dictionary=False, column_encoding=encoding)
    problem = _refused(file)
    assert (problem.status, "DELTA_BYTE_ARRAY" in problem.detail) == (400, True)


@pytest.mark.parametrize(
    ("module", "name", "limit", "part"),
    [
        (parquet_reading, "MOST_ROWS", 9, "10 rows"),
        (parquet_reading, "LARGEST_FOOTER_BYTES", 20, "footer"),
        (parquet_reading, "CHECK_SECONDS", 0, "seconds|too long"),
        (parquet_pages, "MOST_PAGES", 1, "over 1 pages"),
    ],
)
def test_a_file_over_a_limit_is_refused(
    monkeypatch: pytest.MonkeyPatch, *, module: Any, name: str, limit: float, part: str
) -> None:
    file = _file({"ilçe": ["x"] * 10})
    assert len(_listings(file)) == 10
    monkeypatch.setattr(module, name, limit)
    problem = _refused(file)
    assert problem.status == 413
    assert any(one in problem.detail for one in part.split("|"))


def test_no_byte_that_is_wrong_is_a_fault_of_the_server() -> None:
    content = _file({"ilçe": TEXTS, "area": NUMBERS}).read()
    for position in range(0, len(content), 97):
        broken = bytearray(content)
        broken[position] ^= 0x55
        file = tempfile.TemporaryFile()  # noqa: SIM115
        file.write(broken)
        file.seek(0)
        try:
            _rows(file)
        except Problem as problem:
            assert problem.status in (400, 413, 422)  # noqa: PT017
        finally:
            file.close()


_READ = """
import resource, sys
from housing_serving.batch.parquet_reading import read_parquet
with open(sys.argv[1], "rb") as file:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = sum(len(batch) for batch in read_parquet(file, ["ilçe"]).batches)
    print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_file_of_a_few_hundred_bytes_takes_little_memory(tmp_path: Path) -> None:
    text = pa.array(["7" * 16_000]).take(pa.array([0] * 16_384))  # 256 MiB
    path = tmp_path / "small.parquet"
    pq.write_table(pa.table({"ilçe": text}), path, compression="zstd")
    assert path.stat().st_size < 1_000
    command = [sys.executable, "-c", _READ, str(path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    rows, kibibytes = map(int, answer)
    assert rows == 16_384
    assert kibibytes * 1024 < 64 * MEBIBYTE
