"""Smaller classes grow to at most twice their size, and no further than the largest."""

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE
from scipy import sparse
from sklearn.neighbors import NearestNeighbors

from housing_core.api.spec import Resampling
from housing_training.models import resampling
from housing_training.models.resampling import nearest, plan_oversampling, resample


@pytest.mark.parametrize(
    ("counts", "ratio", "plan"),
    [
        ([400, 400, 200], 2.0, {2: 400}),
        ([400, 300, 100], 2.0, {1: 400, 2: 200}),
        ([400, 300, 100], 1.5, {1: 400, 2: 150}),
        ([400, 300, 100], 1.0, {}),
        ([400, 400], 2.0, {}),
        ([400, 1], 2.0, {}),
    ],
)
def test_a_class_grows_to_the_largest_but_by_no_more_than_the_ratio(
    counts: list[int], ratio: float, plan: dict[int, int]
) -> None:
    assert plan_oversampling(counts, ratio) == plan


def rows(counts: list[int]) -> tuple[sparse.csr_matrix[np.float32], np.ndarray]:
    labels = np.repeat(np.arange(len(counts)), counts)
    features = np.random.default_rng(0).random((len(labels), 4)).astype(np.float32)
    return sparse.csr_matrix(features + labels[:, np.newaxis].astype(np.float32)), labels


def test_synthetic_rows_come_last_and_lie_within_their_class() -> None:
    features, labels = rows([60, 20])
    more, classes, messages = resample(features, labels, Resampling(), seed=1)
    assert np.bincount(classes).tolist() == [60, 40]
    assert np.array_equal(more[:80].toarray(), features.toarray())
    synthetic = more[80:].toarray()
    own = features[60:].toarray()
    assert np.all(synthetic >= own.min(axis=0) - 1e-5)
    assert np.all(synthetic <= own.max(axis=0) + 1e-5)
    assert more.dtype == np.float32
    assert not messages


def test_the_same_seed_makes_the_same_rows() -> None:
    first, _, _ = resample(*rows([60, 20]), Resampling(), seed=1)
    second, _, _ = resample(*rows([60, 20]), Resampling(), seed=1)
    assert np.array_equal(first.toarray(), second.toarray())


def test_a_class_with_few_rows_uses_the_neighbours_that_it_has() -> None:
    _, classes, messages = resample(*rows([60, 3, 1]), Resampling(), seed=1)
    assert np.bincount(classes).tolist() == [60, 6, 1]
    assert messages == ["class 2 has one row, so SMOTE cannot make more of it"]


def test_none_leaves_the_rows_as_they_are() -> None:
    features, labels = rows([60, 20])
    assert resample(features, labels, Resampling(method="None"), seed=1)[0] is features


def mixed_rows(count: int, seed: int = 0) -> sparse.csr_matrix[np.float32]:
    """Numbers, one of them huge, and sparse categories."""
    chance = np.random.default_rng(seed)
    numbers = chance.normal(size=(count, 3)) * [1, 50, 1e6] + [0, 100, 1e7]
    categories = sparse.random_array((count, 40), density=0.05, rng=chance)
    categories.data = np.sign(categories.data - 0.5)
    return sparse.csr_matrix(sparse.hstack([numbers, categories]).astype(np.float32))


def test_the_rows_are_those_of_imbalanced_learn() -> None:
    features, labels = mixed_rows(600), np.repeat([0, 1, 2], [300, 200, 100])
    ours, classes, _ = resample(features, labels, Resampling(), seed=7)
    theirs, expected = SMOTE(sampling_strategy={1: 300, 2: 200}, random_state=7).fit_resample(
        features, labels
    )
    assert np.array_equal(classes, expected)
    np.testing.assert_allclose(ours.toarray(), theirs.toarray(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("block", "step"), [(1, 1), (2, 7), (64, 512)])
def test_neighbours_are_the_nearest_whatever_the_size_of_a_block(
    monkeypatch: pytest.MonkeyPatch, block: int, step: int
) -> None:
    monkeypatch.setattr(resampling, "BLOCK_ROWS", block)
    monkeypatch.setattr(resampling, "STEP_ROWS", step)
    own, rows = mixed_rows(120), np.array([0, 5, 119])
    found = nearest(own, rows, 5)
    exact = NearestNeighbors(n_neighbors=6, algorithm="brute").fit(own.toarray().astype(float))
    expected = exact.kneighbors(own[rows].toarray().astype(float), return_distance=False)[:, 1:]
    assert np.array_equal(found, expected)


def test_rows_that_are_equal_are_each_others_neighbours() -> None:
    own = sparse.csr_matrix(np.repeat([[1.0, 0.0], [9.0, 4.0]], 3, axis=0), dtype=np.float32)
    assert set(nearest(own, np.array([0]), 2)[0]) == {1, 2}
