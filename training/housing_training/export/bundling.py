"""Everything that goes into a bundle but the graph: schema and golden rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from housing_core.api.spec import Cross
from housing_core.bundle import ColumnSchema, CrossSchema, GoldenRow, Schema
from housing_core.cleaning import BadValueError, NumberRule, clean_row
from housing_training.data.columns import Columns, count_categories
from housing_training.data.reading import Listings, cells
from housing_training.data.typed_rows import TypedRows
from housing_training.export.inference import Graph

GOLDEN_LISTINGS = 16
EXAMPLES = 5
EXAMPLE_LENGTH = 80
UNSEEN = "a value that training has not seen"


def make_schema(
    *,
    model_name: str,
    target: str,
    columns: Columns,
    crosses: Sequence[Cross],
    classes: Sequence[str],
    boundaries: Sequence[float],
    price_rule: NumberRule,
    training: Listings,
    typed: TypedRows,
) -> Schema:
    """The schema of a bundle.

    Args:
        model_name: `<namespace>.<name>`.
        target: the price column.
        columns: inputs and ignored columns.
        crosses: hashed combinations.
        classes: from the lowest prices to the highest.
        boundaries: prices that part them.
        price_rule: how the data writes prices.
        training: the raw training part, for examples.
        typed: the same, typed, for ranges.

    """
    described = []
    for column in columns.inputs:
        values = typed.numbers.get(column.name)
        present = values[~np.isnan(values)] if values is not None else np.empty(0)
        described.append(
            ColumnSchema(
                name=column.name,
                kind=column.kind,
                reason=column.reason,
                minimum=float(present.min()) if len(present) else None,
                maximum=float(present.max()) if len(present) else None,
                examples=_examples(training, column.name),
            )
        )
    return Schema(
        model_name=model_name,
        target=target,
        columns=described,
        crosses=[CrossSchema(name=c.name, columns=c.columns) for c in crosses],
        classes=list(classes),
        boundaries=list(boundaries),
        ignored=dict(columns.ignored),
        cleaning=columns.rules.to_json(),
        price_rule=price_rule,
    )


def _examples(listings: Listings, name: str) -> list[str]:
    counts = count_categories(name, cells(listings.frame, name))
    frequent = sorted(counts, key=lambda text: (-counts[text], text))
    return [text[:EXAMPLE_LENGTH] for text in frequent if text][:EXAMPLES]


def raw_row(listings: Listings, row: int, names: Sequence[str]) -> dict[str, Any]:
    """One listing as a client would send it: numbers where the files store numbers; no missing ones."""
    found: dict[str, Any] = {}
    for name in names:
        text = listings.frame[name].iloc[row]
        if isinstance(text, str):
            found[name] = float(text) if name in listings.numeric else text
    return found


def golden_rows(graph: Graph, schema: Schema, holdout: Listings) -> list[GoldenRow]:
    """Listings spread over the holdout, an empty one and one of unseen categories, with answers.

    They go through the same code as a request: `clean_row`, then the graph row by row.
    """
    names = [column.name for column in schema.columns]
    rules = schema.rules
    spread = np.linspace(0, len(holdout.frame) - 1, min(GOLDEN_LISTINGS, len(holdout.frame)))
    candidates = [raw_row(holdout, int(row), names) for row in spread]
    unseen = dict.fromkeys(rules.texts, UNSEEN)
    golden = []
    for row in [*candidates, {}, *([unseen] if unseen else [])]:
        try:
            typed = clean_row(row, rules)
        except BadValueError:
            continue  # a text that no training row had; serving refuses it by design
        golden.append(_answered(graph, schema, row, typed))
    return golden


def _answered(
    graph: Graph, schema: Schema, row: dict[str, Any], typed: Mapping[str, float | str]
) -> GoldenRow:
    answers = graph.run(
        {
            Schema.input_name(position): np.array(
                [[typed[column.name]]], np.float32 if column.kind == "Numeric" else object
            )
            for position, column in enumerate(schema.columns)
        }
    )
    return GoldenRow(
        row=row,
        label=schema.classes[int(answers.labels[0])],
        probabilities=[float(p) for p in answers.probabilities[0]],
    )
