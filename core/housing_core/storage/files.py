"""Files opened, written and deleted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

import pyarrow as pa
from pyarrow import fs

from housing_core.storage.errors import StorageError, reason, storage_error
from housing_core.storage.https import fetch
from housing_core.storage.locations import Location, locate


def open_file(uri: str) -> IO[bytes]:
    """Open one file for reading, seekable.

    Raises:
        StorageError: when it cannot be opened.

    """
    if uri.startswith("https://"):
        return fetch(uri)
    return open_location(locate(uri))


def open_location(location: Location) -> IO[bytes]:
    """Open the file at a location, seekable; many of one location's share its connections.

    Raises:
        StorageError: when it cannot be opened.

    """
    try:
        handle: IO[bytes] = location.filesystem.open_input_file(location.path)
    except (OSError, pa.ArrowException) as error:
        raise storage_error(f"{location.prefix}{location.path} cannot be opened", error) from error
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
            f"{location.prefix}{location.path} cannot be written: {reason(error)}"
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
        raise storage_error(f"{where} cannot be written", error) from error
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
        raise storage_error(f"{location.prefix}{location.path} cannot be deleted", error) from error


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
        raise storage_error(f"{location.prefix}{path} cannot be deleted", error) from error
    return True


def _discard(filesystem: fs.FileSystem, path: str) -> None:
    with suppress(OSError, pa.ArrowException):
        filesystem.delete_file(path)
