"""Target encoding: rows never read their own price, rare and unseen categories stand for all rows."""

import numpy as np
import pytest

from housing_core.api.spec import Cross
from housing_training.data.columns import infer_columns
from housing_training.data.typed_rows import TypedRows, clean_listings
from housing_training.features.target_encoding import SMOOTHING, TargetEncoder, fit_target_encoder
from tests.unit.training.listings import as_listings


def fitted(
    columns: dict[str, list[str | None]],
    prices: np.ndarray,
    *,
    crosses: list[Cross] | None = None,
    fill_missing: bool = False,
    groups: np.ndarray | None = None,
) -> tuple[TargetEncoder, np.ndarray, TypedRows]:
    listings = as_listings({**columns, "price": [str(price) for price in prices]})
    kinds = infer_columns(listings, "price")
    typed = clean_listings(listings, kinds.rules)
    labels = (prices > np.median(prices)).astype(np.int64)
    encoder, features = fit_target_encoder(
        typed,
        columns=kinds,
        crosses=crosses or [],
        buckets=16_384,
        prices=prices,
        labels=labels,
        classes=2,
        seed=1,
        fill_missing=fill_missing,
        groups=groups,
    )
    return encoder, features, typed


def test_a_category_stands_for_its_prices_drawn_towards_all() -> None:
    prices = np.arange(1.0, 101.0)
    encoder, _, typed = fitted({"place": ["low"] * 90 + ["high"] * 10}, prices)
    ranks, share = encoder.transform(typed)[-1]
    assert ranks == pytest.approx((0.95 * 10 + 0.5 * SMOOTHING) / (10 + SMOOTHING))
    assert share == pytest.approx((10 + 0.5 * SMOOTHING) / (10 + SMOOTHING))


def test_noise_looks_like_noise_to_who_learns_from_it() -> None:
    # Each row its own category: a table made with the row itself would give its price away.
    chance = np.random.default_rng(3)
    prices = chance.random(400)
    names = [f"{chr(65 + n % 13)}{chr(65 + n % 27)} home" for n in range(400)]
    encoder, features, typed = fitted({"home": list(names)}, prices)
    cross_fitted = np.corrcoef(features[:, 0], prices)[0, 1]
    own_table = np.corrcoef(encoder.transform(typed)[:, 0], prices)[0, 1]
    assert cross_fitted < 0.2
    assert own_table > 0.8


def test_rows_of_one_group_are_never_in_each_others_table() -> None:
    groups = np.arange(400) // 10
    prices = groups + np.random.default_rng(2).random(400) / 100
    chance = np.random.default_rng(5).permutation(40)
    names = [f"building {chr(65 + chance[group])}" for group in groups]
    _, features, _ = fitted({"building": list(names)}, prices, groups=groups)
    assert len(np.unique(features[:, 0])) <= 5  # all rows are strangers to their own table


def test_one_group_is_cross_fitted_row_by_row() -> None:
    prices = np.random.default_rng(2).random(400)
    names = [f"building {chr(65 + n % 20)}" for n in range(400)]
    columns: dict[str, list[str | None]] = {"building": list(names)}
    _, features, _ = fitted(columns, prices, groups=np.ones(400))
    assert np.isfinite(features).all()
    assert np.array_equal(features, fitted(columns, prices)[1])


def test_what_was_not_seen_stands_for_all_rows() -> None:
    prices = np.arange(1.0, 201.0)
    columns = {"a": ["x", "y"] * 100, "b": [f"{chr(200 + n % 80)} street" for n in range(200)]}
    cross = Cross(name="a_b", columns=["a", "b"])
    encoder, _, _ = fitted(columns, prices, crosses=[cross])
    strange = as_listings({"a": ["z", ""], "b": ["🏚 Şişli", None]})
    found = encoder.transform(clean_listings(strange, _rules(columns, prices)))
    assert found.shape == (2, 6)
    assert found == pytest.approx(np.full((2, 6), 0.5), abs=1e-6)


def _rules(columns: dict[str, list[str | None]], prices: np.ndarray):  # type: ignore[no-untyped-def] # test shorthand
    listings = as_listings({**columns, "price": [str(price) for price in prices]})
    return infer_columns(listings, "price").rules


@pytest.mark.parametrize("fill", [True, False])
def test_missing_numbers_stay_missing_or_stand_below_all_others(fill: bool) -> None:
    areas: list[str | None] = [str(50 + n % 90) if n % 9 else None for n in range(300)]
    _, features, typed = fitted({"area": areas}, np.arange(1.0, 301.0), fill_missing=fill)
    missing = np.isnan(typed.numbers["area"])
    if fill:
        assert features[missing, 0].max() < features[~missing, 0].min()
    else:
        assert np.isnan(features[missing, 0]).all()


def test_equal_rows_in_any_order_give_the_same_table() -> None:
    prices = np.random.default_rng(1).random(200).round(2) + 1
    places: list[str | None] = [f"p{n % 7}" for n in range(200)]
    order = np.random.default_rng(2).permutation(200)
    one, _, _ = fitted({"place": places}, prices)
    two, _, _ = fitted({"place": [places[n] for n in order]}, prices[order])
    assert one.table == pytest.approx(two.table, abs=1e-6)
