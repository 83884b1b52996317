"""How long the final fit of boosting takes, by what is known before it."""

import pytest

from housing_core.bundle import CandidateResult, RecipeResult
from housing_training.resumable import boosting_seconds


def chosen(iterations: int, *candidates: CandidateResult) -> RecipeResult:
    return RecipeResult(
        recipe="auto", model="EncodedBoosting", iterations=iterations, candidates=list(candidates)
    )


def test_the_final_fit_takes_what_its_iterations_and_rows_took_in_the_race() -> None:
    raced = CandidateResult(name="EncodedBoosting", seconds=20.0, fits=5)
    # Four seconds for 300 iterations on four fifths of the rows.
    assert boosting_seconds(chosen(150, raced), 10_000) == pytest.approx(4 * 0.5 / 0.8)
    # The race is of 30,000 rows at most.
    assert boosting_seconds(chosen(300, raced), 300_000) == pytest.approx(4 / 0.8 * 10)


def test_without_a_race_it_is_not_known() -> None:
    other = CandidateResult(name="EncodedForest", seconds=20.0, fits=5)
    assert boosting_seconds(chosen(150), 1000) is None
    assert boosting_seconds(chosen(150, other), 1000) is None
