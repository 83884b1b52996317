"""The storage door against a real S3-compatible server."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from housing_core import storage
from housing_core.storage import StorageError, StorageUnavailableError
from tests.s3_server import S3Server

SUFFIXES = storage.DATASET_SUFFIXES["Auto"]
NAMES = ("a.csv", "b.parquet", "2023/c.csv", "2023/_temporary/d.csv", ".hidden/e.csv", "notes.md")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def bucket(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket of this test with a folder of listings; the environment leads to the server."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    made = f"tests-{uuid4().hex}"
    (server.folder / made).mkdir()
    root = storage.locate(f"s3://{made}/listings")
    for name in NAMES:
        storage.write_file(root.child(name), name.encode())
    return made


def uris(found: list[storage.DataFile]) -> list[str]:
    return [file.uri.partition("/listings/")[2] for file in found]


def test_a_prefix_is_a_folder_and_a_key_is_a_file(bucket: str) -> None:
    for uri in (f"s3://{bucket}/listings", f"s3://{bucket}/listings/", f"s3://{bucket}"):
        assert uris(storage.list_files(uri, SUFFIXES)) == ["2023/c.csv", "a.csv", "b.parquet"]
    (file,) = storage.list_files(f"s3://{bucket}/listings/notes.md", SUFFIXES)
    assert file.size == len("notes.md")
    assert storage.open_file(file.uri).read() == b"notes.md"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("*.csv", ["a.csv"]), ("*/*.csv", ["2023/c.csv"]), ("[ab].*", ["a.csv", "b.parquet"])],
)
def test_a_glob_is_every_match(bucket: str, pattern: str, expected: list[str]) -> None:
    assert uris(storage.list_files(f"s3://{bucket}/listings/{pattern}", SUFFIXES)) == expected


def test_a_parquet_reader_can_seek_in_an_object(bucket: str) -> None:
    with storage.open_file(f"s3://{bucket}/listings/2023/c.csv") as handle:
        handle.seek(5)
        assert handle.read() == b"c.csv"


def test_what_is_not_there_is_told_with_its_neighbours(bucket: str) -> None:
    with pytest.raises(StorageError, match=r"there is nothing at .*beside it are: .*a\.csv"):
        storage.list_files(f"s3://{bucket}/listings/a.cvs", SUFFIXES)
    with pytest.raises(StorageError, match="no file matches"):
        storage.list_files(f"s3://{bucket}/listings/*.xlsx", SUFFIXES)
    with pytest.raises(StorageError, match="there is nothing at"):
        storage.list_files(f"s3://{bucket}-2/listings", SUFFIXES)
    with pytest.raises(StorageError, match="cannot be opened"):
        storage.open_file(f"s3://{bucket}/listings/none.csv")
    assert storage.list_folder(storage.locate(f"s3://{bucket}/none")) == []


def test_the_fingerprint_follows_the_objects(bucket: str) -> None:
    def now() -> str:
        return storage.fingerprint(storage.list_files(f"s3://{bucket}/listings", SUFFIXES))

    before = now()
    assert now() == before
    storage.write_file(storage.locate(f"s3://{bucket}/listings/new.csv"), b"x")
    assert now() != before


def test_a_folder_of_the_log_is_listed_without_what_is_below(bucket: str) -> None:
    found = storage.list_folder(storage.locate(f"s3://{bucket}/listings"))
    assert uris(found) == ["a.csv", "b.parquet", "notes.md"]


def test_a_wrong_key_is_no_outage(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StorageError) as caught:
        storage.list_files(f"s3://{bucket}/listings", SUFFIXES)
    assert not isinstance(caught.value, StorageUnavailableError)
    with pytest.raises(StorageError, match="cannot be written"):
        storage.write_file(storage.locate(f"s3://{bucket}/x"), b"x")


def test_a_server_that_is_away_is_an_outage(bucket: str, server: S3Server) -> None:
    server.stop()
    try:
        with pytest.raises(StorageUnavailableError, match="cannot be listed"):
            storage.list_files(f"s3://{bucket}/listings", SUFFIXES)
        with pytest.raises(StorageUnavailableError, match="cannot be listed"):
            storage.list_folder(storage.locate(f"s3://{bucket}/listings"))
        with pytest.raises(StorageUnavailableError, match="cannot be opened"):
            storage.open_file(f"s3://{bucket}/listings/a.csv")
        with pytest.raises(StorageError, match="cannot be written"):
            storage.write_file(storage.locate(f"s3://{bucket}/x"), b"x")
    finally:
        server.start()
    assert storage.list_files(f"s3://{bucket}/listings/a.csv", SUFFIXES)
