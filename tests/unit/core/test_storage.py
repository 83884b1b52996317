"""The storage door on a local file system; S3 has its own tests against a real server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from housing_core import storage
from housing_core.storage import StorageError

SUFFIXES = storage.DATASET_SUFFIXES["Auto"]


def names(files: list[storage.DataFile], root: Path) -> list[str]:
    return [str(Path(file.uri).relative_to(root)) for file in files]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of listings with what else lies about in one."""
    for name in (
        *("b.csv", "a.CSV", "c.parquet", "notes.md", ".hidden.csv", "_being_written.csv"),
        *("2023/d.csv.gz", "2023/deep/e.tsv", ".git/f.csv", "_temporary/g.csv"),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def test_a_folder_is_every_data_file_in_it_and_below(root: Path) -> None:
    expected = ["2023/d.csv.gz", "2023/deep/e.tsv", "a.CSV", "b.csv", "c.parquet"]
    for uri in (f"{root}", f"{root}/"):
        assert names(storage.list_files(uri, SUFFIXES), root) == expected


def test_a_folder_can_be_narrowed_to_one_format(root: Path) -> None:
    found = storage.list_files(str(root), storage.DATASET_SUFFIXES["Parquet"])
    assert names(found, root) == ["c.parquet"]


@pytest.mark.parametrize("name", ["b.csv", "notes.md", ".hidden.csv"])
def test_a_file_is_itself_whatever_its_name(root: Path, name: str) -> None:
    (file,) = storage.list_files(f"{root}/{name}", SUFFIXES)
    assert names([file], root) == [name]
    assert file.size == len(name)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.csv", ["b.csv"]),
        ("*", ["a.CSV", "b.csv", "c.parquet", "notes.md"]),
        ("?.[cC]*", ["a.CSV", "b.csv"]),
        ("*/*", ["2023/d.csv.gz"]),
        ("20[0-9][0-9]/*.gz", ["2023/d.csv.gz"]),
        ("2023/*/e.*", ["2023/deep/e.tsv"]),
    ],
)
def test_a_glob_is_every_match_that_is_not_hidden(
    root: Path, pattern: str, expected: list[str]
) -> None:
    assert names(storage.list_files(f"{root}/{pattern}", SUFFIXES), root) == expected


def test_a_file_whose_name_looks_like_a_glob_is_still_a_file(root: Path) -> None:
    (root / "b[1].csv").write_text("x")
    assert names(storage.list_files(f"{root}/b[1].csv", SUFFIXES), root) == ["b[1].csv"]


@pytest.mark.parametrize("pattern", ["*.xlsx", "2024/*", "none/*/x.csv"])
def test_a_glob_without_a_match_is_an_error(root: Path, pattern: str) -> None:
    with pytest.raises(StorageError, match="no file matches"):
        storage.list_files(f"{root}/{pattern}", SUFFIXES)


def test_a_name_that_is_not_there_is_told_with_its_neighbours(root: Path) -> None:
    with pytest.raises(StorageError, match=r"there is nothing at .*b\.cvs.*beside it.*b\.csv"):
        storage.list_files(f"{root}/b.cvs", SUFFIXES)
    (root / "empty").mkdir()
    with pytest.raises(StorageError, match="its folder is empty"):
        storage.list_files(f"{root}/empty/a.csv", SUFFIXES)
    with pytest.raises(StorageError, match="there is nothing at"):
        storage.list_files(f"{root}/nowhere/at/all.csv", SUFFIXES)


def test_a_folder_without_data_is_an_error_that_names_what_was_looked_for(root: Path) -> None:
    with pytest.raises(StorageError, match=r"holds no file that ends in .*\.csv"):
        storage.list_files(f"{root}/_temporary/..", ("csv.zip", ".csv.bz2"))


def test_a_claim_leads_to_its_mount(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(storage.CLAIMS_ROOT_VARIABLE, str(root.parent))
    uri = f"pvc://{root.name}"
    assert len(storage.list_files(uri, SUFFIXES)) == 5
    (file,) = storage.list_files(f"{uri}/b.csv", SUFFIXES)
    assert storage.open_file(file.uri).read() == b"b.csv"


def test_claims_are_mounted_where_the_operator_mounts_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(storage.CLAIMS_ROOT_VARIABLE, raising=False)
    assert storage.locate("pvc://listings/2023").path == "/mnt/claims/listings/2023"


@pytest.mark.parametrize(
    "uri",
    ["pvc://listings/../other/x", "pvc://../etc/passwd", "pvc://listings/a/.."],
)
def test_a_claim_cannot_be_left(uri: str) -> None:
    with pytest.raises(StorageError, match="leads out of its claim"):
        storage.list_files(uri, SUFFIXES)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("listings.csv", "neither a URI nor an absolute path"),
        ("pvc:///x", "names no claim"),
        ("s3:///x", "names no bucket"),
        ("ftp://host/x", "ftp:// is not known"),
        ("http://host/x.csv", "http:// is not known"),
    ],
)
def test_a_place_that_cannot_be_is_refused(uri: str, message: str) -> None:
    with pytest.raises(StorageError, match=message):
        storage.list_files(uri, SUFFIXES)


def test_the_fingerprint_follows_the_listing(root: Path) -> None:
    def now() -> str:
        return storage.fingerprint(storage.list_files(str(root), SUFFIXES))

    seen = [now()]
    assert now() == seen[0]
    (root / "notes.md").write_text("not data")
    assert now() == seen[0]
    (root / "b.csv").write_text("longer than it was")
    seen.append(now())
    (root / "new.csv").write_text("x")
    seen.append(now())
    os.utime(root / "new.csv", (1, 1))
    seen.append(now())
    (root / "a.CSV").unlink()
    seen.append(now())
    assert len(set(seen)) == len(seen)


def test_the_order_of_a_listing_does_not_matter_to_its_fingerprint() -> None:
    one, other = storage.DataFile("/a", 1, "1"), storage.DataFile("/b", 2, "2")
    assert storage.fingerprint([one, other]) == storage.fingerprint([other, one])


def test_a_file_that_is_not_there_cannot_be_opened(root: Path) -> None:
    for name in ("none.csv", "2023"):
        with pytest.raises(StorageError, match="cannot be opened"):
            storage.open_file(f"{root}/{name}").read()


def test_a_written_file_appears_whole_with_its_folders(tmp_path: Path) -> None:
    location = storage.locate(str(tmp_path)).child("a/b").child("c.parquet")
    storage.write_file(location, b"one")
    storage.write_file(location, b"two")
    assert (tmp_path / "a/b/c.parquet").read_bytes() == b"two"
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["c.parquet"]


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/inside").touch()
    with pytest.raises(StorageError, match="cannot be written"):
        storage.write_file(storage.locate(f"{tmp_path}/taken"), b"x")
    with pytest.raises(StorageError, match="cannot be written"):
        storage.write_file(storage.locate(f"{tmp_path}/taken/inside/x"), b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_folder_of_the_log_is_listed_with_everything_in_it(root: Path) -> None:
    found = storage.list_folder(storage.locate(str(root)))
    assert names(found, root) == [
        *(".hidden.csv", "_being_written.csv", "a.CSV", "b.csv", "c.parquet", "notes.md")
    ]
    assert storage.list_folder(storage.locate(f"{root}/none")) == []
    with pytest.raises(StorageError, match="cannot be listed"):
        storage.list_folder(storage.locate(f"{root}/b.csv"))


def test_a_name_with_a_space_and_turkish_letters_is_a_name(tmp_path: Path) -> None:
    path = tmp_path / "İlan listesi" / "kasım #1.csv"
    path.parent.mkdir()
    path.write_text("x")
    (file,) = storage.list_files(str(path.parent), SUFFIXES)
    assert storage.open_file(file.uri).read() == b"x"
