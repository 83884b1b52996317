"""Raw listings as typed inputs of the graph."""

from typing import Any

import numpy as np
import pytest

from housing_core.bundle import BundleError, ColumnSchema, Schema
from housing_core.cleaning import CleaningRules
from housing_serving.inference import encoding
from housing_serving.inference.encoding import REPORTED_ERRORS, BadListingsError, Encoder
from housing_serving.inference.model import Model


def test_columns_become_one_array_each_in_the_order_of_the_schema(model: Model) -> None:
    inputs = model.encoder.encode(
        [
            {"area": "1.250,5 m2", "rooms": 3, "ilçe": " Kadıköy "},
            {"area": True, "rooms": "4", "ilçe": 34},
        ]
    )
    assert list(inputs) == ["column_0", "column_1", "column_2"]
    assert inputs["column_0"].dtype == np.float32
    assert inputs["column_0"].tolist() == [[1250.5], [1.0]]
    assert inputs["column_1"].tolist() == [[3.0], [4.0]]
    assert inputs["column_2"].tolist() == [["Kadıköy"], ["34"]]


def test_what_was_seen_before_is_cleaned_the_same_and_only_the_last_are_remembered(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "REMEMBERED_VALUES", 3)
    values = [" Kadıköy ", "1", 1, 1.0, True, None, "x" * 1000, *map(str, range(10)), "1", "-"]
    rows = [{"rooms": 1, "ilçe": value} for value in values]
    expected = ["Kadıköy", "1", "1", "1", "true", "", "x" * 1000, *map(str, range(10)), "1", ""]
    for _ in range(2):
        assert model.encoder.encode(rows)["column_2"].ravel().tolist() == expected


@pytest.mark.parametrize("missing", [{}, {"area": None, "ilçe": None}, {"area": "n/a", "ilçe": ""}])
def test_what_is_absent_null_or_a_word_for_it_is_missing(
    model: Model, missing: dict[str, Any]
) -> None:
    inputs = model.encoder.encode([{"rooms": 1, **missing}])
    assert np.isnan(inputs["column_0"]).all()
    assert inputs["column_2"].tolist() == [[""]]


@pytest.mark.parametrize(
    ("row", "field", "expected"),
    [
        ({"area": "large"}, "area", "a number"),
        ({"area": "1" * 1000}, "area", "a number"),
        ({"area": [120]}, "area", "a number"),
        ({"rooms": {"of": 3}}, "rooms", "a number"),
        ({"ilçe": ["Kadıköy"]}, "ilçe", "a text or a number"),
        ({"area": 1e300}, "area", "a finite number"),
        ({"area": 10**400}, "area", "a finite number"),
    ],
)
def test_a_value_that_its_column_cannot_take_is_named(
    model: Model, row: dict[str, Any], field: str, expected: str
) -> None:
    with pytest.raises(BadListingsError) as caught:
        model.encoder.encode([{"rooms": 1}, row])
    (bad,) = caught.value.fields
    assert (bad.row, bad.field, bad.value, bad.expected) == (1, field, row[field], expected)


def test_bad_values_are_listed_by_row_up_to_a_limit(model: Model) -> None:
    with pytest.raises(BadListingsError) as caught:
        model.encoder.encode([{"area": "x", "rooms": "y"} for _ in range(100)])
    rows = [bad.row for bad in caught.value.fields]
    assert rows == sorted(rows)
    assert len(rows) == REPORTED_ERRORS
    assert {bad.field for bad in caught.value.fields} == {"area", "rooms"}


def test_a_listing_without_any_known_field_is_a_mistake(model: Model) -> None:
    with pytest.raises(BadListingsError) as caught:
        model.encoder.encode([{}, {"instances": [], "Area": 3}])
    (bad,) = caught.value.fields
    assert (bad.row, bad.field) == (1, None)
    assert "'area', 'rooms', 'ilçe'" in bad.expected


def test_nothing_may_be_known_of_a_listing(model: Model) -> None:
    assert np.isnan(model.encoder.encode([{}])["column_0"]).all()


def test_fields_that_no_column_takes_are_named(model: Model) -> None:
    rows = [{"area": 1, "Area": 2}, {"rooms": 1, "ID": 7, "Area": 2}]
    assert model.encoder.ignored_fields(rows) == ["Area", "ID"]
    assert model.encoder.ignored_fields([{"area": 1}]) == []


@pytest.mark.parametrize(
    "cleaning", ["{", "{}", CleaningRules(texts=("area",)).to_json()], ids=["cut", "bare", "kinds"]
)
def test_rules_that_do_not_fit_the_columns_make_a_bad_bundle(cleaning: str) -> None:
    schema = Schema(
        model_name="tests.tiny",
        target="price",
        columns=[ColumnSchema(name="area", kind="Numeric")],
        classes=["Low", "High"],
        boundaries=[1.0],
        cleaning=cleaning,
    )
    with pytest.raises(BundleError, match=r"schema\.json"):
        Encoder(schema)
