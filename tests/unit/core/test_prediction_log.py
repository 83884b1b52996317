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
