from datetime import UTC, datetime, timedelta, timezone

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from housing_core import prediction_log as log

MODEL = "homes.istanbul"
ISTANBUL = timezone(timedelta(hours=3))


def folder(hour: str) -> str:
    return f"predictions/model={MODEL}/hour={hour}"


def test_a_row_lies_under_its_model_and_its_hour_in_utc() -> None:
    time = datetime(2026, 11, 23, 1, 59, 59, 999_999, tzinfo=ISTANBUL)
    assert log.partition("predictions", MODEL, time) == folder("2026-11-22T22")
    assert log.partition("feedback", MODEL, time).startswith("feedback/model=")


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ((15, 10), (15, 50), ["15"]),
        ((15, 10), (16, 0), ["15", "16"]),
        ((13, 59), (16, 1), ["13", "14", "15", "16"]),
        ((15, 0), (15, 0), ["15"]),
        ((16, 0), (15, 0), []),
    ],
)
def test_a_window_s_folders_are_those_of_its_hours(start, end, hours) -> None:
    first, last = (datetime(2026, 11, 23, *time, tzinfo=UTC) for time in (start, end))
    assert log.partitions("predictions", MODEL, first, last) == [
        folder(f"2026-11-23T{hour}") for hour in hours
    ]


def test_every_row_of_a_window_lies_in_one_of_its_folders() -> None:
    start = datetime(2026, 11, 22, 20, 30, tzinfo=ISTANBUL)
    end = start + timedelta(hours=30)
    folders = log.partitions("predictions", MODEL, start, end)
    assert len(folders) == len(set(folders)) == 31
    assert folders == sorted(folders)
    for minutes in range(0, 30 * 60 + 1, 7):
        time = start + timedelta(minutes=minutes)
        assert log.partition("predictions", MODEL, time) in folders


def test_models_whose_names_begin_alike_do_not_share_folders() -> None:
    time = datetime(2026, 11, 23, tzinfo=UTC)
    one, other = (log.partition("predictions", m, time) for m in ("a.b", "a.b-c"))
    assert not other.startswith(f"{one.rpartition('/')[0]}/")


def test_the_schema_takes_a_prediction_and_survives_a_file(tmp_path) -> None:
    schema = log.predictions_schema(["Brüt Metrekare", "Ilce"])
    row = {
        log.REQUEST_ID: "r",
        log.ROW: 0,
        log.TIME: datetime(2026, 11, 23, 15, tzinfo=UTC),
        log.MODEL_VERSION: "3",
        log.TRACK: "production",
        log.FEATURES: {"Brüt Metrekare": '"85 m2"', "Ilce": None},
        log.PREDICTED_CLASS: "Low",
        log.PROBABILITIES: [0.5, 0.25, 0.25],
    }
    pq.write_table(pa.Table.from_pylist([row], schema=schema), tmp_path / "log.parquet")
    assert pq.read_table(tmp_path / "log.parquet").to_pylist() == [row]


def test_the_schema_of_feedback_takes_a_price() -> None:
    time = datetime(2026, 11, 23, 15, tzinfo=UTC)
    row = {log.REQUEST_ID: "r", log.ROW: 0, log.TIME: time, log.PRICE: 2_950_000.0}
    assert pa.Table.from_pylist([row], schema=log.feedback_schema()).to_pylist() == [row]


@pytest.mark.parametrize(
    ("name", "written", "compacted"),
    [
        ("istanbul-production-5d8-x7k-20261123T150000000000-000001.parquet", True, False),
        ("pod-1234567.parquet", True, False),
        ("compacted-0123456789abcdef.parquet", False, True),
        ("compacted-0123456789012345.parquet", False, True),
        (".pod-000001.parquet.7", False, False),
        ("_pod-000001.parquet", False, False),
        ("pod-1.parquet", False, False),
        ("export.parquet", False, False),
        ("notes.txt", False, False),
    ],
)
def test_the_logs_files_are_known_by_their_names(name, written, compacted) -> None:
    assert (log.is_written(name), log.is_compacted(name)) == (written, compacted)


@pytest.mark.parametrize(
    ("folder", "hour"),
    [
        ("hour=2026-11-23T15", datetime(2026, 11, 23, 15, tzinfo=UTC)),
        ("hour=2026-13-23T15", None),
        ("hour=2026-11-23", None),
        ("notes", None),
    ],
)
def test_the_hour_of_a_folder(folder, hour) -> None:
    assert log.hour_of(folder) == hour


def test_the_hour_of_a_partition_is_that_of_its_rows() -> None:
    time = datetime(2026, 11, 23, 15, 59, tzinfo=UTC)
    name = log.partition("predictions", MODEL, time).rpartition("/")[2]
    assert log.hour_of(name) == time.replace(minute=0)


def test_what_is_replaced_survives_the_metadata_and_stays_small() -> None:
    names = [f"pod-a-{number:06d}.parquet" for number in range(1, 1_801) if number != 7]
    first = log.Replaced.by(dict.fromkeys(names))
    former = log.compacted_name(names)
    both = log.Replaced.by({former: first, "pod-b-000007.parquet": None})
    metadata = both.to_metadata()
    assert sum(map(len, metadata.values())) < 200
    found = log.Replaced.from_metadata(metadata)
    assert found == both
    for name in (*names, former, "pod-b-000007.parquet"):
        assert name in found
    for name in ("pod-a-000007.parquet", "pod-b-000001.parquet", "notes.txt", ".pod-a-000001"):
        assert name not in found
    assert former not in first


@pytest.mark.parametrize(
    "text", [None, b"", b"{}", b"[]", b'{"sequences": 3, "compacted": []}', b"\xff"]
)
def test_metadata_that_say_nothing_are_none(text) -> None:
    metadata = None if text is None else {b"housing-operator.replaced": text}
    assert log.Replaced.from_metadata(metadata) is None
