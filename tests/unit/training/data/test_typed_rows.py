"""Raw cells become what serving makes of them, and what cannot be read is counted."""

import numpy as np

from housing_training.data.columns import infer_columns
from housing_training.data.typed_rows import clean_listings
from tests.unit.training.listings import as_listings


def test_cells_that_are_no_value_of_their_column_are_missing_and_counted() -> None:
    training = as_listings({"price": ["1"] * 4, "area": ["80 m2", "90 m2", "70 m2", "2.250 m2"]})
    rules = infer_columns(training, "price").rules
    found = clean_listings(as_listings({"area": ["80 m2", "two rooms", "", None]}), rules)
    assert found.numbers["area"][0] == 80
    assert np.isnan(found.numbers["area"][1:]).all()
    assert found.unreadable == 1


def test_a_column_that_is_absent_is_missing() -> None:
    training = as_listings({"price": ["1"] * 4, "area": list("1234"), "x": list("abab")})
    found = clean_listings(as_listings({"y": ["1", "2"]}), infer_columns(training, "price").rules)
    assert np.isnan(found.numbers["area"]).all()
    assert found.texts["x"].texts().tolist() == ["", ""]
