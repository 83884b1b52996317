"""Raw listings → the typed inputs of the graph, column by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from housing_core.bundle import BundleError, Schema
from housing_core.cleaning import (
    BadValueError,
    NumberRule,
    clean_number,
    clean_text,
)
from housing_serving.inference.remembered import Remembered

Listing = Mapping[str, Any]
Values = list[list[Any]]
Columns = dict[str, list[Any]]
Inputs = dict[str, NDArray[Any]]

REPORTED_ERRORS = 10
"""Most bad values that one answer lists."""

REMEMBERED_VALUES = 4_096
"""Texts of a column."""


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


class _Column:
    """Cleans the values of one column; looking up what the last ones came to is ten times as fast."""

    def __init__(
        self, input_name: str, name: str, rule: NumberRule | None, missing_words: Sequence[str]
    ) -> None:
        self.input_name = input_name
        self.name = name
        self.is_number = rule is not None
        self._rule = rule
        self._missing_words = missing_words
        self._seen: Remembered[float | str] = Remembered()

    def clean(self, values: Sequence[Any]) -> list[float | str]:
        """The typed value of each.

        Raises:
            BadValueError: for the first that the column cannot take.

        """
        seen = self._seen
        cleaned = []
        for value in values:
            # 1, 1.0 and true are one key of a dictionary, and not one category.
            known = seen.get(value) if value is None or value.__class__ is str else None
            cleaned.append(self._learn(value) if known is None else known)
        return cleaned

    def _learn(self, value: object) -> float | str:
        if self._rule is not None:
            cleaned: float | str = clean_number(self.name, value, self._rule, self._missing_words)
        else:
            cleaned = clean_text(self.name, value, self._missing_words)
        self._seen.keep(value, cleaned, REMEMBERED_VALUES)
        return cleaned


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
        self._columns = [
            _Column(
                Schema.input_name(position),
                column.name,
                rules.numbers[column.name] if column.kind == "Numeric" else None,
                rules.missing_words,
            )
            for position, column in enumerate(schema.columns)
        ]
        self.columns = tuple(column.name for column in schema.columns)
        self._known = frozenset(self.columns)

    def encode(self, rows: Sequence[Listing]) -> Inputs:
        """Inputs of the graph; see `read`, `clean` and `to_inputs`."""
        return self.to_inputs(self.clean(self.read(rows)))

    def read(self, rows: Sequence[Listing]) -> Values:
        """The raw value of each row, column by column; None where it is absent or null.

        Args:
            rows: listings as they came.

        Raises:
            BadListingsError: when all fields of a listing are unknown. A listing without fields is
                one of which nothing is known.

        """
        strangers = [i for i, row in enumerate(rows) if row and self._known.isdisjoint(row)]
        if strangers:
            expected = f"one of the fields {self._shown_columns()}"
            raise BadListingsError(
                [BadField(i, None, list(rows[i])[:5], expected) for i in strangers]
            )
        return [[row.get(name) for row in rows] for name in self.columns]

    def clean(self, values: Values) -> Columns:
        """The typed values, by input of the graph: numbers with NaN, or texts with "".

        Args:
            values: what `read` gave; one that is None is missing.

        Raises:
            BadListingsError: when a value cannot be taken.

        """
        read = zip(self._columns, values, strict=True)
        try:
            return {column.input_name: column.clean(own) for column, own in read}
        except BadValueError:
            raise BadListingsError(self._bad_fields(values)) from None

    def to_inputs(self, columns: Columns) -> Inputs:
        """Inputs of the graph, each of shape (rows, 1): float32, or objects of str."""
        # Two arrays and their parts are made in less time than one array for each column.
        numbers = [c.input_name for c in self._columns if c.is_number]
        texts = [c.input_name for c in self._columns if not c.is_number]
        inputs: Inputs = {}
        for names, kind in ((numbers, np.float32), (texts, object)):
            values = np.array([columns[name] for name in names], kind)
            inputs.update(zip(names, values.reshape(len(names), -1, 1), strict=True))
        return inputs

    def ignored_fields(self, rows: Sequence[Listing]) -> list[str]:
        """Names of fields that are no column, sorted."""
        if all(map(self._known.issuperset, rows)):
            return []
        return sorted({name for row in rows for name in row.keys() - self._known})

    def _bad_fields(self, values: Values) -> list[BadField]:
        """The slow way, taken only when something is wrong: value by value."""
        found: list[BadField] = []
        for column, own in zip(self._columns, values, strict=True):
            for i, value in enumerate(own):
                try:
                    column.clean([value])
                except BadValueError as error:
                    found.append(BadField(i, column.name, error.value, error.expected))
        return found

    def _shown_columns(self) -> str:
        shown = ", ".join(map(repr, self.columns[:20]))
        return shown if len(self.columns) <= 20 else f"{shown}, ... ({len(self.columns)} in all)"
