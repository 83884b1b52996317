"""Raw values of the prediction log → typed columns, by the cleaning rules that serving used."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import polars as pl
import pyarrow.compute as pc
from numpy.typing import NDArray

from housing_core.cleaning import (
    LARGEST_NUMBER,
    MISSING_TEXT,
    NumberRule,
    clean_number,
    clean_text,
)


@dataclass(frozen=True, slots=True)
class NumericColumn:
    """A numeric feature in the window.

    Attributes:
        values: float64, (rows,), rounded to float32 as the graph takes them; NaN where missing.
        unreadable: rows whose value was no number; they count as missing.

    """

    values: NDArray[np.float64]
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class CategoricalColumn:
    """A categorical feature in the window.

    Attributes:
        categories: the distinct categories.
        codes: int64, (rows,); position in `categories`, -1 where missing.
        unreadable: rows whose value was no category; they count as missing.

    """

    categories: tuple[str, ...]
    codes: NDArray[np.int64]
    unreadable: int = 0

    def counts(self) -> dict[str, int]:
        """Rows of each category."""
        rows = np.bincount(self.codes[self.codes >= 0], minlength=len(self.categories))
        return dict(zip(self.categories, rows.tolist(), strict=True))


Column = NumericColumn | CategoricalColumn

_Value = TypeVar("_Value", float, str)


def numeric_column(
    name: str, texts: pl.Series, rule: NumberRule, missing_words: tuple[str, ...]
) -> NumericColumn:
    """Read a numeric column.

    Args:
        name: of the column.
        texts: (rows,) JSON texts, null where the value was absent.
        rule: how its numbers are written.
        missing_words: texts that mean "no value", lower case.

    """
    # Of a bare JSON number the rules keep the value; everything else is read by them.
    values = texts.cast(pl.Float64, strict=False)
    plain = (values.abs() <= LARGEST_NUMBER).fill_null(value=False)
    cleaned = values.to_numpy(writable=True)
    bad_rows = 0
    left = (~plain & texts.is_not_null()).arg_true()
    if len(left):
        distinct, codes = _encoded(texts[left])
        found, bad = _cleaned(distinct, lambda raw: clean_number(name, raw, rule, missing_words))
        table = np.array([math.nan if value is None else value for value in found])
        cleaned[left.to_numpy()] = table[codes]
        bad_rows = _rows_of(bad, codes)
    return NumericColumn(cleaned.astype(np.float32).astype(np.float64), bad_rows)


def categorical_column(
    name: str, texts: pl.Series, missing_words: tuple[str, ...]
) -> CategoricalColumn:
    """Read a categorical column, each distinct text once; arguments as of `numeric_column`."""
    distinct, codes = _encoded(texts)
    values, bad = _cleaned(distinct, lambda raw: clean_text(name, raw, missing_words))
    categories: dict[str, int] = {}
    table = np.full(len(distinct) + 1, -1, dtype=np.int64)
    for position, value in enumerate(values):
        if value is not None and value != MISSING_TEXT:
            table[position] = categories.setdefault(value, len(categories))
    return CategoricalColumn(tuple(categories), table[codes], _rows_of(bad, codes))


def _encoded(texts: pl.Series) -> tuple[list[str], NDArray[np.int64]]:
    """Distinct texts, and for each row the position of its text, -1 where it is null."""
    encoded = texts.to_arrow().dictionary_encode()
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    return encoded.dictionary.to_pylist(), codes.astype(np.int64)


def _cleaned(
    texts: Sequence[str], clean: Callable[[object], _Value]
) -> tuple[list[_Value | None], list[bool]]:
    values: list[_Value | None] = []
    bad = []
    for text in texts:
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


def _rows_of(flags: list[bool], codes: NDArray[np.int64]) -> int:
    return int(np.array([*flags, False])[codes].sum())
