"""What each column is: a number, a category, too many categories, or nothing to learn from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from housing_core.api.spec import Column, ColumnKind
from housing_core.cleaning import CleaningRules, NumberRule, clean_text, is_missing
from housing_training.data.numbers import LearnedNumbers, learn_numbers
from housing_training.data.reading import Cells, Listings, cells, is_unnamed, list_columns
from housing_training.errors import InvalidDataError

ONE_HOT_LIMIT = 64
"""More categories than this are hashed: one input each would be mostly zeros."""

READABLE_SHARE = 0.95
"""A column is numeric when its rule reads at least this share of its present cells."""

DATE_SHARE = 0.9
DISTINCT_SHARE = 0.95
"""A text that differs in this share of the rows names the row and says nothing about others."""

NAME_LIMIT = 128
"""Longest name that `status.inputs` of the resource can show."""

INPUT_LIMIT = 1_000
"""Most inputs: the reference profile of more would pass its megabyte, whatever it left out."""

MIN_ROWS_FOR_IDENTIFIERS = 100

InputKind = Literal["Numeric", "Categorical", "HighCardinality"]

_DATE = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}([ T].*)?"  # 2022-02-24, with or without a time
    r"|\d{1,2}[./-]\d{1,2}[./-](\d{4}|\d{2})( .*)?"  # 24.02.2022
    r"|\d{1,2}\.? [^\W\d_]{3,} \d{4}( .*)?"  # 24 February 2022, in any language
    r"|[^\W\d_]{3,} \d{1,2},? \d{4}( .*)?"  # February 24, 2022
)


@dataclass(frozen=True, slots=True)
class InputColumn:
    """One input of the model.

    Attributes:
        reason: why it has this kind, for a person.
        rule: how its numbers are written; None for categories.

    """

    name: str
    kind: InputKind
    reason: str
    rule: NumberRule | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """All columns of the data but the target.

    Attributes:
        inputs: in the order of the data.
        ignored: name → why it is not an input.

    """

    inputs: tuple[InputColumn, ...]
    ignored: Mapping[str, str]

    @property
    def rules(self) -> CleaningRules:
        """The cleaning rules that all who take raw values apply."""
        return CleaningRules(
            numbers={c.name: c.rule for c in self.inputs if c.rule is not None},
            texts=tuple(c.name for c in self.inputs if c.rule is None),
        )

    def kind(self, name: str) -> InputKind:
        """Kind of the input with this name."""
        return next(column.kind for column in self.inputs if column.name == name)


def content_columns(names: Sequence[str], target: str, overrides: Sequence[Column]) -> list[str]:
    """The columns that make up a row: all with a name that the spec does not ignore.

    An unnamed column is a row index of some tool: it would make every duplicate look new.

    Raises:
        InvalidDataError: when target or overrides name a column that is not there.

    """
    if target not in names:
        raise InvalidDataError(
            f"dataset.target.column: the data has no column {target!r}; its columns are "
            f"{list_columns(names)}"
        )
    for override in overrides:
        if override.name not in names:
            raise InvalidDataError(
                f"dataset.columns: the data has no column {override.name!r}; its columns are "
                f"{list_columns(names)}"
            )
    ignored = {override.name for override in overrides if override.kind == "Ignored"}
    return [name for name in names if not is_unnamed(name) and name not in ignored]


def infer_columns(
    listings: Listings,
    target: str,
    overrides: Sequence[Column] = (),
    crossed: Mapping[str, str] | None = None,
) -> Columns:
    """Give every column its kind.

    Args:
        listings: the training part.
        target: the price column, which is no input.
        overrides: kinds that the spec sets.
        crossed: columns that the spec's crosses combine → name of the cross. They are categories.

    Raises:
        InvalidDataError: when an override cannot be, no input is left, or there are too many.

    """
    wanted = {override.name: override.kind for override in overrides}
    crossed = crossed or {}
    inputs: list[InputColumn] = []
    ignored: dict[str, str] = {}
    for name in listings.frame.columns:
        if name == target:
            continue
        found = infer_column(
            name,
            cells(listings.frame, name),
            stored_as_numbers=name in listings.numeric,
            wanted=wanted.get(name),
            cross=crossed.get(name),
        )
        if isinstance(found, InputColumn):
            inputs.append(found)
        else:
            ignored[name] = found
    if not inputs:
        reasons = "; ".join(f"{name!r}: {why}" for name, why in list(ignored.items())[:10])
        raise InvalidDataError(
            "no column is left to learn from"
            + (f" ({reasons})" if reasons else ": the data has the target column only")
            + "; add columns, or set their kind in dataset.columns"
        )
    if len(inputs) > INPUT_LIMIT:
        raise InvalidDataError(
            f"dataset.uri: {len(inputs):,} columns would be inputs, of which {INPUT_LIMIT:,} are the "
            "most: leave those out that say least about a home"
        )
    return Columns(tuple(inputs), ignored)


def infer_column(
    name: str,
    column: Cells,
    *,
    stored_as_numbers: bool = False,
    wanted: ColumnKind | None = None,
    cross: str | None = None,
) -> InputColumn | str:
    """The kind of one column, or why it is not an input.

    Raises:
        InvalidDataError: when the spec wants a kind that the values cannot have.

    """
    if wanted == "Ignored":
        return "dataset.columns sets it to Ignored"
    if len(name) > NAME_LIMIT:
        return f"its name is longer than {NAME_LIMIT} characters"
    counts = column.counts
    categories = count_categories(name, column)
    present = {text: count for text, count in categories.items() if text}
    rows = sum(present.values())
    texts = list(zip(column.texts, counts.tolist(), strict=True))
    if wanted == "Numeric":
        return _wanted_number(name, texts, stored_as_numbers)
    if wanted is not None:
        return InputColumn(name, wanted, f"dataset.columns sets it to {wanted}")
    if cross is not None:
        kind = _by_cardinality(len(categories))
        return InputColumn(name, kind, f"cross {cross!r} combines it; {_counted(categories)}")
    if is_unnamed(name):
        return "it has no name: a row index"
    if not present:
        return "it is empty"
    if len(categories) == 1:
        return f"it is {next(iter(present))[:60]!r} in every row"
    if sum(n for text, n in present.items() if _DATE.fullmatch(text)) >= DATE_SHARE * rows:
        # Before numbers: "24 February 2022" would be 24 with a unit.
        return "it holds dates: listings to come have dates that training cannot have seen"
    learned = _learn(texts, stored_as_numbers)
    if are_numbers(learned):
        if _numbers_rows(learned, rows, len(present)):
            return "it numbers the rows"
        return InputColumn(name, "Numeric", _numeric_reason(learned, rows, column), learned.rule)
    if rows >= MIN_ROWS_FOR_IDENTIFIERS and len(present) >= DISTINCT_SHARE * rows:
        return f"it differs in nearly every row ({len(present)} values in {rows} rows)"
    return InputColumn(name, _by_cardinality(len(categories)), _counted(categories))


def count_categories(name: str, column: Cells) -> dict[str, int]:
    """Each cleaned category with its rows, `""` for missing."""
    categories: dict[str, int] = {}
    for text, count in zip(column.texts, column.counts.tolist(), strict=True):
        if count:
            category = clean_text(name, text)
            categories[category] = categories.get(category, 0) + count
    absent = int((column.codes < 0).sum())
    if absent:
        categories[""] = categories.get("", 0) + absent
    return categories


def are_numbers(learned: LearnedNumbers) -> bool:
    """Whether a column of such texts is numeric, where the spec does not say otherwise."""
    return learned.readable >= READABLE_SHARE and learned.coded <= 1 - READABLE_SHARE


def _by_cardinality(categories: int) -> InputKind:
    return "Categorical" if categories <= ONE_HOT_LIMIT else "HighCardinality"


def _counted(categories: Mapping[str, int]) -> str:
    count = len(categories)
    against = "at most" if count <= ONE_HOT_LIMIT else "more than"
    return f"{count} categories, {against} {ONE_HOT_LIMIT}"


def _learn(
    texts: list[tuple[str, int]], stored_as_numbers: bool, *, known_to_be: bool = False
) -> LearnedNumbers:
    learned = learn_numbers(texts, known_to_be=known_to_be)
    if stored_as_numbers:
        # Their texts were made by us, with a point and no thousands marks.
        values = {text: float(text) for text, count in texts if count and not is_missing(text)}
        return LearnedNumbers(NumberRule(), readable=1.0, values=values, coded=0.0)
    return learned


def _wanted_number(name: str, texts: list[tuple[str, int]], stored_as_numbers: bool) -> InputColumn:
    learned = _learn(texts, stored_as_numbers, known_to_be=True)
    if not learned.values:
        shown = next((text for text, count in texts if count and not is_missing(text)), "")
        raise InvalidDataError(
            f"dataset.columns: {name!r} is set to Numeric, but none of its values is a number, "
            f"for example {shown[:60]!r}; set it to Categorical or HighCardinality"
        )
    return InputColumn(name, "Numeric", "dataset.columns sets it to Numeric", learned.rule)


def _numbers_rows(learned: LearnedNumbers, rows: int, distinct: int) -> bool:
    """Whether a column counts the rows: whole numbers, all different, few gaps."""
    if rows < MIN_ROWS_FOR_IDENTIFIERS or distinct < rows:
        return False
    values = np.array(list(learned.values.values()))
    whole = bool(np.all(values == np.round(values)))
    return whole and float(values.max() - values.min()) < 2 * rows


def _numeric_reason(learned: LearnedNumbers, rows: int, column: Cells) -> str:
    reason = f"{learned.readable:.1%} of its values are numbers"
    rule = learned.rule
    notes = []
    if rule.thousands:
        notes.append(f"thousands mark {rule.thousands!r}")
    if rule.decimal == ",":
        notes.append("decimal mark ','")
    if rule.prefixes:
        notes.append(f"behind {rule.prefixes[0]!r}")
    if rule.suffixes:
        unit = re.sub(r"\\(.)", r"\1", rule.suffixes[0])
        notes.append(f"before {unit!r}")
    missing = 1 - rows / max(1, len(column.codes))
    if missing:
        notes.append(f"{missing:.0%} missing")
    return reason + (f" ({', '.join(notes)})" if notes else "")


def with_crossed(columns: Columns, crossed: Mapping[str, str]) -> Columns:
    """The same columns; those that inferred crosses combine say so."""
    return replace(
        columns,
        inputs=tuple(
            (
                replace(c, reason=f"{c.reason}; cross {crossed[c.name]!r} combines it")
                if c.name in crossed
                else c
            )
            for c in columns.inputs
        ),
    )
