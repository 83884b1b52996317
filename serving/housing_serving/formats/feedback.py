"""The body of `POST /feedback` → true prices. Pure."""

from __future__ import annotations

import math
from typing import Any

from housing_core.cleaning import BadValueError, NumberRule, clean_number
from housing_serving.formats.listings import load_json
from housing_serving.http.problems import Problem, list_errors, shown, too_many
from housing_serving.http.request_context import REQUEST_ID
from housing_serving.inference.encoding import REPORTED_ERRORS, BadField
from housing_serving.log.feedback import Price

MOST_PRICES = 10_000
"""In one request."""

_LARGEST_ROW = 2**31 - 1
_FIELDS = ("requestId", "row", "price")
_PRICE = "a finite price above zero"


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
        raise too_many(f"{len(items)} prices", MOST_PRICES)
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
