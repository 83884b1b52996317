"""The two kinds of error of storage, and which of them a failure is."""

from __future__ import annotations

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


def storage_error(what: str, error: BaseException) -> StorageError:
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
    return kind(f"{what}: {reason(error)}")


def reason(error: BaseException) -> str:
    """The first line of what an error says, or its name when it says nothing."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
