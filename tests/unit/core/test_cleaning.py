"""Raw values become typed values by rules that are data."""

import math

import pytest

from housing_core.cleaning import (
    BadValueError,
    CleaningRules,
    NumberRule,
    clean_number,
    clean_row,
    clean_text,
    is_missing,
    normalise_text,
    split_number,
)

ENGLISH = NumberRule(".", ",", ("$",), ("m2", r"tl.*[\W\d_].*", "tl"), ("none given",))
TURKISH = NumberRule(",", ".", (), ("m2",))


@pytest.mark.parametrize(
    ("value", "rule", "number"),
    [
        ("3,100,000TL", ENGLISH, 3_100_000),
        ("2,950,000TLarrow_downward%3", ENGLISH, 2_950_000),
        ("$1,200.50", ENGLISH, 1200.5),
        ("$ 1200", ENGLISH, 1200),
        ("160 m2", ENGLISH, 160),
        ("2.250 m2", TURKISH, 2250),
        ("2.250,75", TURKISH, 2250.75),
        ("1 250 000,5", TURKISH, 1_250_000.5),
        ("1\u00a0250", TURKISH, 1250),
        ("2250", TURKISH, 2250),
        ("-4", ENGLISH, -4),
        ("+4", ENGLISH, 4),
        ("1.5e3", ENGLISH, 1500),
        (" 85 ", ENGLISH, 85),
        (85, ENGLISH, 85),
        (85.5, TURKISH, 85.5),
        (True, ENGLISH, 1),
    ],
)
def test_a_number_is_read_by_the_rule_of_its_column(
    value: object, rule: NumberRule, number: float
) -> None:
    assert clean_number("area", value, rule) == number


@pytest.mark.parametrize(
    "value",
    [None, math.nan, "", " ", "-", "n/a", "NaN", "None", "null", "none given", "None Given"],
)
def test_missing_numbers_are_nan(value: object) -> None:
    assert math.isnan(clean_number("area", value, ENGLISH))


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("3+1", ENGLISH),
        ("5-10", ENGLISH),
        ("two", ENGLISH),
        ("2.25", TURKISH),
        ("1,2,3", ENGLISH),
        ("1.2.3", ENGLISH),
        ("85 90", ENGLISH),
        ("85 m3", ENGLISH),
        ("€5", ENGLISH),
        ("12,", ENGLISH),
        ("5 tlx", ENGLISH),
        ("١٢x", ENGLISH),
        (math.inf, ENGLISH),
        (-math.inf, ENGLISH),
        ("1e999", ENGLISH),
        (1e39, ENGLISH),
        (10**400, ENGLISH),
        ([1], ENGLISH),
        ({"a": 1}, ENGLISH),
    ],
)
def test_a_value_that_is_no_number_is_named(value: object, rule: NumberRule) -> None:
    with pytest.raises(BadValueError, match=r"column 'area': .* is not a (finite )?number"):
        clean_number("area", value, rule)


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(BadValueError) as error:
        clean_number("area", "x" * 10_000_000, ENGLISH)
    assert len(str(error.value)) < 150


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Kadıköy", "Kadıköy"),
        ("  Yeni   Mahalle\n", "Yeni Mahalle"),
        ("I\u0307lc\u0327e", "İlçe"),
        ("Deniz 🌊", "Deniz 🌊"),
        (3, "3"),
        (3.0, "3"),
        (3.5, "3.5"),
        (True, "true"),
        (None, ""),
        (math.nan, ""),
        ("n/a", ""),
        ("?", ""),
    ],
)
def test_a_category_is_one_text_however_it_comes_in(value: object, text: str) -> None:
    assert clean_text("district", value) == text


@pytest.mark.parametrize("value", [["a"], {"a": 1}])
def test_a_list_is_no_category(value: object) -> None:
    with pytest.raises(BadValueError, match="column 'district'"):
        clean_text("district", value)


def test_case_is_kept() -> None:
    assert normalise_text("İSTANBUL") != normalise_text("istanbul")


def test_missing_words_can_be_a_models_own() -> None:
    assert not is_missing("belirtilmemiş")
    assert is_missing("Belirtilmemiş", ("belirtilmemiş",))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("3,100,000tl", ("", "3,100,000", "tl")),
        ("$ 5.5 m2", ("$", "5.5", "m2")),
        ("2. kat", ("", "2", ". kat")),
        ("kat -2", ("kat", "-2", "")),
        ("3+1", ("", "3", "+1")),
        ("none", None),
    ],
)
def test_a_text_is_parted_at_its_first_number(
    text: str, parts: tuple[str, str, str] | None
) -> None:
    assert split_number(text) == parts


RULES = CleaningRules(numbers={"area": TURKISH, "rooms": ENGLISH}, texts=("district",))


def test_a_row_takes_its_columns_and_leaves_the_others() -> None:
    row = clean_row({"area": "2.250 m2", "district": " Şişli", "agent": ["x"]}, RULES)
    assert row["area"] == 2250
    assert math.isnan(float(row["rooms"]))
    assert row["district"] == "Şişli"
    assert "agent" not in row


def test_rules_survive_the_way_through_json() -> None:
    rules = CleaningRules({"area": ENGLISH, "İlçe": TURKISH}, ("a", "ö"), ("yok",))
    assert CleaningRules.from_json(rules.to_json()) == rules


def test_rules_of_an_older_bundle_are_read() -> None:
    rules = CleaningRules(numbers={"area": TURKISH}, texts=("district",))
    old = rules.to_json().replace('"missing": [], ', "")
    assert '"missing": ' not in old
    assert CleaningRules.from_json(old) == rules


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"numbers": 1, "texts": [], "missing_words": []}']
)
def test_a_text_that_is_no_rules_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not cleaning rules|Expecting value"):
        CleaningRules.from_json(text)
