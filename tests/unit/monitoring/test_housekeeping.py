"""What is kept of a prediction log, and what goes."""

import os
from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest

from housing_core import prediction_log as log
from housing_monitoring.log.housekeeping import BUDGET_SECONDS, due, keep_log
from tests.prediction_logs import predictions_table

NOW = datetime(2026, 11, 23, 18, 10, tzinfo=UTC)
MODEL = "homes.istanbul"


def folders(*ages):
    """Names of the folders of hours that began so many hours before this one."""
    this = NOW.replace(minute=0)
    return [
        log.partition("predictions", MODEL, this - timedelta(hours=age)).rpartition("/")[2]
        for age in ages
    ]


@pytest.mark.parametrize(
    ("age", "where"),
    [
        pytest.param(-1, None, id="in the future"),
        pytest.param(0, None, id="under way"),
        pytest.param(1, None, id="just ended"),
        pytest.param(2, "finished", id="over an hour old"),
        pytest.param(48, "finished", id="two days old"),
        pytest.param(49, None, id="looked at once a day: not now"),
        pytest.param(72, "finished", id="looked at once a day: now"),
        pytest.param(30 * 24, "finished", id="its newest row is not yet too old"),
        pytest.param(30 * 24 + 1, "expired", id="too old"),
        pytest.param(31 * 24, "expired", id="older still"),
    ],
)
def test_an_hour_is_left_alone_or_compacted_or_deleted(age, where):
    expired, finished = due(folders(age), NOW, timedelta(days=30))
    assert {"expired": bool(expired), "finished": bool(finished)}[where or "expired"] == bool(where)
    assert len(expired) + len(finished) == bool(where)


def test_every_older_hour_has_its_turn_within_a_day():
    names = folders(*range(49, 400))
    seen = set()
    for hour in range(24):
        seen |= set(due(names, NOW + timedelta(hours=hour), timedelta(days=30))[1])
    assert seen == set(names)


def test_other_folders_are_passed_over():
    assert due(["notes", "hour=2020", "hour=2020-99-01T00"], NOW, timedelta(days=1)) == ((), ())


def keep(root, *clock):
    return keep_log(str(root), MODEL, timedelta(days=30), NOW, *clock)


def write(root, age, number=1, *, model=MODEL, table="predictions", name=None):
    time = NOW - timedelta(hours=age)
    folder = root / log.partition(table, model, time)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (name or f"pod-{number:06d}.parquet")
    rows = predictions_table([{"area": number}], time)
    if table == "feedback":
        rows = rows.select([log.REQUEST_ID, log.ROW, log.TIME]).append_column(
            log.PRICE, [[float(number)]]
        )
    pq.write_table(rows, path)
    return path


@pytest.mark.parametrize("table", log.TABLES)
def test_old_hours_go_with_their_folders_and_finished_ones_become_one_file(tmp_path, table):
    old = [write(tmp_path, 31 * 24, n, table=table) for n in (1, 2)]
    finished = [write(tmp_path, 3, n, table=table) for n in (1, 2)]
    fresh = [write(tmp_path, 0, n, table=table) for n in (1, 2)]
    kept = keep(tmp_path)
    assert (kept.hours, kept.files, kept.rows, kept.deleted) == (1, 2, 2, 2)
    assert not old[0].parent.exists()
    assert len(list(finished[0].parent.iterdir())) == 3
    assert all(path.exists() for path in fresh)
    assert not kept.problems


def test_a_neighbours_log_in_the_same_place_is_not_touched(tmp_path):
    theirs = [
        write(tmp_path, age, n, model=model)
        for model in ("homes.istanbul-2", "other.istanbul", "homes")
        for age in (3, 31 * 24)
        for n in (1, 2)
    ]
    before = sorted(tmp_path.rglob("*"))
    kept = keep(tmp_path)
    assert not kept.anything
    assert sorted(tmp_path.rglob("*")) == before
    assert all(path.exists() for path in theirs)


def test_foreign_files_stay_with_their_folder_and_are_named(tmp_path):
    old = write(tmp_path, 31 * 24)
    notes = old.parent / "notes.txt"
    notes.write_text("mine")
    export = write(tmp_path, 31 * 24, name="export.parquet")
    kept = keep(tmp_path)
    assert sorted(kept.left_alone) == sorted(map(str, (notes, export)))
    assert set(kept.left_alone.values()) == {"is not a file of the prediction log"}
    assert sorted(old.parent.iterdir()) == sorted((notes, export))


def test_an_empty_folder_of_a_finished_hour_goes_and_a_present_one_stays(tmp_path):
    for age in (0, 3):
        write(tmp_path, age).unlink()
    keep(tmp_path)
    (left,) = (tmp_path / "predictions" / f"model={MODEL}").iterdir()
    assert left.name == folders(0)[0]


def test_what_a_killed_writer_left_goes_after_a_day(tmp_path):
    path = write(tmp_path, 3)
    partial = path.with_name(".pod-000002.parquet.1")
    theirs = path.with_name(".nfs0001")
    for hidden in (partial, theirs):
        hidden.write_bytes(b"half")
    os.utime(partial, (NOW.timestamp() - 3600,) * 2)
    keep(tmp_path)
    assert partial.exists()
    for hidden in (partial, theirs):
        os.utime(hidden, (NOW.timestamp() - 2 * 86_400,) * 2)
    kept = keep(tmp_path)
    assert not partial.exists()
    assert list(kept.left_alone) == [str(theirs)]


def test_a_run_out_of_time_leaves_the_rest_to_the_next(tmp_path):
    for age in (3, 4, 5):
        for number in (1, 2):
            write(tmp_path, age, number)
    ticks = iter([0.0, 1.0, BUDGET_SECONDS + 1, BUDGET_SECONDS + 2])
    kept = keep(tmp_path, lambda: next(ticks))
    assert (kept.hours, kept.unfinished) == (1, 2)
    assert keep(tmp_path).hours == 2


def test_a_folder_that_cannot_be_written_is_a_problem_and_the_others_are_kept(tmp_path):
    write(tmp_path, 4, 1)
    broken = write(tmp_path, 4, 2).parent
    for number in (1, 2):
        write(tmp_path, 3, number)
    target = log.compacted_name(sorted(path.name for path in broken.iterdir()))
    (broken / target).mkdir()
    (broken / target / "in the way").write_text("")
    kept = keep(tmp_path)
    (problem,) = kept.problems
    assert f"{target} cannot be written" in problem
    assert kept.hours == 1


def test_a_log_that_is_not_there_yet_is_kept_as_it_is(tmp_path):
    assert not keep(tmp_path).anything
