"""Errors as RFC 9457 problem documents: which field, which value, what to do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from starlette.responses import Response

from housing_serving.inference.encoding import BadField

MEDIA_TYPE = "application/problem+json"

RETRY_SECONDS = 5
SHOWN_CHARACTERS = 80


class Problem(Exception):  # noqa: N818 - RFC 9457's own word
    """An answer that is an error.

    Args:
        status: HTTP status.
        kind: last part of the problem's type, a fixed word; None for what HTTP itself explains.
        detail: for a person: what is wrong here and what to do.
        extensions: further members of the document.
        headers: further headers of the answer.

    """

    def __init__(
        self,
        status: int,
        kind: str | None,
        detail: str,
        extensions: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.extensions = extensions or {}
        self.headers = headers or {}

    def to_response(self, request_id: str) -> Response:
        """The document, with the request's id in it."""
        content = {
            "type": f"urn:housing-operator:problem:{self.kind}" if self.kind else "about:blank",
            "title": _TITLES.get(self.kind or "") or HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "requestId": request_id,
            **self.extensions,
        }
        return Response(orjson.dumps(content), self.status, dict(self.headers), MEDIA_TYPE)


_TITLES = {
    "invalid-json": "The body is not JSON",
    "invalid-listings": "The listings cannot be classified",
    "too-large": "The request is too large",
    "unsupported-media-type": "The body is of another kind than is read here",
    "no-model": "No model is loaded",
    "busy": "Too many requests at a time",
    "invalid-file": "The file cannot be read",
    "not-acceptable": "The answer has other formats",
    "invalid-inference": "The request is none of the Open Inference Protocol",
    "no-such-model": "Another model or version answers here",
    "feedback-off": "No feedback is taken here",
    "unauthorized": "The token is missing or wrong",
    "invalid-feedback": "The feedback cannot be taken",
}
KINDS = tuple(_TITLES)

_UNREADABLE = ("invalid-json", "invalid-file")
"""Problems of a body that compression alone may be the reason of."""

_CONTENT = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
DOCUMENTED: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "What is wrong with the request.", "content": _CONTENT},
    "5XX": {"description": "Why there is no answer now.", "content": _CONTENT},
}
"""Answers that any route may give, for its description."""


def documented(codes: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """Descriptions of a route's own errors, by status, beside `DOCUMENTED`."""
    own: dict[int | str, dict[str, Any]] = {
        code: {"description": text, "content": _CONTENT} for code, text in codes.items()
    }
    return {**own, **DOCUMENTED}


def bad_listings(fields: Sequence[BadField]) -> Problem:
    """Values that their columns cannot take; the first is in the detail, more are in `errors`."""
    return Problem(
        422, "invalid-listings", listing_error(fields[0]), {"errors": list_errors(fields)}
    )


def listing_error(bad: BadField) -> str:
    """What is wrong with a listing, for a person."""
    if bad.field is None:
        return f"listing {bad.row} has the fields {shown(bad.value)}: give {bad.expected}"
    return f"listing {bad.row}, {field_error(bad)}"


def field_error(bad: BadField) -> str:
    """What is wrong with a value, for a person."""
    return (
        f"field {bad.field!r}: {shown(bad.value)} is not {bad.expected}; correct it, or leave it "
        "out if it is not known"
    )


def list_errors(fields: Sequence[BadField]) -> list[dict[str, Any]]:
    """The member `errors` of a problem."""
    return [
        {
            "row": bad.row,
            "field": bad.field,
            "value": shown(bad.value),
            "detail": f"expected {bad.expected}",
        }
        for bad in fields
    ]


def not_decoded(problem: Problem, encoding: str | None) -> Problem:
    """What to say of a body instead, where it cannot be read since it was sent compressed.

    Args:
        problem: of the body as it came.
        encoding: the request's Content-Encoding.

    """
    if problem.kind not in _UNREADABLE or encoding is None or encoding.lower() == "identity":
        return problem
    detail = f"the Content-Encoding is {shown(encoding)}: send the body as it is, uncompressed"
    extensions = {"error": detail} if "error" in problem.extensions else {}
    return Problem(
        415, "unsupported-media-type", detail, extensions, {"Accept-Encoding": "identity"}
    )


def no_such_route(
    method: str, path: str, status: int, headers: Mapping[str, str] | None
) -> Problem:
    """A path that is not there, or another method than it has."""
    allowed = (headers or {}).get("Allow")
    instead = f"send {allowed}; " if allowed else ""
    return Problem(
        status, None, f"{method} {path}: {instead}see /docs for what there is", headers=headers
    )


def too_many(what: str, most: int) -> Problem:
    """More rows than one request may have; `what` says how many of what there are."""
    detail = f"{what} are more than {most}: send them in several requests"
    return Problem(413, "too-large", detail, {"limitRows": most})


def no_model(reason: str) -> Problem:
    """No version can answer."""
    return _unavailable("no-model", f"{reason}; try again in {RETRY_SECONDS} seconds")


def busy() -> Problem:
    """The large requests that are under way leave no memory for one more."""
    return _unavailable(
        "busy",
        "too many large requests are under way: "
        f"try again in {RETRY_SECONDS} seconds, or send fewer listings at a time",
    )


def queue_full() -> Problem:
    """As many requests wait as can be answered in good time."""
    return _unavailable("busy", f"too many requests wait: try again in {RETRY_SECONDS} seconds")


def too_slow(seconds: float) -> Problem:
    """An answer that would come too late to be of use."""
    return _unavailable(
        "busy",
        f"the answer was not ready after {seconds:g} seconds: "
        f"try again in {RETRY_SECONDS} seconds, or send fewer listings at a time",
    )


def _unavailable(kind: str, detail: str) -> Problem:
    return Problem(503, kind, detail, headers={"Retry-After": str(RETRY_SECONDS)})


def shown(value: object) -> str:
    """A value as JSON text, cut to a length that fits an error."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no word for it; Parquet and binary tensors have
    try:
        text = orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        # orjson reads deeper nesting than it writes.
        return "[...]" if isinstance(value, list) else "{...}"
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."
