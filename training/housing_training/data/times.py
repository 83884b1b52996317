"""A column of dates as people write them, or of rising numbers → something that sorts by time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from housing_core.cleaning import is_missing, normalise_text
from housing_training.data.reading import Cells
from housing_training.errors import InvalidDataError

READABLE_SHARE = 0.95
"""Fewer dates than this and the column is refused: its other rows would be learned from unseen."""

_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[t ].*)?")
_NUMERIC = re.compile(r"(\d{1,2})[./-](\d{1,2})[./-](\d{4}|\d{2})(?: .*)?")
_DAY_NAMED = re.compile(r"(\d{1,2})\.? ([^\W\d_]{3,})\.? (\d{4})(?: .*)?")
_NAMED_DAY = re.compile(r"([^\W\d_]{3,})\.? (\d{1,2}),? (\d{4})(?: .*)?")
_PLAIN = re.compile(r"[-+]?\d+(?:\.\d+)?")

_MONTHS = {
    name: number
    for names in (
        "jan feb mar apr may jun jul aug sep oct nov dec",  # English
        "oca şub mar nis may haz tem ağu eyl eki kas ara",  # Turkish
    )
    for number, name in enumerate(names.split(), start=1)
}
"""The first three letters say which month it is, in both languages."""

Times = np.ndarray[Any, np.dtype[np.float64]]


def read_times(column: str, cells: Cells) -> Times:
    """(rows,) a number that rises with time; NaN where a row has none.

    ISO 8601 dates with or without a time, `24.02.2022`, `24 Şubat 2022`, `February 24, 2022`, and
    plain numbers such as years or seconds. Of `03/04/2022` the day comes first, unless some row
    shows that the month does.

    Raises:
        InvalidDataError: when too few rows have a time, or all have the same.

    """
    texts = [normalise_text(text) for text in cells.texts]
    month_first = _month_first(texts)
    values = np.array([*(_read(text, month_first) for text in texts), np.nan])
    times: Times = values[cells.codes]
    readable = float(np.mean(~np.isnan(times)))
    if readable < READABLE_SHARE:
        bad = np.flatnonzero(np.isnan(times))
        shown = next((cells.texts[code] for code in cells.codes[bad] if code >= 0), "")
        raise InvalidDataError(
            f"dataset.split.timeColumn: {column!r} holds a date or number in {readable:.0%} of the "
            f"rows only, for example not in {shown[:60]!r}; at least {READABLE_SHARE:.0%} are "
            "needed: write dates as 2022-02-24, or name another column"
        )
    if np.nanmin(times) == np.nanmax(times):
        raise InvalidDataError(
            f"dataset.split.timeColumn: {column!r} is the same in every row, so that none is newer; "
            "name another column"
        )
    return times


def _read(text: str, month_first: bool) -> float:
    if is_missing(text):
        return np.nan
    if _PLAIN.fullmatch(text):
        return float(text)
    try:
        return _date(text.casefold(), month_first).timestamp()
    except ValueError:
        return np.nan


def _date(text: str, month_first: bool) -> datetime:
    """Raises ValueError when the text is no date."""
    if match := _ISO.fullmatch(text):
        try:
            found = datetime.fromisoformat(text.upper())
        except ValueError:
            found = datetime(*(int(part) for part in match.groups()))  # type: ignore[arg-type] # three numbers  # noqa: DTZ001 - made aware below
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    if match := _NUMERIC.fullmatch(text):
        first, second, year = (int(part) for part in match.groups())
        day, month = (second, first) if month_first else (first, second)
        return datetime(year if year > 99 else 2000 + year, month, day, tzinfo=UTC)
    if match := _DAY_NAMED.fullmatch(text):
        return datetime(int(match[3]), _month(match[2]), int(match[1]), tzinfo=UTC)
    if match := _NAMED_DAY.fullmatch(text):
        return datetime(int(match[3]), _month(match[1]), int(match[2]), tzinfo=UTC)
    raise ValueError(text)


def _month(name: str) -> int:
    try:
        return _MONTHS[name[:3]]
    except KeyError:
        raise ValueError(name) from None


def _month_first(texts: Sequence[str]) -> bool:
    pairs = [(int(m[1]), int(m[2])) for text in texts if (m := _NUMERIC.fullmatch(text))]
    return any(second > 12 for _, second in pairs) and not any(first > 12 for first, _ in pairs)
