"""Crosses come from the spec, or from what lies inside what."""

import numpy as np
import pytest

from housing_core.api.spec import Column, Cross
from housing_training.data.columns import infer_columns
from housing_training.data.typed_rows import clean_listings
from housing_training.errors import InvalidDataError
from housing_training.features.crosses import check_crosses, infer_crosses
from tests.unit.training.listings import QUARTERS, as_listings

NAMES = ["price", "district", "floor", "heating"]


def crosses_of(
    columns: dict[str, list[str | None]], prices: list[float] | None = None
) -> list[list[str]]:
    listings = as_listings(columns)
    kinds = infer_columns(listings, "price")
    texts = clean_listings(listings, kinds.rules).texts
    rows = len(next(iter(columns.values())))
    found = infer_crosses(
        kinds,
        {name: column.codes for name, column in texts.items()},
        np.array(prices or range(rows), float),
    )
    return [cross.columns for cross in found]


def places(times: int) -> tuple[list[str | None], list[str | None]]:
    pairs = [(d, q) for d, quarters in QUARTERS.items() for q in quarters] * times
    return [d for d, _ in pairs], [q for _, q in pairs]


def at_random(categories: str, rows: int) -> list[str | None]:
    return [categories[n] for n in np.random.default_rng(3).integers(0, len(categories), rows)]


def test_a_quarter_is_joined_to_its_district_because_districts_share_names() -> None:
    districts, quarters = places(20)
    heating = at_random("abcd", len(districts))
    found = crosses_of({"District": districts, "Quarter": quarters, "Heating": heating})
    assert found == [["District", "Quarter"], ["District", "Heating"]]


def test_an_address_that_names_its_district_is_not_joined_to_it() -> None:
    districts, quarters = places(20)
    address: list[str | None] = [f"{d}, {q}" for d, q in zip(districts, quarters, strict=True)]
    heating = at_random("abcd", len(districts))
    found = crosses_of({"district": districts, "address": address, "heating": heating})
    assert found == [["district", "heating"]]


def test_a_city_joins_in_when_there_are_several() -> None:
    districts, quarters = places(20)
    order = list(QUARTERS)
    cities: list[str | None] = ["East" if order.index(str(d)) < 4 else "West" for d in districts]
    found = crosses_of({"city": cities, "district": districts, "quarter": quarters})
    assert found[0] == ["city", "district", "quarter"]


def test_without_a_hierarchy_the_place_is_what_says_most_about_the_price() -> None:
    chance = np.random.default_rng(1)
    place = chance.integers(0, 10, 600)
    floor = chance.integers(0, 12, 600)
    heating = chance.integers(0, 4, 600)
    found = crosses_of(
        {
            "floor": [f"f{v}" for v in floor],
            "district": [f"d{v}" for v in place],
            "heating": [f"h{v}" for v in heating],
        },
        prices=(place * 100 + chance.random(600)).tolist(),
    )
    assert found == [["district", "floor"], ["district", "heating"]]


def test_no_cross_is_made_of_coarse_columns() -> None:
    assert crosses_of({"a": list("xyz") * 40, "b": list("uvw") * 40}) == []


def test_no_cross_is_made_of_numbers() -> None:
    assert crosses_of({"a": ["1", "2", "5"] * 40, "b": ["7", "8", "1"] * 40}) == []


def test_a_column_of_rare_categories_does_not_look_like_a_key() -> None:
    chance = np.random.default_rng(2)
    unique: list[str | None] = [f"s{v}" for v in chance.integers(0, 150, 200)]
    groups: list[str | None] = [f"g{v}" for v in chance.integers(0, 9, 200)]
    assert crosses_of({"street": unique, "group": groups}) == []


def test_the_spec_decides_which_columns_are_crossed() -> None:
    crosses = [
        Cross(name="district_heating", columns=["district", "heating"]),
        Cross(name="district_floor", columns=["district", "floor"]),
    ]
    assert check_crosses(crosses, NAMES, []) == {
        "district": "district_heating",
        "heating": "district_heating",
        "floor": "district_floor",
    }


@pytest.mark.parametrize(
    ("cross", "overrides", "message"),
    [
        (
            ["district", "Isıtma"],
            [],
            "'x' combines 'Isıtma', which is not in the data; .*'heating'",
        ),
        (["district", "floor"], [Column(name="floor", kind="Numeric")], ".* sets to Numeric"),
        (["district", "floor"], [Column(name="floor", kind="Ignored")], ".* sets to Ignored"),
    ],
)
def test_a_cross_that_cannot_be_is_refused(
    cross: list[str], overrides: list[Column], message: str
) -> None:
    with pytest.raises(InvalidDataError, match=f"dataset.crosses: {message}"):
        check_crosses([Cross(name="x", columns=cross)], NAMES, overrides)


def test_a_cross_named_like_a_column_is_refused() -> None:
    with pytest.raises(InvalidDataError, match="'floor' is the name of a column too"):
        check_crosses([Cross(name="floor", columns=["district", "heating"])], NAMES, [])
