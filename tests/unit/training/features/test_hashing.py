"""The encoder is fitted on the training part and hashes as scikit-learn does."""

import numpy as np
import pytest
from sklearn.feature_extraction import FeatureHasher

from housing_core.api.spec import Column, Cross
from housing_training.data.columns import infer_columns
from housing_training.data.reading import Listings
from housing_training.data.typed_rows import clean_listings
from housing_training.features.hashing import CROSS_SEPARATOR, HashedInput, fit_encoder, hash_column
from tests.unit.training.listings import as_listings, dirty_rows


def dirty(rows: int) -> Listings:
    made = dirty_rows(rows)
    return as_listings({name: [row[name] for row in made] for name in made[0]})


def test_numbers_are_filled_with_the_median_of_the_training_part() -> None:
    listings = as_listings({"price": ["1"] * 4, "area": ["10", "20", "60", ""], "r": list("1234")})
    columns = infer_columns(listings, "price")
    rows = clean_listings(listings, columns.rules)
    encoder = fit_encoder(rows, columns, [], 16)
    assert encoder.names() == ["area", "r", "area is missing"]
    assert encoder.transform(rows).toarray().tolist() == [
        [10, 1, 0],
        [20, 2, 0],
        [60, 3, 0],
        [20, 4, 1],
    ]


def test_an_unseen_category_has_no_feature() -> None:
    listings = as_listings({"price": ["1"] * 4, "x": ["a", "b", "a", ""]})
    columns = infer_columns(listings, "price")
    encoder = fit_encoder(clean_listings(listings, columns.rules), columns, [], 16)
    later = clean_listings(as_listings({"x": ["b", "new", ""]}), columns.rules)
    assert encoder.names() == ["x=", "x=a", "x=b"]
    assert encoder.transform(later).toarray().tolist() == [[0, 0, 1], [0, 0, 0], [1, 0, 0]]


@pytest.mark.parametrize("buckets", [16, 1000, 16_384])
def test_hashing_is_that_of_scikit_learns_feature_hasher(buckets: int) -> None:
    listings = dirty(400)
    columns = infer_columns(listings, "Fiyat", [Column(name="Mahalle", kind="HighCardinality")])
    crosses = [Cross(name="ilçe_ısıtma", columns=["İlçe", "Isıtma"])]
    rows = clean_listings(listings, columns.rules)
    encoder = fit_encoder(rows, columns, crosses, buckets)
    combined = zip(rows.texts["İlçe"].texts(), rows.texts["Isıtma"].texts(), strict=True)
    expected = FeatureHasher(buckets, input_type="dict", dtype=np.float32).transform(
        {"Mahalle": quarter, "ilçe_ısıtma": CROSS_SEPARATOR.join(pair)}
        for quarter, pair in zip(rows.texts["Mahalle"].texts(), combined, strict=True)
    )
    found = encoder.transform(rows)[:, encoder.first_bucket :]
    assert np.array_equal(found.toarray(), expected[:, encoder.used].toarray())
    unused = np.setdiff1d(np.arange(buckets), encoder.used)
    assert expected[:, unused].nnz == 0


def test_a_bucket_that_training_did_not_use_has_no_feature() -> None:
    listings = as_listings({"price": ["1"] * 4, "x": list("abab")})
    columns = infer_columns(listings, "price", [Column(name="x", kind="HighCardinality")])
    encoder = fit_encoder(clean_listings(listings, columns.rules), columns, [], 16_384)
    later = clean_listings(as_listings({"x": ["a", "never seen"]}), columns.rules)
    assert encoder.width == 2
    assert encoder.transform(later).getnnz(axis=1).tolist() == [1, 0]


def test_a_cross_of_three_columns_hashes_their_values_in_order() -> None:
    listings = as_listings({"a": ["x"], "b": ["y"], "c": ["z"], "price": ["1"]})
    rows = clean_listings(
        listings,
        infer_columns(
            as_listings({n: list("uv") for n in "abc"} | {"price": ["1", "2"]}), "price"
        ).rules,
    )
    bucket, sign = hash_column(HashedInput("abc", ("a", "b", "c")), rows, 16_384)
    single = FeatureHasher(16_384, input_type="string").transform([["abc=x\x1fy\x1fz"]])
    assert bucket.tolist() == single.indices.tolist()
    assert sign.tolist() == single.data.tolist()
