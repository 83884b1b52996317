"""Where a URI leads: a file system and a path in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import PurePosixPath

from pyarrow import fs

from housing_core.storage.errors import StorageError

CLAIMS_ROOT_VARIABLE = "HOUSING_CLAIMS_ROOT"
CLAIMS_ROOT = "/mnt/claims"


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
