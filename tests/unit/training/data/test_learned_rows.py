"""A version is judged only by rows that it did not learn from, however they are dealt by now."""

from __future__ import annotations

import numpy as np
import pytest

from housing_training.data.columns import content_columns
from housing_training.data.learned_rows import LearnedRows
from housing_training.data.reading import Listings
from housing_training.data.splitting import group_hashes, hash_rows, is_holdout
from tests.unit.training.listings import as_listings, dirty_rows

ROWS = dirty_rows(3000)
NAMES = [name for name in ROWS[0] if name.strip()]


def listings(rows: list[dict[str, str]]) -> Listings:
    return as_listings({name: [row[name] for row in rows] for name in rows[0]})


LISTINGS = listings(ROWS)
IDENTITY = hash_rows(LISTINGS.frame, NAMES, "Fiyat").identity
LEARNED = ~is_holdout(IDENTITY, 0.2)
CHAMPION = LearnedRows.from_bytes(LearnedRows(IDENTITY[LEARNED], NAMES, "Fiyat").to_bytes())


def test_the_rows_that_were_learned_from_are_known_again_and_no_others():
    assert np.array_equal(CHAMPION.among(LISTINGS), LEARNED)
    assert not CHAMPION.among(listings(dirty_rows(500, seed=8))).any()


def test_with_the_same_split_no_row_of_the_holdout_was_learned_from():
    assert not CHAMPION.among(LISTINGS.take(is_holdout(IDENTITY, 0.2))).any()


def test_a_larger_holdout_is_in_part_what_was_learned_from():
    learned = CHAMPION.among(LISTINGS.take(is_holdout(IDENTITY, 0.3)))
    assert learned.mean() == pytest.approx(1 / 3, abs=0.05)


def test_a_split_by_group_deals_most_rows_of_the_holdout_from_what_was_learned():
    districts = group_hashes(LISTINGS.frame, "İlçe", IDENTITY)
    learned = CHAMPION.among(LISTINGS.take(is_holdout(districts, 0.4)))
    assert learned.mean() == pytest.approx(0.8, abs=0.05)


def test_a_column_that_is_ignored_by_now_still_tells_what_was_learned_from():
    now = [name for name in NAMES if name != "Tür"]
    today = hash_rows(LISTINGS.frame, now, "Fiyat").identity
    assert not np.isin(today, CHAMPION.identity).any()
    learned = CHAMPION.among(LISTINGS.take(is_holdout(today, 0.2)))
    assert learned.mean() == pytest.approx(0.8, abs=0.05)


def test_rows_without_a_column_that_made_their_identity_count_as_learned_from():
    fewer = Listings(LISTINGS.frame.drop(columns="İlçe"))
    assert CHAMPION.among(fewer).all()


def test_a_column_that_was_added_since_changes_nothing():
    wider = [{**row, "Asansör": "Var"} for row in ROWS]
    assert np.array_equal(CHAMPION.among(listings(wider)), LEARNED)
    assert content_columns(list(wider[0]), "Fiyat", []) != NAMES
