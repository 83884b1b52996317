"""Raw listings → the typed inputs of the graph, column by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from housing_core.bundle import BundleError, Schema
from housing_core.cleaning import (
    MISSING_TEXT,
    BadValueError,
    NumberRule,
    clean_number,
    clean_text,
)

Listing = Mapping[str, Any]
Inputs = dict[str, NDArray[Any]]

REPORTED_ERRORS = 10
"""Most bad values that one answer lists."""


@dataclass(frozen=True, slots=True)
class BadField:
    """A value that its column cannot take.

    Attributes:
        row: position of the listing in its request, from 0.
        field: the column; None when the listing as a whole is wrong.

    """

    row: int
    field: str | None
    value: object
    expected: str


class BadListingsError(ValueError):
    """Listings that cannot be encoded; `fields` holds the first bad values, by row."""

    def __init__(self, fields: Sequence[BadField]) -> None:
        self.fields = sorted(fields, key=lambda bad: bad.row)[:REPORTED_ERRORS]
        super().__init__(f"{len(self.fields)} bad values")


@dataclass(frozen=True, slots=True)
class _Column:
    input_name: str
    name: str
    rule: NumberRule | None


class Encoder:
    """Encodes for one schema."""

    def __init__(self, schema: Schema) -> None:
        """Look up the rule of every column.

        Raises:
            BundleError: when the cleaning rules cannot be read or leave a column out.

        """
        try:
            rules = schema.rules
        except ValueError as error:
            raise BundleError(f"schema.json: the cleaning rules cannot be read: {error}") from error
        for column in schema.columns:
            known = rules.numbers if column.kind == "Numeric" else rules.texts
            if column.name not in known:
                raise BundleError(f"schema.json: column {column.name!r} has no cleaning rule")
        self._missing_words = rules.missing_words
        self._columns = [
            _Column(
                Schema.input_name(position),
                column.name,
                rules.numbers[column.name] if column.kind == "Numeric" else None,
            )
            for position, column in enumerate(schema.columns)
        ]
        self.columns = tuple(column.name for column in schema.columns)
        self._known = frozenset(self.columns)

    def encode(self, rows: Sequence[Listing]) -> Inputs:
        """Inputs of the graph, each of shape (rows, 1): float32 with NaN, or objects of str with "".

        Args:
            rows: listings as they came; a column that is absent or null is missing.

        Raises:
            BadListingsError: when a value cannot be taken, or all fields of a listing are unknown.
                A listing without fields is one of which nothing is known.

        """
        strangers = [i for i, row in enumerate(rows) if row and self._known.isdisjoint(row)]
        if strangers:
            expected = f"one of the fields {self._shown_columns()}"
            raise BadListingsError(
                [BadField(i, None, list(rows[i])[:5], expected) for i in strangers]
            )
        try:
            return {column.input_name: self._array(column, rows) for column in self._columns}
        except BadValueError:
            raise BadListingsError(self._bad_fields(rows)) from None

    def ignored_fields(self, rows: Sequence[Listing]) -> list[str]:
        """Names of fields that are no column, sorted."""
        return sorted({name for row in rows for name in row.keys() - self._known})

    def _array(self, column: _Column, rows: Sequence[Listing]) -> NDArray[Any]:
        name, rule, words = column.name, column.rule, self._missing_words
        if rule is not None:
            numbers = [clean_number(name, row.get(name), rule, words) for row in rows]
            return np.array(numbers, dtype=np.float32).reshape(-1, 1)
        texts = [
            clean_text(name, row[name], words) if name in row else MISSING_TEXT for row in rows
        ]
        return np.array(texts, dtype=object).reshape(-1, 1)

    def _bad_fields(self, rows: Sequence[Listing]) -> list[BadField]:
        """The slow way, taken only when something is wrong: value by value."""
        found: list[BadField] = []
        for column in self._columns:
            for i, row in enumerate(rows):
                try:
                    self._array(column, [row])
                except BadValueError as error:
                    found.append(BadField(i, column.name, error.value, error.expected))
        return found

    def _shown_columns(self) -> str:
        shown = ", ".join(map(repr, self.columns[:20]))
        return shown if len(self.columns) <= 20 else f"{shown}, ... ({len(self.columns)} in all)"
