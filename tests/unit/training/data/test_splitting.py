"""A row keeps its side for ever, and nothing is on both."""

import numpy as np
import pandas as pd
import pytest

from housing_training.data.splitting import first_of_each, hash_rows, is_holdout, relisted
from tests.unit.training.listings import as_listings, dirty_rows


def frame(rows: list[dict[str, str]]) -> pd.DataFrame:
    return as_listings({name: [row[name] for row in rows] for name in rows[0]}).frame


ROWS = dirty_rows(2000)
CONTENT = [name for name in ROWS[0] if name.strip()]
HASHES = hash_rows(frame(ROWS), CONTENT, "Fiyat")


def test_hashes_are_the_same_in_every_version_of_the_program() -> None:
    # A change of these numbers would deal all rows anew, and training rows into the holdout.
    found = hash_rows(
        as_listings({"İlçe": ["Kadıköy", "Şişli"], "Fiyat": ["100", None]}).frame,
        ["İlçe", "Fiyat"],
        "Fiyat",
    )
    assert found.identity.tolist() == [1963632171708884165, 17586134878187052098]
    assert found.features.tolist() == [13431383021686817889, 17586134878187052098]


def test_the_order_of_rows_and_columns_does_not_matter() -> None:
    shuffled = frame(list(reversed(ROWS)))
    again = hash_rows(shuffled[shuffled.columns[::-1]], list(reversed(CONTENT)), "Fiyat")
    assert np.array_equal(again.identity[::-1], HASHES.identity)
    assert np.array_equal(again.features[::-1], HASHES.features)


def test_other_rows_do_not_matter() -> None:
    some = hash_rows(frame(ROWS[:50]), CONTENT, "Fiyat")
    assert np.array_equal(some.identity, HASHES.identity[:50])


def test_an_empty_column_that_is_added_later_does_not_matter() -> None:
    wider = frame(ROWS)
    wider["Asansör"] = pd.Categorical([None] * len(ROWS), categories=["Var"])
    again = hash_rows(wider, [*CONTENT, "Asansör"], "Fiyat")
    assert np.array_equal(again.identity, HASHES.identity)


def test_the_row_index_does_not_hide_a_duplicate() -> None:
    twice = [*ROWS[:10], *({**row, "": "999"} for row in ROWS[:10])]
    hashes = hash_rows(frame(twice), CONTENT, "Fiyat")
    assert first_of_each(hashes.identity).tolist() == [True] * 10 + [False] * 10


def test_a_home_that_was_listed_again_is_not_evaluated_on() -> None:
    again = [*ROWS, *(row | {"Fiyat": "5,000TL"} for row in ROWS[:50])]
    hashes = hash_rows(frame(again), CONTENT, "Fiyat")
    holdout = is_holdout(hashes.identity, 0.2)
    marked = relisted(hashes.features, holdout)
    known = set(hashes.features[~holdout].tolist())
    assert marked.any()
    assert all(holdout[marked])
    assert not known & set(hashes.features[holdout & ~marked].tolist())


def test_where_columns_are_too_coarse_to_tell_homes_apart_none_is_marked() -> None:
    hashes = hash_rows(frame(ROWS), ["İlçe", "Oda", "Fiyat"], "Fiyat")
    assert not relisted(hashes.features, is_holdout(hashes.identity, 0.2)).any()


def test_values_of_different_columns_are_different() -> None:
    swapped = as_listings({"a": ["x", "y"], "b": ["y", "x"], "price": ["1", "1"]}).frame
    hashes = hash_rows(swapped, ["a", "b", "price"], "price")
    assert hashes.identity[0] != hashes.identity[1]


@pytest.mark.parametrize("fraction", [0.05, 0.2, 0.5])
def test_the_holdout_has_its_share(fraction: float) -> None:
    assert is_holdout(HASHES.identity, fraction).mean() == pytest.approx(fraction, abs=0.03)


def test_a_smaller_holdout_is_part_of_a_larger_one() -> None:
    smaller, larger = is_holdout(HASHES.identity, 0.1), is_holdout(HASHES.identity, 0.3)
    assert np.all(larger[smaller])
