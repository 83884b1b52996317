"""The door to files: opens a dataset or log URI on a volume, in S3, over HTTPS or on a path.

| URI | where it leads |
|---|---|
| `pvc://claim/path` | the claim, which the operator mounts at `/mnt/claims/<claim>` |
| `s3://bucket/key` | S3 by the usual AWS variables; `AWS_ENDPOINT_URL` for a compatible server |
| `https://host/path` | one file, fetched whole |
| `/path` | the container's own file system |
"""

from __future__ import annotations

import fnmatch
import hashlib
import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO
from uuid import uuid4

import pyarrow as pa
import requests
from pyarrow import fs

CLAIMS_ROOT_VARIABLE = "HOUSING_CLAIMS_ROOT"
CLAIMS_ROOT = "/mnt/claims"

MAX_FILES = 100_000
"""A listing longer than this is refused: one training does not open so many files."""

HTTPS_TIMEOUT_SECONDS = 60
HTTPS_LIMIT_BYTES = 8 * 1024**3
_HEAD_REFUSED = (403, 405, 501)

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
_PASSING_S3_ERRORS = (
    "NETWORK_CONNECTION",
    "REQUEST_TIMEOUT",
    "SERVICE_UNAVAILABLE",
    "INTERNAL_FAILURE",
    "SLOW_DOWN",
    "THROTTLING",
)


class StorageError(Exception):
    """A place that cannot be read or written; the message names the URI and what to do."""


class StorageUnavailableError(StorageError):
    """A place that did not answer, or answered that it cannot now; worth another try later."""


@dataclass(frozen=True, slots=True, order=True)
class DataFile:
    """A file of a listing.

    Attributes:
        uri: where it is, to be opened with `open_file`.
        size: bytes.
        version: changes when the content does: modification time or ETag.

    """

    uri: str
    size: int
    version: str


@dataclass(frozen=True, slots=True)
class Location:
    """A file system and a path in it.

    Attributes:
        prefix: what turns a path of the file system back into a URI.

    """

    filesystem: fs.FileSystem
    path: str
    prefix: str

    def child(self, name: str) -> Location:
        """The place below this one."""
        return Location(self.filesystem, f"{self.path.rstrip('/')}/{name}", self.prefix)


def locate(uri: str) -> Location:
    """Find file system and path of a URI; nothing is read yet.

    Raises:
        StorageError: when the scheme is not known or part of the URI is missing.

    """
    scheme, separator, rest = uri.partition("://")
    if not separator:
        if not uri.startswith("/"):
            raise StorageError(f"{uri!r} is neither a URI nor an absolute path")
        return Location(fs.LocalFileSystem(), uri, "")
    host = rest.partition("/")[0]
    if not host:
        raise StorageError(f"{uri!r} names no {'bucket' if scheme == 's3' else 'claim'}")
    if scheme == "pvc":
        root = os.environ.get(CLAIMS_ROOT_VARIABLE, CLAIMS_ROOT)
        if ".." in PurePosixPath(rest).parts:
            raise StorageError(f"{uri!r} leads out of its claim: remove '..'")
        return Location(fs.LocalFileSystem(), f"{root}/{rest}", "")
    if scheme == "s3":
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        filesystem = fs.S3FileSystem(
            endpoint_override=endpoint,
            region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
        )
        return Location(filesystem, rest, "s3://")
    raise StorageError(f"{uri!r}: {scheme}:// is not known; use pvc://, s3://, https:// or a path")


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
        return [_https_file(uri)]
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
        raise _error(f"{uri!r} cannot be listed", error) from error
    if not files:
        raise StorageError(f"the folder {uri!r} holds no file that ends in {', '.join(wanted)}")
    return sorted(files)


def list_folder(location: Location) -> list[DataFile]:
    """The files right in a folder, hidden ones too, in the order of their names.

    None when there is no such folder: a prediction log has one only for hours with traffic.

    Raises:
        StorageError: when it cannot be listed.

    """
    selector = fs.FileSelector(location.path, allow_not_found=True)
    try:
        entries = location.filesystem.get_file_info(selector)
    except (OSError, pa.ArrowException) as error:
        raise _error(f"{location.prefix}{location.path} cannot be listed", error) from error
    return sorted(_data_file(location, e) for e in entries if e.type == fs.FileType.File)


def list_folders(location: Location) -> list[str]:
    """Names of the folders right in a folder, in order; none when there is no such folder.

    Raises:
        StorageError: when it cannot be listed.

    """
    selector = fs.FileSelector(location.path, allow_not_found=True)
    try:
        entries = location.filesystem.get_file_info(selector)
    except (OSError, pa.ArrowException) as error:
        raise _error(f"{location.prefix}{location.path} cannot be listed", error) from error
    return sorted(e.base_name for e in entries if e.type == fs.FileType.Directory)


def fingerprint(files: Iterable[DataFile]) -> str:
    """Digest of a listing: it changes when a file is added, removed or changed."""
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file.uri}\t{file.size}\t{file.version}\n".encode())
    return digest.hexdigest()[:16]


def open_file(uri: str) -> IO[bytes]:
    """Open one file for reading, seekable.

    Raises:
        StorageError: when it cannot be opened.

    """
    if uri.startswith("https://"):
        return _fetch(uri)
    return open_location(locate(uri))


def open_location(location: Location) -> IO[bytes]:
    """Open the file at a location, seekable; many of one location's share its connections.

    Raises:
        StorageError: when it cannot be opened.

    """
    try:
        handle: IO[bytes] = location.filesystem.open_input_file(location.path)
    except (OSError, pa.ArrowException) as error:
        raise _error(f"{location.prefix}{location.path} cannot be opened", error) from error
    return handle


def write_file(location: Location, content: bytes) -> None:
    """Write a file that appears under its name only when it is complete.

    Raises:
        StorageError: when it cannot be written.

    """
    parent, _, name = location.path.rpartition("/")
    filesystem = location.filesystem
    try:
        if isinstance(filesystem, fs.LocalFileSystem):
            # A rename within one folder is atomic on a volume; in S3 an upload already is.
            Path(parent).mkdir(parents=True, exist_ok=True)
            partial = Path(f"{parent}/.{name}.{os.getpid()}")
            try:
                partial.write_bytes(content)
                partial.replace(location.path)
            finally:
                partial.unlink(missing_ok=True)
        else:
            with filesystem.open_output_stream(location.path) as stream:
                stream.write(content)
    except (OSError, pa.ArrowException) as error:
        raise StorageError(
            f"{location.prefix}{location.path} cannot be written: {_reason(error)}"
        ) from error


@contextmanager
def writing(location: Location) -> Iterator[IO[bytes]]:
    """A stream whose content appears as this file when the block ends well, and never in part.

    Unlike `write_file` it needs the memory of a few parts only. What a killed process leaves is a
    hidden file, or in S3 the parts of an upload, which a lifecycle rule of the bucket removes.

    Raises:
        StorageError: when it cannot be written.

    """
    parent, _, name = location.path.rpartition("/")
    filesystem = location.filesystem
    partial = f"{parent}/.{name}.{uuid4().hex}"
    where = f"{location.prefix}{location.path}"
    try:
        if isinstance(filesystem, fs.LocalFileSystem):
            Path(parent).mkdir(parents=True, exist_ok=True)
        # Leaving this block ends an upload also when it failed: hence the hidden name in S3 too.
        with filesystem.open_output_stream(partial) as stream:
            yield stream
        filesystem.move(partial, location.path)
    except (OSError, pa.ArrowException) as error:
        _discard(filesystem, partial)
        raise _error(f"{where} cannot be written", error) from error
    except BaseException:
        _discard(filesystem, partial)
        raise


def delete_file(location: Location) -> None:
    """Delete one file; nothing happens when it is not there.

    Raises:
        StorageError: when it cannot be deleted.

    """
    try:
        location.filesystem.delete_file(location.path)
    except FileNotFoundError:
        return
    except (OSError, pa.ArrowException) as error:
        raise _error(f"{location.prefix}{location.path} cannot be deleted", error) from error


def delete_empty_folder(location: Location) -> bool:
    """Delete a folder if nothing is in it, hidden or not; returns whether it is gone.

    Raises:
        StorageError: when it cannot be deleted.

    """
    filesystem, path = location.filesystem, location.path
    selector = fs.FileSelector(path, allow_not_found=True)
    try:
        if filesystem.get_file_info(selector):
            return False
        if isinstance(filesystem, fs.LocalFileSystem):
            # Only an empty one, whatever has come into it since.
            Path(path).rmdir()
        else:
            filesystem.delete_dir(path)
    except FileNotFoundError:
        return True
    except (OSError, pa.ArrowException) as error:
        raise _error(f"{location.prefix}{path} cannot be deleted", error) from error
    return True


def _discard(filesystem: fs.FileSystem, path: str) -> None:
    with suppress(OSError, pa.ArrowException):
        filesystem.delete_file(path)


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


def _error(what: str, error: BaseException) -> StorageError:
    """The kind of error that this is: a passing one, or one that a person has to mend."""
    response = getattr(error, "response", None)  # of requests, where the server answered
    if response is not None:
        passing = response.status_code == 429 or response.status_code >= 500
    else:
        # pyarrow's S3 errors are plain OSErrors that name the AWS error in their text.
        passing = (
            isinstance(error, ConnectionError | TimeoutError)
            or type(error).__module__.startswith("requests.")
            or any(mark in str(error) for mark in _PASSING_S3_ERRORS)
        )
    kind = StorageUnavailableError if passing else StorageError
    return kind(f"{what}: {_reason(error)}")


def _reason(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _https_file(uri: str) -> DataFile:
    try:
        response = requests.head(uri, timeout=HTTPS_TIMEOUT_SECONDS, allow_redirects=True)
        if response.status_code in _HEAD_REFUSED:
            # A presigned URL is for one method, and some servers know no other: look at a GET.
            response = requests.get(uri, timeout=HTTPS_TIMEOUT_SECONDS, stream=True)
            response.close()
        response.raise_for_status()
    except requests.RequestException as error:
        raise _error(f"{uri!r} cannot be reached", error) from error
    headers = response.headers
    version = headers.get("ETag") or headers.get("Last-Modified") or ""
    return DataFile(uri, int(headers.get("Content-Length", 0)), version)


def _fetch(uri: str) -> IO[bytes]:
    content = io.BytesIO()
    try:
        with requests.get(uri, timeout=HTTPS_TIMEOUT_SECONDS, stream=True) as response:
            response.raise_for_status()
            for chunk in response.iter_content(1 << 20):
                content.write(chunk)
                if content.tell() > HTTPS_LIMIT_BYTES:
                    raise StorageError(f"{uri!r} is larger than {HTTPS_LIMIT_BYTES} bytes")
    except requests.RequestException as error:
        raise _error(f"{uri!r} cannot be fetched", error) from error
    content.seek(0)
    return content
