import json
import math

import numpy as np
import polars as pl
import pytest

from housing_core.cleaning import MISSING_WORDS, NumberRule
from housing_monitoring.columns import categorical_column, numeric_column

TURKISH = NumberRule(decimal=",", thousands=".", suffixes=("m2",))


def logged(values: list[object]) -> pl.Series:
    """Values as the log keeps them; an Ellipsis stands for one that was not sent."""
    texts = [None if value is ... else json.dumps(value) for value in values]
    return pl.Series(texts, dtype=pl.String)


def test_numbers_and_texts_are_read_as_serving_reads_them() -> None:
    column = numeric_column("area", logged(["2.250 m2", 2.25, 80]), TURKISH, MISSING_WORDS)
    assert column.values.tolist() == [2250.0, 2.25, 80.0]
    assert column.unreadable == 0


def test_numbers_are_rounded_as_the_graph_takes_them() -> None:
    column = numeric_column("area", logged([0.7]), TURKISH, MISSING_WORDS)
    assert column.values[0] == float(np.float32(0.7)) != 0.7


@pytest.mark.parametrize("value", [..., None, "", "n/a", float("nan")])
def test_what_means_no_value_is_missing(value: object) -> None:
    number = numeric_column("area", logged([value, 1]), TURKISH, MISSING_WORDS)
    assert math.isnan(number.values[0])
    text = categorical_column("district", logged([value, "Şile"]), MISSING_WORDS)
    assert text.codes.tolist() == [-1, 0]
    assert (number.unreadable, text.unreadable) == (0, 0)


@pytest.mark.parametrize("value", ["large", [1], {"m2": 3}, float("inf"), "1e999", 10**400])
def test_what_is_no_number_is_missing_and_counted(value: object) -> None:
    column = numeric_column("area", logged([value, 80]), TURKISH, MISSING_WORDS)
    assert math.isnan(column.values[0])
    assert column.unreadable == 1


@pytest.mark.parametrize("text", ["not json", "[" * 100_000, "9" * 5_000 + "e", r'"\ud800"'])
def test_a_text_that_is_no_json_is_missing_and_counted(text: str) -> None:
    texts = pl.Series([text, text, None])
    assert numeric_column("area", texts, TURKISH, MISSING_WORDS).unreadable == 2
    assert categorical_column("district", texts, MISSING_WORDS).unreadable == 2


def test_spellings_of_one_category_are_one_category() -> None:
    values = ["Kadıköy", " Kadıköy ", "3.0", 3.0, 3, "3"]
    column = categorical_column("district", logged(values), MISSING_WORDS)
    assert column.categories == ("Kadıköy", "3.0", "3")
    assert column.counts() == {"Kadıköy": 2, "3.0": 1, "3": 3}


def test_a_window_without_values_makes_columns_without_values() -> None:
    assert len(numeric_column("area", logged([]), TURKISH, ()).values) == 0
    assert categorical_column("district", logged([]), ()).counts() == {}
