"""The window is read from a real S3 server as from a volume, in files of any size."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from housing_core.bundle import CategoricalProfile, Reference
from housing_core.cleaning import CleaningRules
from housing_core.log_reading import files as log_files
from housing_core.storage import StorageError, StorageUnavailableError
from housing_monitoring.log.window import Window, read_window
from housing_monitoring.profile import Profile
from tests.prediction_logs import predictions_table, write_table
from tests.s3_server import S3Server

MODEL = "homes.istanbul"
NOW = datetime(2026, 11, 23, 15, 30, tzinfo=UTC)
FEATURE = CategoricalProfile(rows=1, missing=0, counts={}, cardinality=0)
PROFILE = Profile(
    CleaningRules(texts=("district",)),
    Reference(rows=1, holdout_rows=0, features={"district": FEATURE}, class_shares={}, scores={}),
)


@pytest.fixture(params=["small", "large"])
def server(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[S3Server]:
    """One with a log of four files, which are fetched whole or a row group at a time."""
    if request.param == "large":
        monkeypatch.setattr(log_files, "WHOLE_FILE_BYTES", 0)
    server = S3Server(tmp_path / "s3")
    root = server.folder / "log"
    root.mkdir(parents=True)
    for hours in range(1, 5):
        rows = [{"district": f"district {number % 7}"} for number in range(1_000)]
        time = NOW - timedelta(hours=hours)
        path = write_table(root, MODEL, predictions_table(rows, time), time)
        pq.write_table(pq.read_table(path), path, row_group_size=300)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    server.start()
    yield server
    server.stop()


def read(uri: str) -> Window:
    return read_window(uri, MODEL, "1", PROFILE, start=NOW - timedelta(hours=24), now=NOW)


def test_the_window_is_the_same_as_on_a_volume(server: S3Server) -> None:
    remote, local = read("s3://log"), read(str(server.folder / "log"))
    assert remote.rows == 4_000
    assert remote.skipped_files == {}
    assert remote.features["district"].counts.tolist() == local.features["district"].counts.tolist()
    assert replace(remote, features={}, classes={}, confidences=local.confidences) == replace(
        local, features={}, classes={}
    )


def test_a_spoiled_file_is_named_and_one_that_is_away_is_an_outage(server: S3Server) -> None:
    path = min((server.folder / "log").rglob("*.parquet"))
    content = bytearray(path.read_bytes())
    begin = pq.read_metadata(path).row_group(1).column(0).data_page_offset
    content[begin : begin + 8] = b"\xff" * 8
    path.write_bytes(bytes(content))
    window = read("s3://log")
    assert window.rows == 3_000
    ((name, why),) = window.skipped_files.items()
    assert name == f"s3://log/{path.relative_to(server.folder / 'log')}"
    assert "corrupt" in why
    (file,) = next(
        files
        for files in log_files.list_hours(
            "s3://log", "predictions", MODEL, NOW - timedelta(hours=1), NOW
        )
        if files
    )
    server.stop()
    with pytest.raises(StorageUnavailableError):
        list(log_files.read_columns(file, log_files.PREDICTIONS))
    with pytest.raises(StorageError):
        log_files.read_features(log_files.Stretch(file), ["district"])


def test_a_file_that_was_removed_meanwhile_is_named(server: S3Server) -> None:
    hours = log_files.list_hours("s3://log", "predictions", MODEL, NOW - timedelta(hours=1), NOW)
    (file,) = next(files for files in hours if files)
    (server.folder / file.uri.removeprefix("s3://")).unlink()
    with pytest.raises(log_files.NotOfTheLogError, match="was removed"):
        list(log_files.read_columns(file, log_files.PREDICTIONS))
