"""Prices are read, cut at percentiles, and refused where that cannot be."""

import numpy as np
import pytest

from housing_training.data.reading import cells
from housing_training.data.target import (
    Target,
    check_classes,
    classify,
    percentile_boundaries,
    read_prices,
    uneven_classes,
)
from housing_training.errors import InvalidDataError
from tests.unit.training.listings import as_listings

CLASSES = ["Low", "Medium", "High"]


def prices(texts: list[str | None], numeric: bool = False) -> Target:
    listings = as_listings({"price": texts})
    return read_prices("price", cells(listings.frame, "price"), stored_as_numbers=numeric)


def test_rows_without_a_price_above_zero_are_counted() -> None:
    found = prices(["3,100,000TL", "2,000,000TL", "ask", "0TL", "", None, "-5"])
    assert found.prices[:2].tolist() == [3_100_000, 2_000_000]
    assert np.isnan(found.prices[2:]).all()
    assert found.unusable == 5
    assert found.example == "ask"


def test_one_price_with_its_currency_is_a_price() -> None:
    assert prices(["5,000TL"] * 3).prices.tolist() == [5000] * 3


def test_an_infinite_price_is_not_usable() -> None:
    assert prices(["inf", "100", "1e999"], numeric=True).unusable == 2


@pytest.mark.parametrize("texts", [["ask", "call us"], ["0", "-1"], ["", None]])
def test_a_column_without_any_price_is_refused(texts: list[str | None]) -> None:
    with pytest.raises(InvalidDataError, match=r"dataset\.target\.column: 'price' holds no number"):
        prices(texts)


def test_boundaries_are_percentiles_and_belong_to_the_class_above() -> None:
    values = np.arange(1.0, 101.0)
    boundaries = percentile_boundaries(values, [0.4, 0.8], CLASSES)
    assert boundaries == pytest.approx([40.6, 80.2])
    assert classify(np.array([40.0, 40.6, 80.2]), boundaries).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([5.0] * 100, r"0\.4 falls on the price 5\.00.* class 'Low': 100%"),
        ([1.0] * 30 + [5.0] * 60 + [9.0] * 10, r"0\.8 falls on the price 5\.00.* class 'Medium'"),
    ],
)
def test_quantiles_that_do_not_part_the_prices_are_refused(
    values: list[float], message: str
) -> None:
    with pytest.raises(InvalidDataError, match=r"dataset\.target\.quantiles: " + message):
        percentile_boundaries(np.array(values), [0.4, 0.8], CLASSES)


@pytest.mark.parametrize(
    ("values", "messages"),
    [
        (list(range(1, 101)), []),
        ([1] * 38 + [5] * 42 + [9] * 20, []),
        (
            [1] * 20 + [5] * 50 + [9] * 30,
            [
                "class 'Low' holds 20% of the training part instead of 40%: 50% of it has the "
                "price 5.00",
                "class 'Medium' holds 50% of the training part instead of 40%: 50% of it has the "
                "price 5.00",
                "class 'High' holds 30% of the training part instead of 20%: 50% of it has the "
                "price 5.00",
            ],
        ),
    ],
)
def test_classes_that_equal_prices_make_uneven_are_told(
    values: list[int], messages: list[str]
) -> None:
    prices = np.array(values, float)
    labels = classify(prices, percentile_boundaries(prices, [0.4, 0.8], CLASSES))
    assert uneven_classes(prices, labels, [0.4, 0.8], CLASSES) == messages


def test_a_class_without_a_row_is_refused_by_its_name() -> None:
    with pytest.raises(InvalidDataError, match="no row of the training part is of class 'High'"):
        check_classes(np.array([0, 1, 1]), [10.0, 20.0], CLASSES, "training part")


def test_as_many_classes_as_the_quantiles_make_must_be_named() -> None:
    with pytest.raises(InvalidDataError, match=r"dataset\.target\.classes: 1 quantiles make 2"):
        percentile_boundaries(np.array([1.0, 2.0, 3.0]), [0.5], CLASSES)
