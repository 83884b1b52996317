"""Raw values of the prediction log → typed columns, by the cleaning rules that serving used."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from housing_core.cleaning import (
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
    name: str,
    texts: Sequence[str],
    codes: NDArray[np.int64],
    rule: NumberRule,
    missing_words: tuple[str, ...],
) -> NumericColumn:
    """Read a numeric column; each distinct text is read once.

    Args:
        name: of the column.
        texts: the distinct JSON texts.
        codes: int64, (rows,); position in `texts`, -1 where the value was absent.
        rule: how its numbers are written.
        missing_words: texts that mean "no value", lower case.

    """
    values, bad = _cleaned(texts, lambda raw: clean_number(name, raw, rule, missing_words))
    table = np.array(
        [math.nan if value is None else value for value in [*values, None]], np.float32
    )
    return NumericColumn(table[codes].astype(np.float64), _rows_of(bad, codes))


def categorical_column(
    name: str, texts: Sequence[str], codes: NDArray[np.int64], missing_words: tuple[str, ...]
) -> CategoricalColumn:
    """Read a categorical column; arguments as of `numeric_column`."""
    values, bad = _cleaned(texts, lambda raw: clean_text(name, raw, missing_words))
    categories: dict[str, int] = {}
    table = np.full(len(texts) + 1, -1, dtype=np.int64)
    for position, value in enumerate(values):
        if value is not None and value != MISSING_TEXT:
            table[position] = categories.setdefault(value, len(categories))
    return CategoricalColumn(tuple(categories), table[codes], _rows_of(bad, codes))


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
