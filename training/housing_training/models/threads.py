"""How many threads boosting is worth: it starts them anew for every node of every tree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

ROWS_WORTH_THREADS = 150_000
"""With fewer rows one thread is faster than two, which mostly wake each other (a third of the time
with 20,000 rows); the trees are the same."""


@contextmanager
def boosting_threads(rows: int) -> Iterator[None]:
    """One thread for boosting inside, unless there are rows enough for all.

    Args:
        rows: to learn from, or to answer.

    """
    limit = 1 if rows < ROWS_WORTH_THREADS else None
    with threadpool_limits(limit, user_api="openmp"):
        yield
