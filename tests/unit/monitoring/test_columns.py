import json
import math

import numpy as np
import pyarrow as pa
import pytest

from housing_core.cleaning import MISSING_WORDS, NumberRule
from housing_monitoring.columns import NumericColumn, categorical_column, numeric_column

TURKISH = NumberRule(decimal=",", thousands=".", suffixes=("m2",))


def dictionary(texts: list[str | None]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(texts, pa.string()).dictionary_encode()])


def logged(values: list[object]) -> pa.ChunkedArray:
    """Values as the log keeps them; an Ellipsis stands for one that was not sent."""
    return dictionary([None if value is ... else json.dumps(value) for value in values])


def rows(column: NumericColumn) -> list[float]:
    """The value of each row."""
    return np.append(column.values, math.nan)[column.codes].tolist()


def test_numbers_and_texts_are_read_as_serving_reads_them() -> None:
    column = numeric_column("area", logged(["2.250 m2", 2.25, 80]), TURKISH, MISSING_WORDS)
    assert rows(column) == [2250.0, 2.25, 80.0]
    assert column.unreadable == 0


def test_numbers_are_rounded_as_the_graph_takes_them() -> None:
    column = numeric_column("area", logged([0.7]), TURKISH, MISSING_WORDS)
    assert rows(column)[0] == float(np.float32(0.7)) != 0.7


@pytest.mark.parametrize("value", [..., None, "", "n/a", float("nan")])
def test_what_means_no_value_is_missing(value: object) -> None:
    number = numeric_column("area", logged([value, 1]), TURKISH, MISSING_WORDS)
    assert math.isnan(rows(number)[0])
    text = categorical_column("district", logged([value, "Şile"]), MISSING_WORDS)
    assert text.codes.tolist() == [-1, 0]
    assert (number.unreadable, text.unreadable) == (0, 0)


@pytest.mark.parametrize("value", ["large", [1], {"m2": 3}, float("inf"), "1e999", 10**400])
def test_what_is_no_number_is_missing_and_counted(value: object) -> None:
    column = numeric_column("area", logged([value, 80]), TURKISH, MISSING_WORDS)
    assert math.isnan(rows(column)[0])
    assert column.unreadable == 1


@pytest.mark.parametrize("text", ["not json", "[" * 100_000, "9" * 5_000 + "e", r'"\ud800"'])
def test_a_text_that_is_no_json_is_missing_and_counted(text: str) -> None:
    texts = dictionary([text, text, None])
    assert numeric_column("area", texts, TURKISH, MISSING_WORDS).unreadable == 2
    assert categorical_column("district", texts, MISSING_WORDS).unreadable == 2


def test_spellings_of_one_category_are_one_category() -> None:
    values = ["Kadıköy", " Kadıköy ", "3.0", 3.0, 3, "3"]
    column = categorical_column("district", logged(values), MISSING_WORDS)
    assert column.categories == ("Kadıköy", "3.0", "3")
    assert column.counts() == {"Kadıköy": 2, "3.0": 1, "3": 3}


def test_a_window_without_values_makes_columns_without_values() -> None:
    assert rows(numeric_column("area", logged([]), TURKISH, ())) == []
    assert categorical_column("district", logged([]), ()).counts() == {}


@pytest.mark.parametrize("text", ["7", "-0.25", "0", "123456789012345678", "1e5", "1E-2", "10.50"])
def test_a_number_in_json_is_that_number(text: str) -> None:
    column = numeric_column("area", dictionary([text]), TURKISH, MISSING_WORDS)
    assert rows(column) == [float(np.float32(float(text)))]


@pytest.mark.parametrize("text", ["007", "1.", ".5", "+1", " 1,5", "1_000", "0x10"])
def test_a_number_that_json_does_not_know_is_unreadable(text: str) -> None:
    assert numeric_column("area", dictionary([text]), TURKISH, MISSING_WORDS).unreadable == 1


def test_chunks_of_other_dictionaries_are_one_column() -> None:
    texts = pa.chunked_array(
        [c for values in (["a", "b"], [], ["b", ..., "c"]) for c in logged(values).chunks]
    )
    assert categorical_column("district", texts, ()).counts() == {"a": 1, "b": 2, "c": 1}
