"""Compaction and retention on a volume and in a real S3 server, and what a kill leaves of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pyarrow.parquet as pq
import pytest

from housing_core import prediction_log as log
from housing_core import storage
from housing_core.log_reading.files import current_files
from housing_monitoring.log import compaction
from housing_monitoring.log.housekeeping import Kept, keep_log
from tests.prediction_logs import predictions_table
from tests.s3_server import S3Server

MODEL = "homes.istanbul"
FILES = 6

RUNS = """
import os, sys, threading
from datetime import datetime, timedelta
from pathlib import Path
import pyarrow
from housing_monitoring.log import compaction, housekeeping

compaction.READERS = 1
pyarrow.array([1])  # imports pandas where there is one, which would take long under the profiler

def run(now, folder, last):
    changes, former = -1, None

    def look(*_):
        # At every call and return, of C too: has the folder changed since?
        nonlocal changes, former
        try:
            present = sorted((entry.name, entry.stat().st_size) for entry in os.scandir(folder))
        except FileNotFoundError:
            return  # another thread deletes one just now
        if present != former:
            changes, former = changes + 1, present
            if changes == last:
                os._exit(9)

    threading.setprofile(look)
    sys.setprofile(look)
    housekeeping.keep_log(sys.argv[1], sys.argv[2], timedelta(days=30), now)
    sys.setprofile(None)
    print(changes, flush=True)
    os._exit(0)

for line in sys.stdin:
    now, last, folder = line.split(" ", 2)
    child = os.fork()
    if child == 0:
        run(datetime.fromisoformat(now), Path(folder.strip()), int(last))
    print("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Runs that end without a word after so many changes of a folder."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["volume", "s3"])
def uri(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A place for a log, empty."""
    if request.param == "volume":
        return str(tmp_path / "log")
    server: S3Server = request.getfixturevalue("server")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    bucket = f"tests-{uuid4().hex}"
    (server.folder / bucket).mkdir()
    return f"s3://{bucket}/log"


def keep(uri: str, now: datetime) -> Kept:
    return keep_log(uri, MODEL, timedelta(days=30), now)


def write(uri: str, time: datetime, number: int, name: str = "") -> storage.Location:
    """Write one file as serving does; returns its folder."""
    folder = storage.locate(uri).child(log.partition("predictions", MODEL, time))
    table = predictions_table([{"area": number}, {"area": -number}], time, request_id=f"r{number}")
    with storage.writing(folder.child(name or f"pod-{number:06d}.parquet")) as stream:
        pq.write_table(table, stream)
    return folder


def names(folder: storage.Location) -> list[str]:
    return [file.uri.rpartition("/")[2] for file in storage.list_folder(folder)]


def rows(files: list[storage.DataFile]) -> list[tuple[str, int, str]]:
    found = []
    for file in files:
        if not file.uri.rpartition("/")[2].startswith("."):
            with storage.open_file(file.uri) as handle:
                found += [
                    (r[log.REQUEST_ID], r[log.ROW], r[log.FEATURES]["area"])
                    for r in pq.read_table(handle).to_pylist()
                ]
    return sorted(found)


def test_an_hour_becomes_one_file_and_an_old_one_goes(uri: str) -> None:
    now = datetime.now(UTC)
    old = write(uri, now - timedelta(days=31), 1)
    write(uri, now - timedelta(days=31), 2)
    foreign = write(uri, now - timedelta(days=32), 1, "export.parquet")
    for number in range(1, FILES + 1):
        folder = write(uri, now - timedelta(hours=3), number)
    before = rows(storage.list_folder(folder))
    kept = keep(uri, now)
    assert (kept.hours, kept.files, kept.rows, kept.deleted) == (1, FILES, 2 * FILES, 2)
    assert [name.rpartition("/")[2] for name in kept.left_alone] == ["export.parquet"]
    assert names(foreign) == ["export.parquet"]
    hours = storage.list_folders(storage.locate(uri).child(f"predictions/model={MODEL}"))
    assert old.path.rpartition("/")[2] not in hours
    assert len(hours) == 2
    assert rows(current_files(folder)) == before

    # Its clock is the storage's: the run an hour later finds nobody who could still read them.
    kept = keep(uri, now + timedelta(hours=1))
    assert kept.deleted == FILES
    (name,) = names(folder)
    assert log.is_compacted(name)
    assert rows(storage.list_folder(folder)) == before
    assert keep(uri, now + timedelta(hours=1)).files == 0


@pytest.mark.parametrize("uri", ["volume"], indirect=True)
@pytest.mark.parametrize("later", [0, 1], ids=["while it merges", "while it deletes"])
def test_killed_at_any_point_nothing_is_lost_or_read_twice(uri: str, later: int) -> None:
    start = datetime.now(UTC)
    now = start + timedelta(hours=later)

    def fresh(hours: int) -> storage.Location:
        for number in range(1, FILES + 1):
            folder = write(uri, start - timedelta(hours=hours), number)
        if later:
            keep(uri, start)
        return folder

    with subprocess.Popen(
        [sys.executable, "-c", RUNS, uri, MODEL],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as runs:
        assert runs.stdin is not None
        assert runs.stdout is not None

        def run(folder: storage.Location, last: int) -> list[str]:
            runs.stdin.write(f"{now.isoformat()} {last} {folder.path}\n")
            runs.stdin.flush()
            said = [runs.stdout.readline()]
            if not said[0].startswith("ended"):
                said.append(runs.stdout.readline())
            return [line.strip() for line in said]

        expected = rows(current_files(fresh(3)))
        changes, ended = run(fresh(4), 1_000)
        assert ended == "ended 0"
        killed = 0
        for number in range(int(changes) + 1):
            folder = fresh(5 + number)
            *fewer, ended = run(folder, number)
            # Threads delete: where two do at once, a run may be over before so many changes.
            assert ended == "ended 9" or int(fewer[0]) < number
            killed += ended == "ended 9"
            # Whoever reads now, by the listing or whole, finds each row; the listing names it once.
            assert rows(current_files(folder)) == expected
            assert sorted(set(rows(storage.list_folder(folder)))) == expected
            for hours in (0, 1, 2):
                keep(uri, now + timedelta(hours=hours))
                assert rows(current_files(folder)) == expected
            kept = [log.is_compacted(name) for name in names(folder) if name[0] != "."]
            assert kept == [True]
        # The new file begun, written and renamed; or half of the others deleted.
        assert killed >= 3
        runs.stdin.close()


def test_a_server_that_is_away_is_no_mistake_of_a_persons(
    server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    server.stop()
    try:
        with pytest.raises(storage.StorageUnavailableError):
            keep("s3://bucket/log", datetime.now(UTC))
    finally:
        server.start()


def test_an_hour_of_many_rows_needs_little_memory(tmp_path: Path) -> None:
    """Half a gigabyte of rows in memory would be over this limit."""
    start = datetime.now(UTC) - timedelta(hours=3)
    root = tmp_path / "log"
    folder = root / log.partition("predictions", MODEL, start)
    folder.mkdir(parents=True)
    listing = {f"column {n}": "x" * 40 for n in range(20)}
    table = predictions_table([listing] * 5_000, start)
    pq.write_table(table, tmp_path / "one.parquet")
    for number in range(1, 101):
        shutil.copy(tmp_path / "one.parquet", folder / f"pod-{number:06d}.parquet")
    script = (
        "import resource, sys; from datetime import datetime, timedelta, UTC;"
        "from housing_monitoring.log import housekeeping;"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "kept = housekeeping.keep_log(*sys.argv[1:], timedelta(days=30), datetime.now(UTC));"
        "after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "print(kept.rows, (after - before) // 1024)"
    )
    command = [sys.executable, "-c", script, str(root), MODEL]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    merged, mebibytes = map(int, output.split())
    assert merged == 500_000
    assert mebibytes < 250
    assert compaction.ROW_GROUP_BYTES < 32 * 1024**2
