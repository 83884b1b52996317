"""Rows as models take them: cells that are typed, and with classes and prices a part to learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from housing_core.cleaning import BadValueError, CleaningRules, clean_number, clean_text
from housing_training.data.reading import Cells, Listings, cells
from housing_training.data.target import Classes, Prices

Floats = np.ndarray[Any, np.dtype[np.float32]]
Codes = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A cleaned category of each row, dictionary-encoded: `values[codes]`."""

    codes: Codes
    values: list[str]

    def texts(self) -> np.ndarray[Any, np.dtype[np.object_]]:
        """(rows,) the categories themselves."""
        return np.array(self.values, dtype=object)[self.codes]

    def occurring(self) -> tuple[str, ...]:
        """The categories that a row has, in the order of `values`."""
        return tuple(self.values[code] for code in np.unique(self.codes))

    def take(self, at: Codes) -> TextColumn:
        """The rows at these positions; `values` stay."""
        return TextColumn(self.codes[at], self.values)


@dataclass(frozen=True, slots=True)
class TypedRows:
    """Rows as the graph takes them.

    Attributes:
        numbers: name → (rows,) float32 with NaN for missing.
        texts: name → categories with `""` for missing.
        unreadable: cells whose text is no value of their column; they count as missing.

    """

    rows: int
    numbers: Mapping[str, Floats]
    texts: Mapping[str, TextColumn]
    unreadable: int

    def take(self, at: Codes) -> TypedRows:
        """The rows at these positions."""
        return TypedRows(
            len(at),
            {name: values[at] for name, values in self.numbers.items()},
            {name: column.take(at) for name, column in self.texts.items()},
            self.unreadable,
        )


def clean_listings(listings: Listings, rules: CleaningRules) -> TypedRows:
    """Apply the cleaning rules to every row, as serving does; a column that is absent is missing."""
    frame = listings.frame
    absent = Cells(np.full(len(frame), -1, np.int64), [])
    numbers, texts, unreadable = {}, {}, 0
    for name, rule in rules.numbers.items():
        column = cells(frame, name) if name in frame else absent
        values = np.full(len(column.texts) + 1, np.nan, np.float32)  # the last is for no text
        counts = column.counts
        for position, text in enumerate(column.texts):
            try:
                values[position] = clean_number(name, text, rule, rules.missing_words)
            except BadValueError:
                unreadable += int(counts[position])
        numbers[name] = values[column.codes]
    for name in rules.texts:
        column = cells(frame, name) if name in frame else absent
        categories = [clean_text(name, text, rules.missing_words) for text in column.texts]
        distinct = sorted({*categories, ""})
        position_of = {category: position for position, category in enumerate(distinct)}
        codes = np.array([*(position_of[c] for c in categories), position_of[""]], np.int64)
        texts[name] = TextColumn(codes[column.codes], distinct)
    return TypedRows(len(frame), numbers, texts, unreadable)


@dataclass(frozen=True)
class Part:
    """Rows to learn from or to be judged on.

    Attributes:
        typed: the rows.
        labels: (rows,) class index.
        prices: (rows,).
        groups: (rows,) group of each row, when the spec splits by groups.
        homes: (rows,) equal for rows that differ in the price only.
        times: (rows,) rising with time, when the spec splits by time.

    """

    typed: TypedRows
    labels: Classes
    prices: Prices
    homes: np.ndarray[Any, np.dtype[np.uint64]]
    groups: np.ndarray[Any, Any] | None = None
    times: np.ndarray[Any, np.dtype[np.float64]] | None = None

    def take(self, at: Codes) -> Part:
        """The rows at these positions."""
        return replace(
            self,
            typed=self.typed.take(at),
            labels=self.labels[at],
            prices=self.prices[at],
            homes=self.homes[at],
            groups=None if self.groups is None else self.groups[at],
            times=None if self.times is None else self.times[at],
        )
