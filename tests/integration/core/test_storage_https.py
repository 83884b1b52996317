"""The storage door against a real HTTPS server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from housing_core import storage
from housing_core.storage import StorageError, StorageUnavailableError
from tests.https_server import BUSY, CUT, REFUSES_HEAD, HttpsServer, https_server
from tests.mlflow_server import free_port

CONTENT = b"price,area\n1,2\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A file below each way to answer."""
    for place in (".", REFUSES_HEAD, BUSY, CUT):
        path = tmp_path / "served" / place / "listings.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(CONTENT)
    return tmp_path / "served"


@pytest.fixture
def server(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpsServer]:
    with https_server(folder, tmp_path) as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.mark.parametrize("place", ["", f"/{REFUSES_HEAD}"])
def test_a_file_is_listed_and_read(server: HttpsServer, place: str) -> None:
    uri = f"{server.url}{place}/listings.csv"
    (file,) = storage.list_files(uri, storage.DATASET_SUFFIXES["Auto"])
    assert (file.uri, file.size) == (uri, len(CONTENT))
    with storage.open_file(uri) as handle:
        handle.seek(6)
        assert handle.read() == CONTENT[6:]


def test_the_fingerprint_follows_the_file(server: HttpsServer, folder: Path) -> None:
    def now() -> str:
        return storage.fingerprint(storage.list_files(f"{server.url}/listings.csv", ()))

    before = now()
    assert now() == before
    os.utime(folder / "listings.csv", (0, 0))  # of equal length, and written at another time
    assert now() != before


def test_what_is_not_there_is_no_outage(server: HttpsServer) -> None:
    with pytest.raises(StorageError, match=r"/none\.csv' cannot be reached: 404") as caught:
        storage.list_files(f"{server.url}/none.csv", ())
    assert not isinstance(caught.value, StorageUnavailableError)


def test_a_server_that_is_busy_or_away_is_an_outage(server: HttpsServer) -> None:
    with pytest.raises(StorageUnavailableError, match="cannot be reached: 503"):
        storage.list_files(f"{server.url}/{BUSY}/listings.csv", ())
    with pytest.raises(StorageUnavailableError, match="cannot be fetched: 503"):
        storage.open_file(f"{server.url}/{BUSY}/listings.csv")
    with pytest.raises(StorageUnavailableError, match="cannot be reached"):
        storage.list_files(f"https://localhost:{free_port()}/listings.csv", ())


def test_a_file_that_ends_early_is_not_taken_for_whole(server: HttpsServer) -> None:
    with pytest.raises(StorageUnavailableError, match="cannot be fetched"):
        storage.open_file(f"{server.url}/{CUT}/listings.csv")


def test_a_certificate_that_nobody_vouches_for_is_refused(
    server: HttpsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(StorageError, match=r"(?i)certificate"):
        storage.list_files(f"{server.url}/listings.csv", ())


def test_a_file_beyond_the_limit_is_refused(
    server: HttpsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("housing_core.storage.https.LIMIT_BYTES", 10)
    with pytest.raises(StorageError, match="is larger than 10 bytes"):
        storage.open_file(f"{server.url}/listings.csv")
