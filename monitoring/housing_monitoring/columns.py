"""Raw values of the prediction log → typed columns, by the cleaning rules that serving used.

A column is kept as its distinct values and a code for each row: each distinct text is read once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from housing_core.cleaning import MISSING_TEXT, NumberRule, clean_number, clean_text

_PLAIN_NUMBER = r"^-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,20})?$"
"""Numbers in JSON of which the rules keep the value: neither infinite nor a text."""


@dataclass(frozen=True, slots=True)
class NumericColumn:
    """A numeric feature in the window.

    Attributes:
        values: float64, distinct texts' values, of which several may be equal; rounded to float32
            as the graph takes them; NaN where missing.
        codes: int, (rows,); position in `values`, -1 where missing.
        unreadable: rows whose value was no number; they count as missing.

    """

    values: NDArray[np.float64]
    codes: NDArray[np.integer]
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class CategoricalColumn:
    """A categorical feature in the window.

    Attributes:
        categories: the distinct categories; there may be some that no row has.
        codes: int, (rows,); position in `categories`, -1 where missing.
        unreadable: rows whose value was no category; they count as missing.

    """

    categories: tuple[str, ...]
    codes: NDArray[np.integer]
    unreadable: int = 0

    def counts(self) -> dict[str, int]:
        """Rows of each category."""
        rows = rows_of(self.codes, len(self.categories))
        return dict(zip(self.categories, rows.tolist(), strict=True))


Column = NumericColumn | CategoricalColumn

_Value = TypeVar("_Value", float, str)


def numeric_column(
    name: str, texts: pa.ChunkedArray, rule: NumberRule, missing_words: tuple[str, ...]
) -> NumericColumn:
    """Read a numeric column.

    Args:
        name: of the column.
        texts: (rows,) dictionary of JSON texts, null where the value was absent.
        rule: how its numbers are written.
        missing_words: texts that mean "no value", lower case.

    """
    distinct, codes = encoded(texts)
    plain = pc.match_substring_regex(distinct, _PLAIN_NUMBER)
    values = np.full(len(distinct), math.nan)
    values[plain.to_numpy(zero_copy_only=False)] = distinct.filter(plain).cast(pa.float64())
    others = np.flatnonzero(~plain.to_numpy(zero_copy_only=False))
    found, bad = _cleaned(
        distinct.take(others), lambda raw: clean_number(name, raw, rule, missing_words)
    )
    values[others] = [math.nan if value is None else value for value in found]
    return NumericColumn(
        values.astype(np.float32).astype(np.float64), codes, _rows_at(others[bad], codes)
    )


def categorical_column(
    name: str, texts: pa.ChunkedArray, missing_words: tuple[str, ...]
) -> CategoricalColumn:
    """Read a categorical column; arguments as of `numeric_column`."""
    distinct, codes = encoded(texts)
    values, bad = _cleaned(distinct, lambda raw: clean_text(name, raw, missing_words))
    categories: dict[str, int] = {}
    table = np.full(len(distinct) + 1, -1, np.int32)
    for position, value in enumerate(values):
        if value is not None and value != MISSING_TEXT:
            table[position] = categories.setdefault(value, len(categories))
    return CategoricalColumn(tuple(categories), table[codes], _rows_at(np.flatnonzero(bad), codes))


def encoded(texts: pa.ChunkedArray) -> tuple[pa.StringArray, NDArray[np.int32]]:
    """The distinct texts of a dictionary, and for each row the position of its text; -1 for null.

    Of a part of the rows of a file there may be texts that no row has.
    """
    whole = texts.unify_dictionaries().combine_chunks()
    return whole.dictionary, whole.indices.fill_null(-1).to_numpy()


def rows_of(codes: NDArray[np.integer], distinct: int) -> NDArray[np.int64]:
    """(distinct,) rows of each code from 0 on."""
    return np.bincount(codes + 1, minlength=distinct + 1)[1:]


def _cleaned(
    texts: pa.StringArray, clean: Callable[[object], _Value]
) -> tuple[list[_Value | None], list[bool]]:
    values: list[_Value | None] = []
    bad = []
    for text in texts.to_pylist():
        try:
            raw = json.loads(text)
            if isinstance(raw, str):
                raw.encode()  # refuses half of a surrogate pair, which no report could be written with
            values.append(clean(raw))
            bad.append(False)
        except (ValueError, RecursionError):
            values.append(None)
            bad.append(True)
    return values, bad


def _rows_at(positions: NDArray[np.integer], codes: NDArray[np.integer]) -> int:
    """Rows whose code is one of these."""
    return int(np.isin(codes, positions).sum()) if len(positions) else 0
