"""Which files a URI means, and what is in a folder."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Iterable
from pathlib import PurePosixPath

import pyarrow as pa
from pyarrow import fs

from housing_core.storage.errors import StorageError, storage_error
from housing_core.storage.https import https_file
from housing_core.storage.locations import DataFile, Location, locate

MAX_FILES = 100_000
"""A listing longer than this is refused: one training does not open so many files."""

CSV_SUFFIXES = tuple(
    f"{name}{packed}" for name in (".csv", ".tsv", ".txt") for packed in ("", ".gz")
)
PARQUET_SUFFIXES = (".parquet", ".parq", ".pq")
DATASET_SUFFIXES = {
    "Auto": CSV_SUFFIXES + PARQUET_SUFFIXES,
    "CSV": CSV_SUFFIXES,
    "Parquet": PARQUET_SUFFIXES,
}
"""Ends of file names that a dataset's folder is searched for, by the dataset's `format`; training
and monitoring must mean the same listing."""

_GLOB_MARKS = "*?["


def list_files(uri: str, suffixes: Iterable[str]) -> list[DataFile]:
    """The files that a dataset URI means, in the order of their names.

    A file is itself, whatever its suffix; a folder is every file in it and below; a glob is every
    match. Hidden files (`.` or `_` first) are left out of folders and globs.

    Args:
        uri: a file, a folder or a glob (`*`, `?`, `[...]` in any part of the path).
        suffixes: lower-case ends of file names that a folder is searched for, for example `.csv`.

    Raises:
        StorageError: when nothing is there, or it cannot be listed.

    """
    if uri.startswith("https://"):
        return [https_file(uri)]
    location = locate(uri)
    try:
        info = location.filesystem.get_file_info(location.path.rstrip("/"))
        if info.type == fs.FileType.File:
            return [_data_file(location, info)]
        if any(mark in location.path for mark in _GLOB_MARKS):
            found = _glob(location)
            if not found:
                raise StorageError(f"no file matches {uri!r}")
            return found
        if info.type != fs.FileType.Directory:
            raise StorageError(
                f"there is nothing at {uri!r}: check the path" + _neighbours(location)
            )
        wanted = tuple(suffixes)
        files = [
            _data_file(location, entry)
            for entry in _walk(location, location.path)
            if entry.base_name.lower().endswith(wanted)
        ]
    except (OSError, pa.ArrowException) as error:
        raise storage_error(f"{uri!r} cannot be listed", error) from error
    if not files:
        raise StorageError(f"the folder {uri!r} holds no file that ends in {', '.join(wanted)}")
    return sorted(files)


def list_folder(location: Location) -> list[DataFile]:
    """The files right in a folder, hidden ones too, in the order of their names.

    None when there is no such folder: a prediction log has one only for hours with traffic.

    Raises:
        StorageError: when it cannot be listed.

    """
    entries = _entries(location)
    return sorted(_data_file(location, e) for e in entries if e.type == fs.FileType.File)


def list_folders(location: Location) -> list[str]:
    """Names of the folders right in a folder, in order; none when there is no such folder.

    Raises:
        StorageError: when it cannot be listed.

    """
    return sorted(e.base_name for e in _entries(location) if e.type == fs.FileType.Directory)


def fingerprint(files: Iterable[DataFile]) -> str:
    """Digest of a listing: it changes when a file is added, removed or changed."""
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file.uri}\t{file.size}\t{file.version}\n".encode())
    return digest.hexdigest()[:16]


def _entries(location: Location) -> list[fs.FileInfo]:
    selector = fs.FileSelector(location.path, allow_not_found=True)
    try:
        entries: list[fs.FileInfo] = location.filesystem.get_file_info(selector)
    except (OSError, pa.ArrowException) as error:
        raise storage_error(f"{location.prefix}{location.path} cannot be listed", error) from error
    return entries


def _walk(location: Location, folder: str) -> list[fs.FileInfo]:
    selector = fs.FileSelector(folder, recursive=True)
    base = PurePosixPath(folder)
    entries = []
    for entry in location.filesystem.get_file_info(selector):
        parts = PurePosixPath(entry.path).relative_to(base).parts
        if entry.type == fs.FileType.File and not any(part[0] in "._" for part in parts):
            entries.append(entry)
        if len(entries) > MAX_FILES:
            raise StorageError(
                f"{location.prefix}{folder} holds more than {MAX_FILES} files: name a narrower folder"
            )
    return entries


def _glob(location: Location) -> list[DataFile]:
    fixed = []
    for part in location.path.split("/"):
        if any(mark in part for mark in _GLOB_MARKS):
            break
        fixed.append(part)
    folder = "/".join(fixed)
    if location.filesystem.get_file_info(folder).type != fs.FileType.Directory:
        return []
    depth = location.path.count("/")
    return sorted(
        _data_file(location, entry)
        for entry in _walk(location, folder)
        if entry.path.count("/") == depth and fnmatch.fnmatchcase(entry.path, location.path)
    )


def _data_file(location: Location, info: fs.FileInfo) -> DataFile:
    return DataFile(f"{location.prefix}{info.path}", info.size, str(info.mtime_ns))


def _neighbours(location: Location) -> str:
    """What a person who mistyped a name would want to see."""
    parent = location.path.rstrip("/").rpartition("/")[0]
    try:
        entries = location.filesystem.get_file_info(fs.FileSelector(parent))
    except (OSError, pa.ArrowException):
        return ""
    names = sorted(entry.base_name for entry in entries)[:10]
    return f"; beside it are: {', '.join(names)}" if names else "; its folder is empty"
