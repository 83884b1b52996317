"""Number rules are learned from texts, in either convention."""

import pytest

from housing_core.cleaning import NumberRule, parse_number
from housing_training.data.numbers import learn_numbers, write_number


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["3,100,000TL", "900,000TL", "1,200,000TL"], [3_100_000, 900_000, 1_200_000]),
        (
            ["85,000TL", "90,000TL", "70,000TL", "2,950,000TLarrow_downward%3"],
            [85e3, 90e3, 7e4, 2_950_000],
        ),
        (["160 m2", "85 m2", "90 m2", "2.250 m2"], [160, 85, 90, 2250]),
        (["1.500.000", "900.000"], [1_500_000, 900_000]),
        (["1.234,56", "7,5"], [1234.56, 7.5]),
        (["1,234.56", "7.5"], [1234.56, 7.5]),
        (["12,5", "13,75", "9"], [12.5, 13.75, 9]),
        (["41.015", "41.017", "28.979"], [41.015, 41.017, 28.979]),
        (["0.125", "0.250", "0.5"], [0.125, 0.25, 0.5]),
        (["1.250", "1.500", "2.300", "9.999"], [1250, 1500, 2300, 9999]),
        (["1 200 000", "85 000"], [1_200_000, 85_000]),
        (["1\u00a0200\u00a0000", "85\u00a0000"], [1_200_000, 85_000]),
        (["1'200'000", "85'000"], [1_200_000, 85_000]),
        (["$1,200", "$900", "$3,000"], [1200, 900, 3000]),
        (["₺ 1.200.000", "₺ 850.000"], [1_200_000, 850_000]),
        (["-1", "0", "2", "+3"], [-1, 0, 2, 3]),
        (["1e5", "2.5E3"], [100_000, 2500]),
        (["3 oda", "4 oda", "5 oda"], [3, 4, 5]),
        (["1500", "2000", "2.500"], [1500, 2000, 2500]),
    ],
)
def test_numbers_are_read_as_a_person_would(texts: list[str], values: list[float]) -> None:
    learned = learn_numbers([(text, 1) for text in texts])
    assert list(learned.values.values()) == pytest.approx(values)
    assert learned.readable == 1
    assert learned.rule.missing == ()


@pytest.mark.parametrize(
    "texts",
    [
        ["3+1", "2+1", "1+1"],
        ["5-10", "11-15", "16-20"],
        ["10-May", "15-Nov"],
        ["1. Kat", "2. Kat", "Bahçe Katı"],
        ["B1", "B2", "C1"],
        ["Kombi", "Soba"],
    ],
)
def test_categories_with_digits_are_no_numbers(texts: list[str]) -> None:
    assert learn_numbers([(text, 1) for text in texts]).readable == 0


def test_a_text_behind_one_number_is_no_unit() -> None:
    learned = learn_numbers([("21 Ve Üzeri", 50), ("4", 10), ("3", 10)])
    assert learned.readable == pytest.approx(20 / 70)


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["5,000TL"], [5000]),
        (["USD 900", "USD 1,200"], [900, 1200]),
        (["2 oda", "3 oda"], [2, 3]),
        (["Kombi", "3+1"], []),
        (["21 Ve Üzeri", "4"], [4]),
    ],
)
def test_where_numbers_are_said_to_be_few_are_enough_for_a_unit(
    texts: list[str], values: list[float]
) -> None:
    cells = [(text, 1) for text in texts]
    assert list(learn_numbers(cells, known_to_be=True).values.values()) == values


def test_two_units_are_two_scales_so_only_the_frequent_one_counts() -> None:
    texts = [(f"{n} m2", 10) for n in range(50, 60)] + [(f"{n} ft2", 1) for n in range(50, 60)]
    learned = learn_numbers(texts)
    assert learned.readable == pytest.approx(100 / 110)
    assert "50 ft2" in learned.rule.missing


def test_two_currencies_are_two_scales_so_only_the_frequent_one_counts() -> None:
    learned = learn_numbers([("$100", 5), ("$200", 5), ("€150", 1)])
    assert learned.rule.prefixes == ("$",)
    assert learned.rule.missing == ("€150",)


def test_a_longer_word_is_another_unit() -> None:
    learned = learn_numbers([(f"{n} m", 1) for n in range(10)] + [("5 mm", 1)])
    assert learned.rule.missing == ("5 mm",)


def test_words_without_a_number_are_learned_as_missing() -> None:
    learned = learn_numbers([(str(n), 10) for n in range(9)] + [("Yok", 2), ("-", 3), ("", 1)])
    assert learned.rule.missing == ("yok",)
    assert learned.readable == pytest.approx(90 / 92)


def test_leading_zeros_are_told() -> None:
    assert learn_numbers([("007", 1), ("012", 1), ("5", 2)]).coded == pytest.approx(0.5)


def test_nothing_is_learned_from_nothing() -> None:
    assert learn_numbers([]).readable == 0
    assert learn_numbers([("", 5), ("n/a", 2)]).values == {}


RULES = {
    "plain": NumberRule(),
    "turkish": NumberRule(decimal=",", thousands="."),
    "english": NumberRule(thousands=","),
    "swiss": NumberRule(thousands="'"),
    "before": NumberRule(thousands=",", prefixes=("usd",)),
    "two marks": NumberRule(decimal=".", thousands=",’"),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize(
    "value",
    [0.0, 7.0, 999.0, 1000.0, 3.1e6, 2.5, 0.125, 1234.567, -4.0, -0.5, -1500.25, 1e-7, 3e38],
)
def test_what_is_written_by_a_rule_is_read_back(rule: NumberRule, value: float) -> None:
    assert parse_number(write_number(value, rule), rule) == value
