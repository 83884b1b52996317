"""A column that gives the price away is named; honest ones are not."""

import numpy as np
import pytest

from housing_training.data.typed_rows import Part, TextColumn, TypedRows
from housing_training.evaluation.leakage import leakage_warning, leaking_columns

ROWS = 2000


def part(numbers: dict[str, np.ndarray], texts: dict[str, list[str]] | None = None) -> Part:
    prices = np.exp(np.random.default_rng(0).normal(15, 0.5, ROWS))
    labels = np.searchsorted(np.quantile(prices, [0.4, 0.8]), prices, side="right")
    columns = {}
    for name, values in (texts or {}).items():
        distinct = sorted(set(values))
        codes = np.array([distinct.index(value) for value in values])
        columns[name] = TextColumn(codes, distinct)
    typed = {name: values.astype(np.float32) for name, values in numbers.items()}
    return Part(
        TypedRows(ROWS, typed, columns, 0), labels, prices, np.arange(ROWS).astype(np.uint64)
    )


PRICES = part({}).prices
LABELS = part({}).labels
CHANCE = np.random.default_rng(1)


@pytest.mark.parametrize(
    "values",
    [
        PRICES / 19.2,
        -np.log(PRICES),
        PRICES * CHANCE.uniform(0.97, 1.03, ROWS),
        np.where(CHANCE.random(ROWS) < 0.02, np.nan, PRICES),
        1.0 + LABELS,
    ],
    ids=["other currency", "logarithm", "a few per cent off", "with gaps", "the class"],
)
def test_the_price_in_another_form_is_found(values: np.ndarray) -> None:
    assert list(leaking_columns(part({"x": values}), 3, seed=1)) == ["x"]


def test_a_text_that_names_the_class_is_found() -> None:
    names = [f"tax band {'ABC'[label]}" for label in LABELS]
    found = leaking_columns(part({}, {"band": names}), 3, seed=1)
    assert "macro F1 1.000" in found["band"]
    warning = leakage_warning("band", found["band"])
    assert "column 'band' may give the price away" in warning
    assert "set it to Ignored in dataset.columns" in warning


@pytest.mark.parametrize(
    "values",
    [
        PRICES * CHANCE.lognormal(0, 0.35, ROWS),
        CHANCE.random(ROWS),
        np.full(ROWS, np.nan),
        np.full(ROWS, 7.0),
        np.where(CHANCE.random(ROWS) < 0.5, np.nan, PRICES * CHANCE.lognormal(0, 0.3, ROWS)),
    ],
    ids=["a good feature", "noise", "all missing", "constant", "half missing"],
)
def test_honest_columns_are_not_accused(values: np.ndarray) -> None:
    assert leaking_columns(part({"x": values}), 3, seed=1) == {}


def test_a_text_that_differs_in_every_row_is_not_accused() -> None:
    assert leaking_columns(part({}, {"id": [f"n{n}" for n in range(ROWS)]}), 3, seed=1) == {}
