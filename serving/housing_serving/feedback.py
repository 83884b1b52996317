"""`POST /feedback`: true prices, checked and made into rows of the log. Pure but for the token's file."""

from __future__ import annotations

import hmac
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from prometheus_client import CollectorRegistry, Counter, Gauge

from housing_core import prediction_log
from housing_core.cleaning import BadValueError, NumberRule, clean_number
from housing_serving.encoding import REPORTED_ERRORS, BadField
from housing_serving.listings import load_json
from housing_serving.problems import RETRY_SECONDS, Problem, list_errors, shown
from housing_serving.request_context import REQUEST_ID

MOST_PRICES = 10_000
"""In one request."""

_LARGEST_ROW = 2**31 - 1
_FIELDS = ("requestId", "row", "price")
_PRICE = "a finite price above zero"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Price:
    """The true price of one predicted listing; `row` is its position in its request."""

    request_id: str
    row: int
    price: float


@dataclass(frozen=True, slots=True)
class FeedbackEntry:
    """The prices of one request, as the log takes them.

    Attributes:
        time: when they came in, UTC.
        size: bytes of the request's body.

    """

    time: datetime
    rows: Sequence[Price]
    size: int

    @property
    def row_count(self) -> int:
        """How many prices there are."""
        return len(self.rows)


class FeedbackMetrics:
    """What the feedback's log counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.log_rows = Counter(
            "housing_feedback_rows_total",
            "Prices written to the feedback beside the prediction log.",
            registry=registry,
        )
        self.log_dropped_rows = Counter(
            "housing_feedback_dropped_rows_total",
            "Prices that were refused or lost, by reason.",
            ["reason"],
            registry=registry,
        )
        self.log_failed_writes = Counter(
            "housing_feedback_failed_writes_total",
            "Attempts to write the feedback that failed; its prices wait for the next.",
            registry=registry,
        )
        self.log_backlog_rows = Gauge(
            "housing_feedback_backlog_rows",
            "Prices that wait to be written.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.log_backlog_rows.set(0)


def check_token(file: str | None, authorization: str | None) -> None:
    """Let nobody pass without the token of the file, which is read each time.

    Args:
        file: path; None where feedback is not set up.
        authorization: the header of the request.

    Raises:
        Problem: 404 where feedback is not set up, 503 while there is no token, 401 for a header
            that is missing or has another token.

    """
    if file is None:
        raise Problem(
            404,
            "feedback-off",
            "this model takes no feedback: set spec.serving.feedback.tokenSecretRef to a Secret "
            "that holds a token",
        )
    try:
        token = Path(file).read_bytes().strip()
    except OSError as error:
        logger.warning("the token for feedback cannot be read: %s", error)
        token = b""
    if not token:
        raise Problem(
            503,
            "feedback-off",
            "there is no token yet: make the Secret that spec.serving.feedback.tokenSecretRef names",
            headers={"Retry-After": str(RETRY_SECONDS)},
        )
    scheme, _, given = (authorization or "").partition(" ")
    # Headers are latin-1; compare_digest takes the same time wherever the texts differ.
    matches = hmac.compare_digest(given.strip().encode("latin-1", "replace"), token)
    if scheme.lower() != "bearer" or not matches:
        wrong = "is wrong" if authorization else "is missing"
        raise Problem(
            401,
            "unauthorized",
            f"the token {wrong}: send it as `Authorization: Bearer <token>`",
            headers={"WWW-Authenticate": 'Bearer realm="feedback"'},
        )


def parse_feedback(body: bytes, rule: NumberRule) -> list[Price]:
    """Prices from the JSON text of one object, or of an array of objects.

    Args:
        rule: how a price is written as a text.

    Raises:
        Problem: 400 when it is not JSON, 413 for too many prices, 422 when one is wrong; none of
            the request is taken then.

    """
    data = load_json(body)
    items = data if isinstance(data, list) else [data]
    if not items:
        raise Problem(422, "invalid-feedback", "the array is empty: send one price or more")
    if len(items) > MOST_PRICES:
        raise Problem(
            413,
            "too-large",
            f"{len(items)} prices are more than {MOST_PRICES}: send them in several requests",
            {"limitRows": MOST_PRICES},
        )
    prices: list[Price] = []
    bad: list[BadField] = []
    for position, item in enumerate(items):
        price = _price(position, item, rule)
        if isinstance(price, Price):
            prices.append(price)
        elif len(bad) < REPORTED_ERRORS:
            bad.append(price)
    if bad:
        first = bad[0]
        where = f"item {first.row}" + (f", field {first.field!r}" if first.field else "")
        detail = f"{where}: {shown(first.value)} is not {first.expected}; nothing was taken"
        raise Problem(422, "invalid-feedback", detail, {"errors": list_errors(bad)})
    return prices


def feedback_tables(
    model_name: str, entries: Sequence[FeedbackEntry]
) -> list[tuple[str, pa.Table]]:
    """Entries → (folder below the log's URI, table), one for each hour."""
    groups: dict[str, list[FeedbackEntry]] = {}
    for entry in entries:
        folder = prediction_log.partition("feedback", model_name, entry.time)
        groups.setdefault(folder, []).append(entry)
    return [(folder, _table(group)) for folder, group in groups.items()]


def _table(entries: Sequence[FeedbackEntry]) -> pa.Table:
    rows = [(entry.time, price) for entry in entries for price in entry.rows]
    return pa.table(
        {
            prediction_log.REQUEST_ID: [price.request_id for _, price in rows],
            prediction_log.ROW: [price.row for _, price in rows],
            prediction_log.TIME: [time for time, _ in rows],
            prediction_log.PRICE: [price.price for _, price in rows],
        },
        schema=prediction_log.feedback_schema(),
    )


def _price(position: int, item: Any, rule: NumberRule) -> Price | BadField:
    if not isinstance(item, dict):
        expected = "a JSON object with the fields requestId, row and price"
        return BadField(position, None, item, expected)
    for name in item:
        if name not in _FIELDS:
            expected = f"a value of one of the fields {', '.join(_FIELDS)}"
            return BadField(position, name, item[name], expected)
    request_id, row, price = (item.get(name) for name in _FIELDS)
    if not isinstance(request_id, str) or not REQUEST_ID.fullmatch(request_id):
        return BadField(position, "requestId", request_id, "the requestId of an answer")
    if "row" not in item:
        row = 0
    if not isinstance(row, int) or isinstance(row, bool) or not 0 <= row <= _LARGEST_ROW:
        expected = "the position of a listing in its request, a whole number from 0"
        return BadField(position, "row", row, expected)
    try:
        # A bool is an int to Python, and would be a price of 1.
        number = math.nan if isinstance(price, bool) else clean_number("price", price, rule)
    except BadValueError:
        number = math.nan
    if not number > 0:
        return BadField(position, "price", price, _PRICE)
    return Price(request_id, row, number)
