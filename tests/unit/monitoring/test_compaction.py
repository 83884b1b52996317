"""Files of a few seconds become one of an hour; nobody misses a row meanwhile, or after a kill."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from housing_core import prediction_log as log
from housing_core import storage
from housing_core.log_reading.files import current_files
from housing_core.prediction_log import Replaced
from housing_monitoring.log import compaction
from housing_monitoring.log.compaction import GRACE, compact, plan
from tests.prediction_logs import predictions_table

HOUR = datetime(2026, 11, 23, 15, tzinfo=UTC)
NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
MODEL = "homes.istanbul"
OLD, YOUNG = NOW - GRACE - timedelta(minutes=1), NOW - GRACE + timedelta(minutes=1)
A, B = "compacted-aaaaaaaaaaaaaaaa.parquet", "compacted-bbbbbbbbbbbbbbbb.parquet"


def written(*numbers, writer="pod"):
    return [f"{writer}-{number:06d}.parquet" for number in numbers]


def replacing(*names, **former):
    return Replaced.by({name: former.get(name) for name in names})


@pytest.mark.parametrize(
    ("files", "compacted", "merge", "delete"),
    [
        pytest.param([], {}, [], [], id="nothing"),
        pytest.param(written(1), {}, [], [], id="one file is one file"),
        pytest.param(written(1, 2), {}, written(1, 2), [], id="two become one"),
        pytest.param(
            written(1, 2), {A: (replacing(*written(1, 2)), YOUNG)}, [], [], id="may still be read"
        ),
        pytest.param(
            written(1, 2),
            {A: (replacing(*written(1, 2)), OLD)},
            [],
            written(1, 2),
            id="nobody reads them any more",
        ),
        pytest.param(
            written(2),
            {A: (replacing(*written(1, 2)), OLD)},
            [],
            written(2),
            id="killed while it deleted",
        ),
        pytest.param([], {A: (replacing(*written(1, 2)), OLD)}, [], [], id="done"),
        pytest.param(
            written(3),
            {A: (replacing(*written(1, 2)), OLD)},
            [A, *written(3)],
            [],
            id="one came late",
        ),
        pytest.param(
            written(2, 3),
            {A: (replacing(*written(1, 2)), OLD)},
            [A, *written(3)],
            written(2),
            id="late, after a kill",
        ),
        pytest.param(
            written(3),
            {
                A: (replacing(*written(1, 2)), OLD),
                B: (Replaced.by({A: replacing(*written(1, 2)), written(3)[0]: None}), OLD),
            },
            [],
            [A, *written(3)],
            id="the second replaces the first",
        ),
        pytest.param(
            written(1, writer="other"),
            {A: (replacing(*written(1)), OLD)},
            [A, *written(1, writer="other")],
            [],
            id="another writer's",
        ),
    ],
)
def test_what_is_done_in_a_folder(files, compacted, merge, delete):
    todo = plan(files, compacted, NOW)
    assert sorted(todo.merge) == sorted(merge)
    assert sorted(todo.delete) == sorted(delete)


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / log.partition("predictions", MODEL, HOUR)
    place.mkdir(parents=True)
    return storage.locate(str(place))


def write(folder, number, rows=2, columns=("area", "rooms"), writer="pod"):
    table = predictions_table(
        [dict.fromkeys(columns, f"{writer}-{number}-{row}") for row in range(rows)],
        HOUR,
        request_id=f"{writer}-{number}",
    )
    (name,) = written(number, writer=writer)
    pq.write_table(table, Path(folder.path) / name)
    return name


def run(folder, now=NOW):
    return compact(folder, storage.list_folder(folder), "predictions", now)


def age(folder, age=GRACE + timedelta(minutes=1)):
    """Every file of the folder becomes so old."""
    for path in Path(folder.path).iterdir():
        os.utime(path, ((NOW - age).timestamp(),) * 2)


def names(folder):
    return sorted(path.name for path in Path(folder.path).iterdir())


def rows_of(files):
    """(request id, row) → area, of every row in these files, each file whole."""
    found = []
    for file in files:
        if not (name := file.uri.rpartition("/")[2]).startswith("."):
            assert name.endswith(".parquet")
            found += [
                ((r[log.REQUEST_ID], r[log.ROW]), r[log.FEATURES]["area"])
                for r in pq.read_table(file.uri).to_pylist()
            ]
    return found


def test_an_hour_becomes_one_file_and_later_the_others_go(folder):
    for number in range(1, 31):
        write(folder, number)
    before = rows_of(storage.list_folder(folder))
    done = run(folder)
    assert (done.files, done.rows, done.deleted) == (30, 60, 0)
    assert len(names(folder)) == 31
    assert sorted(rows_of(current_files(folder))) == sorted(before)

    age(folder)
    done = run(folder)
    assert (done.files, done.deleted) == (0, 30)
    (name,) = names(folder)
    assert log.is_compacted(name)
    assert sorted(rows_of(storage.list_folder(folder))) == sorted(before)
    assert run(folder).files == 0
    assert names(folder) == [name]


def test_what_is_replaced_stays_while_somebody_may_still_read_it(folder):
    for number in (1, 2):
        write(folder, number)
    run(folder)
    age(folder, GRACE - timedelta(minutes=1))
    assert run(folder).deleted == 0
    assert len(names(folder)) == 3


def test_a_second_run_meanwhile_does_nothing(folder):
    for number in (1, 2):
        write(folder, number)
    run(folder)
    before = names(folder)
    assert run(folder).files == 0
    assert names(folder) == before


def test_what_comes_late_is_merged_too(folder):
    for number in (1, 2):
        write(folder, number)
    run(folder)
    age(folder)
    run(folder)
    write(folder, 3)
    expected = rows_of(storage.list_folder(folder))
    assert run(folder).files == 2
    assert sorted(rows_of(current_files(folder))) == sorted(expected)
    age(folder)
    run(folder)
    assert len(names(folder)) == 1
    assert sorted(rows_of(current_files(folder))) == sorted(expected)


def test_features_that_only_some_files_have_are_all_kept(folder):
    write(folder, 1, columns=("area", "rooms"))
    write(folder, 2, columns=("area", "floor"))
    run(folder)
    (merged,) = (n for n in names(folder) if log.is_compacted(n))
    rows = pq.read_table(Path(folder.path) / merged).to_pylist()
    assert [sorted(k for k, v in r[log.FEATURES].items() if v) for r in rows] == [
        *[["area", "rooms"]] * 2,
        *[["area", "floor"]] * 2,
    ]


def test_a_column_that_a_later_writer_adds_is_kept(folder):
    name = write(folder, 1)
    path = Path(folder.path) / name
    added = pa.array([0.1, 0.2])
    table = pq.read_table(path).append_column(pa.field("seconds", pa.float64(), False), added)
    pq.write_table(table, path)
    write(folder, 2)
    run(folder)
    (merged,) = (n for n in names(folder) if log.is_compacted(n))
    assert pq.read_table(Path(folder.path) / merged)["seconds"].to_pylist() == [
        0.1,
        0.2,
        None,
        None,
    ]


def test_a_damaged_and_a_foreign_file_are_left_alone_and_named(folder):
    for number in (1, 2):
        write(folder, number)
    path = Path(folder.path)
    (path / "pod-000003.parquet").write_bytes(b"PAR1 half of it")
    pq.write_table(pa.table({"a": [1]}), path / "pod-000004.parquet")
    content = (path / write(folder, 5, rows=2_000)).read_bytes()
    middle = len(content) // 3
    (path / "pod-000005.parquet").write_bytes(
        content[:middle] + bytes(len(content) // 4) + content[middle + len(content) // 4 :]
    )
    (path / "notes.txt").write_text("mine")
    (path / ".pod-000006.parquet.7").write_bytes(b"being written")
    before = names(folder)
    for _ in range(2):
        done = run(folder)
        assert sorted(done.unreadable) == [f"pod-{n:06d}.parquet" for n in (3, 4, 5)]
        assert "has no column" in done.unreadable["pod-000004.parquet"]
        age(folder)
    assert sorted({*before} - {*names(folder)}) == written(1, 2)


def test_memory_does_not_grow_with_the_hour(folder, monkeypatch):
    """Rows are written in groups of a bounded size."""
    monkeypatch.setattr(compaction, "ROW_GROUP_BYTES", 50_000)
    for number in range(1, 21):
        write(folder, number, rows=200)
    run(folder)
    (merged,) = (n for n in names(folder) if log.is_compacted(n))
    file = pq.ParquetFile(Path(folder.path) / merged)
    assert file.num_row_groups >= 5
    assert max(file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)) < 1_000


def test_feedback_is_compacted_too(tmp_path):
    place = tmp_path / log.partition("feedback", MODEL, HOUR)
    place.mkdir(parents=True)
    for number in (1, 2):
        row = {log.REQUEST_ID: f"r{number}", log.ROW: 0, log.TIME: HOUR, log.PRICE: 1.5}
        table = pa.Table.from_pylist([row], schema=log.feedback_schema())
        pq.write_table(table, place / f"pod-{number:06d}.parquet")
    folder = storage.locate(str(place))
    done = compact(folder, storage.list_folder(folder), "feedback", NOW)
    assert (done.files, done.rows) == (2, 2)
