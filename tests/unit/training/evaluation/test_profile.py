"""The reference profile: what the contract of the bundle says of it."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.utils import murmurhash3_32

from housing_core.bundle import (
    REFERENCE_FILE,
    CategoricalProfile,
    read_reference,
    write_part,
)
from housing_training.data.columns import INPUT_LIMIT, NAME_LIMIT
from housing_training.data.typed_rows import TextColumn, TypedRows
from housing_training.evaluation.metrics import score
from housing_training.evaluation.profile import categorical_profile, make_reference, numeric_profile
from housing_training.export.inference import Answers


def test_bins_hold_equal_shares_and_their_upper_edge() -> None:
    profile = numeric_profile(np.array([*range(1, 101), np.nan], np.float32))
    assert profile.edges == [10, 20, 30, 40, 50, 60, 70, 80, 90]
    assert profile.counts == [10] * 10
    assert (profile.rows, profile.missing) == (101, 1)
    assert (profile.minimum, profile.maximum, profile.mean) == (1, 100, 50.5)
    assert profile.skewness == pytest.approx(0, abs=1e-6)


def test_values_that_repeat_share_a_bin() -> None:
    profile = numeric_profile(np.array([1] * 90 + [2] * 5 + [3] * 5, np.float32))
    assert profile.edges == [1]
    assert profile.counts == [90, 10]


@pytest.mark.parametrize(
    ("values", "edges", "counts"), [([], [], [0]), ([5, 5, 5], [], [3]), ([np.nan], [], [0])]
)
def test_a_column_without_spread_has_one_bin(
    values: list[float], edges: list[float], counts: list[int]
) -> None:
    profile = numeric_profile(np.array(values, np.float32))
    assert (profile.edges, profile.counts, profile.skewness) == (edges, counts, None)


def test_frequent_categories_are_counted_and_the_others_known_by_their_hash() -> None:
    values = ["", *(f"Sokak {number}" for number in range(300))]
    codes = np.repeat(np.arange(301), np.arange(301) + 1)
    profile = categorical_profile(TextColumn(codes, values))
    assert profile.missing == 1
    assert profile.cardinality == 300
    assert len(profile.counts) == 200
    assert profile.counts["Sokak 299"] == 301
    assert sum(profile.counts.values()) + profile.other + profile.missing == profile.rows
    assert len(profile.other_hashes) == 100
    assert murmurhash3_32(b"Sokak 0", seed=0, positive=True) in profile.other_hashes


@pytest.mark.parametrize(
    ("columns", "of", "distinct", "text"),
    [
        (1, 256, 100_000, "Cumhuriyet Mahallesi, {}. Sokak"),
        (8, 256, 30_000, "Cumhuriyet Mahallesi, {}. Sokak"),
        (256, 256, 400, "Kadıköy'ün {}. mahallesi"),
        (256, 256, 300, "{} " + "ı" * 900),
        (8, INPUT_LIMIT, 30_000, "Cumhuriyet Mahallesi, {}. Sokak"),
        (INPUT_LIMIT, INPUT_LIMIT, 400, "Kadıköy'ün {}. mahallesi"),
    ],
)
def test_the_profile_stays_below_a_megabyte(
    tmp_path: Path, columns: int, of: int, distinct: int, text: str
) -> None:
    longest = NAME_LIMIT if of == INPUT_LIMIT else 16
    values = ["", *(text.format(number) for number in range(distinct))]
    texts = {
        f"address {n}".ljust(longest, "ı"): TextColumn(np.arange(1, distinct + 1), values)
        for n in range(columns)
    }
    numbers = {
        f"number {n}".ljust(longest, "ı"): np.random.default_rng(n)
        .normal(0, 1e9, distinct)
        .astype(np.float32)
        for n in range(of - columns)
    }
    truth = np.array([0, 1])
    answers = Answers(truth, np.eye(2, dtype=np.float32))
    reference = make_reference(
        TypedRows(distinct, numbers, texts, 0),
        truth,
        answers,
        classes=["a", "b"],
        scores=score(truth, truth, answers.probabilities),
    )
    write_part(tmp_path, REFERENCE_FILE, reference)
    assert (tmp_path / REFERENCE_FILE).stat().st_size < 1_000_000
    assert read_reference(tmp_path) == reference
    assert reference.class_shares == {"a": 0.5, "b": 0.5}
    for profile in reference.features.values():
        if isinstance(profile, CategoricalProfile):
            assert profile.cardinality == distinct
            assert sum(profile.counts.values()) + profile.other == distinct
