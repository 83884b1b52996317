"""One file of a web server, fetched whole."""

from __future__ import annotations

import io
from typing import IO

import requests

from housing_core.storage.errors import StorageError, storage_error
from housing_core.storage.locations import DataFile

TIMEOUT_SECONDS = 60
LIMIT_BYTES = 8 * 1024**3
_HEAD_REFUSED = (403, 405, 501)


def https_file(uri: str) -> DataFile:
    """What the server says of a file, without its content.

    Raises:
        StorageError: when it cannot be reached, or answers with an error.

    """
    try:
        response = requests.head(uri, timeout=TIMEOUT_SECONDS, allow_redirects=True)
        if response.status_code in _HEAD_REFUSED:
            # A presigned URL is for one method, and some servers know no other: look at a GET.
            response = requests.get(uri, timeout=TIMEOUT_SECONDS, stream=True)
            response.close()
        response.raise_for_status()
    except requests.RequestException as error:
        raise storage_error(f"{uri!r} cannot be reached", error) from error
    headers = response.headers
    version = headers.get("ETag") or headers.get("Last-Modified") or ""
    return DataFile(uri, int(headers.get("Content-Length", 0)), version)


def fetch(uri: str) -> IO[bytes]:
    """The content of a file, in memory.

    Raises:
        StorageError: when it cannot be fetched, or is larger than LIMIT_BYTES.

    """
    content = io.BytesIO()
    try:
        with requests.get(uri, timeout=TIMEOUT_SECONDS, stream=True) as response:
            response.raise_for_status()
            for chunk in response.iter_content(1 << 20):
                content.write(chunk)
                if content.tell() > LIMIT_BYTES:
                    raise StorageError(f"{uri!r} is larger than {LIMIT_BYTES} bytes")
    except requests.RequestException as error:
        raise storage_error(f"{uri!r} cannot be fetched", error) from error
    content.seek(0)
    return content
