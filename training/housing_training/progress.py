"""Stages of a training as log lines, with seconds, and how far it is for whoever listens."""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from housing_core.api.status import TrainingProgress
from housing_core.times import format_time

REPORT_SECONDS = 10.0
"""Least time between two reports of trees or steps; the beginning of a stage is always told."""

logger = logging.getLogger("housing_training")


class Progress:
    """Says what is being done and how long it took; keeps the seconds of each stage."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin now.

        Args:
            clock: seconds that only rise.

        """
        self.listener: Callable[[TrainingProgress], None] | None = None
        self._clock = clock
        self._start = clock()
        self._stage, self._stage_start, self._trees_before = "", self._start, 0
        self._reported = self._start
        self.seconds: dict[str, float] = {}
        self.messages: list[str] = []

    @property
    def total_seconds(self) -> float:
        """Since the training began."""
        return self._clock() - self._start

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is done inside."""
        start = self._clock()
        self._stage, self._stage_start, self._trees_before = name, start, 0
        self._report()
        logger.info("%s begins", name, extra={"stage": name})
        yield
        self.seconds[name] = round(self._clock() - start, 2)
        logger.info(
            "%s ends",
            name,
            extra={
                "stage": name,
                "seconds": self.seconds[name],
                "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            },
        )

    def say(self, message: str, **details: Any) -> None:
        """Tell a person something that is worth keeping with the run."""
        self.messages.append(message)
        logger.info(message, extra=details)

    def resumed(self, trees: int) -> None:
        """So many trees were there before, and say nothing of how long the others take."""
        self._trees_before, self._stage_start = trees, self._clock()

    def grown(self, done: int, trees: int) -> None:
        """So many trees of all are there."""
        new = done - self._trees_before
        left = (self._clock() - self._stage_start) / new * (trees - done) if new > 0 else None
        self.say(
            f"{done} of {trees} trees",
            trees=done,
            seconds=round(self.total_seconds, 1),
            **({} if left is None else {"seconds_left": round(left)}),
        )
        if self._clock() - self._reported >= REPORT_SECONDS:
            self._report(trees_done=done, trees=trees, seconds_left=_rounded(left))

    def steps(self, unit: str, done: int, steps: int, left: float | None) -> None:
        """So many steps of at most so many are done.

        Args:
            unit: what a step is, in the plural.
            done: steps that need not be waited for.
            steps: of the stage, at most.
            left: seconds, where that can be told.

        """
        logger.info(
            "%s: %s of %s %s",
            *(self._stage, done, steps, unit),
            extra={
                "stage": self._stage,
                "steps_done": done,
                "steps": steps,
                **({} if left is None else {"seconds_left": round(left)}),
            },
        )
        if not done or self._clock() - self._reported >= REPORT_SECONDS:
            self._report(steps_done=done, steps=steps, unit=unit, seconds_left=_rounded(left))

    def _report(self, **found: Any) -> None:
        if self.listener is None:
            return
        self._reported = self._clock()
        now = format_time(datetime.now(UTC))
        self.listener(TrainingProgress(stage=self._stage, reported_at=now, **found))


def _rounded(seconds: float | None) -> int | None:
    return None if seconds is None else max(0, round(seconds))
