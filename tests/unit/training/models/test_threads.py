"""Boosting runs on one thread where more would only wake each other."""

import pytest
import sklearn.ensemble  # noqa: F401 - it brings the threads that are counted here
from threadpoolctl import threadpool_info, threadpool_limits

from housing_training.models.threads import ROWS_WORTH_THREADS, boosting_threads


def threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp"}


@pytest.mark.parametrize(
    ("rows", "inside"), [(20_000, 1), (ROWS_WORTH_THREADS - 1, 1), (ROWS_WORTH_THREADS, 3)]
)
def test_threads_are_for_many_rows(rows: int, inside: int) -> None:
    with threadpool_limits(3, user_api="openmp"):
        with boosting_threads(rows):
            assert threads() == {inside}
        assert threads() == {3}
