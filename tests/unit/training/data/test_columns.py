"""Every column gets a kind with a reason, or a reason for having none."""

import pytest

from housing_core.api.spec import Column
from housing_training.data.columns import (
    INPUT_LIMIT,
    Columns,
    InputColumn,
    content_columns,
    infer_columns,
)
from housing_training.errors import InvalidDataError
from tests.unit.training.listings import as_listings

ROWS = 200


def infer(cells: list[str | None], numeric: bool = False, **options: object) -> InputColumn | str:
    listings = as_listings(
        {"price": ["1"] * len(cells), "x": cells, "other": ["a", "b"] * (len(cells) // 2)},
        ("x",) if numeric else (),
    )
    columns = infer_columns(listings, "price", **options)  # type: ignore[arg-type] # test shorthand
    return next((c for c in columns.inputs if c.name == "x"), None) or columns.ignored["x"]


def cycle(*cells: str | None) -> list[str | None]:
    return [cells[number % len(cells)] for number in range(ROWS)]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (cycle("1", "2", "3"), "Numeric"),
        (cycle("85 m2", "1.200 m2", "90 m2", ""), "Numeric"),
        (cycle("0", "1"), "Numeric"),
        (cycle("3+1", "2+1", "1+1"), "Categorical"),
        (cycle("10-May", "15-Nov", "4", "21 Ve Üzeri"), "Categorical"),
        (cycle("Yes", None), "Categorical"),
        (cycle("Deniz 🌊", "Orman 🌲"), "Categorical"),
        (cycle("007", "012", "034"), "Categorical"),
        (cycle(*(f"Sokak {chr(0x100 + n)}" for n in range(65))), "HighCardinality"),
        (cycle(*(f"Sokak {chr(0x100 + n)}" for n in range(64))), "Categorical"),
    ],
)
def test_the_kind_follows_from_the_values(cells: list[str | None], kind: str) -> None:
    found = infer(cells)
    assert isinstance(found, InputColumn)
    assert found.kind == kind
    assert found.reason


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (cycle("", None, "n/a"), "empty"),
        (cycle("Konut"), "'Konut' in every row"),
        ([str(n) for n in range(1000, 1000 + ROWS)], "numbers the rows"),
        ([f"ilan-{n}-x" for n in range(ROWS)], "differs in nearly every row"),
        (cycle("24 Şubat 2022", "2 Mart 2022"), "dates"),
        (cycle("2022-02-24", "2022-03-01T10:00:00"), "dates"),
        (cycle(*(f"{day} Şubat 2022" for day in range(1, 29))), "dates"),
        (cycle("24.02.2022", "1.3.2022"), "dates"),
        (cycle("February 24, 2022", "March 1 2022"), "dates"),
    ],
)
def test_a_column_that_teaches_nothing_is_ignored_with_the_reason(
    cells: list[str | None], reason: str
) -> None:
    found = infer(cells)
    assert isinstance(found, str)
    assert reason in found


def test_areas_that_all_differ_are_still_numbers() -> None:
    found = infer([f"{50 + 7.3 * n * n:.2f}" for n in range(ROWS)])
    assert isinstance(found, InputColumn)
    assert found.kind == "Numeric"


def test_numbers_of_a_parquet_file_have_no_thousands_mark() -> None:
    found = infer(cycle("41.015", "900", "28.975"), numeric=True)
    assert isinstance(found, InputColumn)
    assert found.rule is not None
    assert found.rule.thousands == ""


def test_an_unnamed_column_is_ignored_even_when_it_could_be_learned_from() -> None:
    columns = infer_columns(
        as_listings({"price": ["1"] * 4, "Unnamed: 0": list("abab"), "x": list("cdcd")}), "price"
    )
    assert list(columns.ignored) == ["Unnamed: 0"]


def test_the_spec_overrides_inference() -> None:
    overrides = [Column(name="x", kind="HighCardinality"), Column(name="other", kind="Ignored")]
    columns = infer_columns(
        as_listings({"price": ["1"] * 4, "x": list("1212"), "other": list("abab")}),
        "price",
        overrides,
    )
    assert [(c.name, c.kind) for c in columns.inputs] == [("x", "HighCardinality")]
    assert columns.ignored == {"other": "dataset.columns sets it to Ignored"}


def test_a_column_set_to_numeric_without_a_number_is_refused() -> None:
    with pytest.raises(InvalidDataError, match=r"dataset\.columns: 'x' .* for example 'a'"):
        infer(cycle("a", "b"), overrides=[Column(name="x", kind="Numeric")])


def test_a_number_that_a_cross_combines_is_a_category() -> None:
    found = infer(cycle("1", "2"), crossed={"x": "a_cross"})
    assert isinstance(found, InputColumn)
    assert found.kind == "Categorical"
    assert "'a_cross'" in found.reason


def test_no_column_left_is_refused_with_the_reasons() -> None:
    listings = as_listings({"price": ["1", "2"], "type": ["flat", "flat"]})
    with pytest.raises(
        InvalidDataError, match=r"no column is left .*'type': it is 'flat' in every"
    ):
        infer_columns(listings, "price")
    with pytest.raises(InvalidDataError, match="the target column only"):
        infer_columns(as_listings({"price": ["1", "2"]}), "price")


def test_a_name_that_the_status_cannot_show_is_ignored() -> None:
    columns = infer_columns(
        as_listings({"price": ["1"] * 4, "x" * 129: list("abab"), "y": list("abab")}), "price"
    )
    assert "longer than 128" in columns.ignored["x" * 129]


def test_content_leaves_out_the_index_and_what_the_spec_ignores() -> None:
    names = ["Unnamed: 0", "price", "id", "area"]
    assert content_columns(names, "price", [Column(name="id", kind="Ignored")]) == ["price", "area"]


def test_names_that_are_not_in_the_data_are_refused_with_those_that_are() -> None:
    with pytest.raises(InvalidDataError, match=r"target\.column: .*'Fiyat'.* are 'price', 'area'"):
        content_columns(["price", "area"], "Fiyat", [])
    with pytest.raises(InvalidDataError, match=r"dataset\.columns: .*'rooms'.* 'price', 'area'"):
        content_columns(["price", "area"], "price", [Column(name="rooms", kind="Numeric")])


def test_rules_are_for_every_input() -> None:
    columns: Columns = infer_columns(
        as_listings({"price": ["1"] * 4, "x": list("1234"), "y": list("abab")}), "price"
    )
    assert list(columns.rules.numbers) == ["x"]
    assert columns.rules.texts == ("y",)


def test_more_columns_than_a_profile_has_room_for_are_refused_with_their_number() -> None:
    columns = {f"x {n}": ["1", "2"] for n in range(INPUT_LIMIT + 1)}
    listings = as_listings({"price": ["1", "2"], **columns}, tuple(columns))
    with pytest.raises(
        InvalidDataError, match=r"dataset\.uri: 1,001 columns .* 1,000 are the most"
    ):
        infer_columns(listings, "price")
    assert (
        len(infer_columns(listings, "price", [Column(name="x 1", kind="Ignored")]).inputs) == 1000
    )
