"""Raw values → typed values, by rules that are data.

Training learns the rules, the bundle carries them, and this one module applies them wherever raw
values come in: training, serving, monitoring and the stock MLflow wrapper, which holds a copy of
this file. It therefore imports the standard library only.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

MISSING_WORDS = ("", "-", "--", "?", "n/a", "na", "nan", "none", "null", "#n/a", "<na>")
"""Texts that mean "no value" in any language we met; training may add a column's own."""

MISSING_TEXT = ""
"""How a missing category is written in the graph's string inputs."""

_SPACES = re.compile(r"\s+")
_NUMBER = re.compile(r"([-+]?)(\d[\d.,'’]*(?: \d{3}(?!\d)[\d.,'’]*)*)(e[-+]?\d+)?")
LARGEST_NUMBER = 3.4e38
"""The graph's numbers are float32."""

_LONGEST_KEPT = 200
"""Characters; a longer text is no number and is not kept in a cache."""


@dataclass(frozen=True, slots=True)
class NumberRule:
    """How a number is written in one column.

    Attributes:
        decimal: the decimal mark, `.` or `,`.
        thousands: the marks between groups of three digits, for example `.` or `,`; none when empty.
        prefixes: texts that may stand before the number, lower case, for example `tl` or `$`.
        suffixes: patterns of what may stand behind it, lower case regular expressions, for
            example `m2` or `tl.*`.
        missing: this column's own texts that mean "no value", lower case.

    """

    decimal: str = "."
    thousands: str = ""
    prefixes: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CleaningRules:
    """The rules of one model.

    Attributes:
        numbers: rule of each numeric column.
        texts: names of the columns that are categories.
        missing_words: texts that mean "no value", lower case.

    """

    numbers: Mapping[str, NumberRule] = field(default_factory=dict)
    texts: tuple[str, ...] = ()
    missing_words: tuple[str, ...] = MISSING_WORDS

    def to_json(self) -> str:
        """The rules as JSON text."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> CleaningRules:
        """Read back what `to_json` wrote.

        Raises:
            ValueError: when the text is not such rules.

        """
        try:
            data = json.loads(text)
            numbers = {
                name: NumberRule(
                    decimal=rule["decimal"],
                    thousands=rule["thousands"],
                    prefixes=tuple(rule["prefixes"]),
                    suffixes=tuple(rule["suffixes"]),
                    missing=tuple(rule.get("missing", ())),
                )
                for name, rule in data["numbers"].items()
            }
            return cls(numbers, tuple(data["texts"]), tuple(data["missing_words"]))
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"not cleaning rules: {error!r}") from error


class BadValueError(ValueError):
    """A value that a column cannot take; `column` and `value` say which."""

    def __init__(self, column: str, value: object, expected: str) -> None:
        self.column, self.value, self.expected = column, value, expected
        shown = repr(value)
        shown = shown if len(shown) <= 80 else shown[:77] + "..."
        super().__init__(f"column {column!r}: {shown} is not {expected}")


def normalise_text(value: object) -> str:
    """Text as the model sees it: Unicode NFC, single spaces, none at the ends; case is kept.

    Whole floats lose their `.0`, so that a category read as 3.0 by one reader and 3 by another
    is one category.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return _normalise(str(value))


def _normalise(text: str) -> str:
    # A cache counts entries and not bytes: long texts, which a stranger may send, must not stay.
    return _normalise_short(text) if len(text) <= _LONGEST_KEPT else _normalise_any(text)


def _normalise_any(text: str) -> str:
    return _SPACES.sub(" ", unicodedata.normalize("NFC", text)).strip()


_normalise_short = lru_cache(maxsize=65_536)(_normalise_any)


def is_missing(value: object, missing_words: Iterable[str] = MISSING_WORDS) -> bool:
    """Whether a raw value means "no value"."""
    if value is None:
        return True
    if isinstance(value, float):
        return math.isnan(value)
    return isinstance(value, str) and _normalise(value).casefold() in missing_words


def clean_text(column: str, value: object, missing_words: Iterable[str] = MISSING_WORDS) -> str:
    """A raw value of a categorical column → its category; `""` when it is missing.

    Raises:
        BadValueError: for a list or an object.

    """
    if is_missing(value, missing_words):
        return MISSING_TEXT
    if not isinstance(value, str | int | float | bool):
        raise BadValueError(column, value, "a text or a number")
    return normalise_text(value)


def clean_number(
    column: str,
    value: object,
    rule: NumberRule,
    missing_words: Iterable[str] = MISSING_WORDS,
) -> float:
    """A raw value of a numeric column → a finite float; NaN when it is missing.

    A number stays as it is; a text is read by the column's rule.

    Raises:
        BadValueError: when the text is not a number by this rule, or the number is infinite.

    """
    if is_missing(value, missing_words):
        return math.nan
    if isinstance(value, str):
        text = _normalise(value).casefold()
        if text in rule.missing:
            return math.nan
        number = parse_number(text, rule) if len(text) <= _LONGEST_KEPT else None
        if number is None:
            raise BadValueError(column, value, "a number")
    elif isinstance(value, int | float):  # a bool is an int: 0 or 1
        try:
            number = float(value)
        except OverflowError as error:
            raise BadValueError(column, value, "a finite number") from error
    else:
        raise BadValueError(column, value, "a number")
    if not abs(number) <= LARGEST_NUMBER:
        raise BadValueError(column, value, "a finite number")
    return number


def split_number(text: str) -> tuple[str, str, str] | None:
    """A normalised, case-folded text → what stands before its first number, the number, and the rest.

    The number keeps its sign, marks and exponent; None when the text holds no digit.
    """
    match = _NUMBER.search(text)
    if not match:
        return None
    sign, digits, exponent = match.groups(default="")
    bare = digits.rstrip(".,'’")  # "2. floor": the mark belongs to the rest
    if exponent and bare != digits:
        exponent = ""
    number = sign + bare + exponent
    return text[: match.start()].rstrip(), number, text[match.start() + len(number) :].lstrip()


@lru_cache(maxsize=65_536)
def parse_number(text: str, rule: NumberRule) -> float | None:
    """The number in a normalised, case-folded text; None when it is not one by this rule."""
    parts = split_number(text)
    if parts is None:
        return None
    prefix, number, rest = parts
    if prefix and prefix not in rule.prefixes:
        return None
    if rest and not any(re.fullmatch(suffix, rest) for suffix in rule.suffixes):
        return None
    whole, decimal, fraction = number.partition(rule.decimal)
    for mark in (*rule.thousands, " "):
        if mark in whole:
            # Groups of three and nothing else: "2.25" is not 225.
            if not re.fullmatch(rf"[-+]?\d{{1,3}}(?:{re.escape(mark)}\d{{3}})+", whole):
                return None
            whole = whole.replace(mark, "")
            break
    try:
        return float(f"{whole}.{fraction}" if decimal else whole)
    except ValueError:
        return None


def clean_row(row: Mapping[str, Any], rules: CleaningRules) -> dict[str, float | str]:
    """One raw listing → typed values of every column that the model takes.

    A column that is not in the row is missing; one that the model does not take is left out.

    Raises:
        BadValueError: for the first value that its column cannot take.

    """
    words = rules.missing_words
    typed: dict[str, float | str] = {
        name: clean_number(name, row.get(name), rule, words) for name, rule in rules.numbers.items()
    }
    for name in rules.texts:
        typed[name] = clean_text(name, row.get(name), words)
    return typed
