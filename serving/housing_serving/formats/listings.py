"""The body of a prediction request → listings."""

from __future__ import annotations

import re
from typing import Any

import orjson

from housing_serving.http.problems import Problem, list_errors, shown, too_many
from housing_serving.inference.encoding import REPORTED_ERRORS, BadField

_NOT_JSON_NUMBER = re.compile(r"-?(NaN|Infinity)\b")


def check_content_type(content_type: str | None) -> None:
    """Refuse what is declared to be something else than JSON in UTF-8.

    Raises:
        Problem: 415; a missing declaration is taken to be JSON.

    """
    if not content_type or content_type == "application/json":
        return
    media_type, _, parameters = content_type.lower().partition(";")
    media_type = media_type.strip()
    if media_type != "application/json" and not re.fullmatch(
        r"application/[\w.-]+\+json", media_type
    ):
        raise Problem(
            415,
            "unsupported-media-type",
            f"the Content-Type is {shown(content_type)}: send JSON and Content-Type: application/json",
        )
    charset = re.search(r'charset\s*=\s*"?([^\s";]+)', parameters)
    if charset and charset.group(1) not in {"utf-8", "utf8"}:
        raise Problem(
            415,
            "unsupported-media-type",
            f"the charset is {shown(charset.group(1))}: JSON is sent in UTF-8",
        )


def load_json(body: bytes) -> Any:
    """What a JSON text says.

    Raises:
        Problem: 400 when it is not JSON.

    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _not_json(body, error) from error


def parse(body: bytes, max_rows: int) -> list[dict[str, Any]]:
    """Listings from the JSON text of one object, or of an array of objects.

    Raises:
        Problem: 400 when it is not JSON, 413 for more than `max_rows`, 422 when it is something
            else than listings.

    """
    data = load_json(body)
    rows = data if isinstance(data, list) else [data]
    if not rows:
        raise Problem(
            422, "invalid-listings", "the array is empty: send one listing or more, as JSON objects"
        )
    if len(rows) > max_rows:
        raise too_many(f"{len(rows)} listings", max_rows)
    bad = [
        BadField(i, None, row, "a JSON object of field names and values")
        for i, row in enumerate(rows)
        if not isinstance(row, dict)
    ]
    if bad:
        first = bad[0]
        what = f"listing {first.row}" if isinstance(data, list) else "the body"
        detail = f"{what} is {shown(first.value)}: a listing is {first.expected}"
        errors = list_errors(bad[:REPORTED_ERRORS])
        raise Problem(422, "invalid-listings", detail, {"errors": errors})
    return rows


def _not_json(body: bytes, error: orjson.JSONDecodeError) -> Problem:
    try:
        text = body.decode()
    except UnicodeDecodeError as undecodable:
        value = f"0x{body[undecodable.start]:02x}"
        return Problem(
            400,
            "invalid-json",
            f"byte {undecodable.start} ({value}) is not UTF-8: encode the body as UTF-8",
        )
    if not text.strip():
        detail = "the body is empty: send JSON; /docs has examples"
        return Problem(400, "invalid-json", detail)
    # The position is of the character, or of the one behind a minus sign.
    literal = _NOT_JSON_NUMBER.match(text, max(0, error.pos - (text[error.pos - 1 :][:1] == "-")))
    if literal:
        detail = (
            f"{literal.group()} at line {error.lineno} column {error.colno} is not JSON: "
            "write null for a missing value"
        )
        return Problem(400, "invalid-json", detail)
    around = text[max(0, error.pos - 10) : error.pos + 20]
    return Problem(400, "invalid-json", f"{error} near {shown(around)}: correct the JSON")
