"""Stages of a training as log lines, with seconds."""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

logger = logging.getLogger("housing_training")


class Progress:
    """Says what is being done and how long it took; keeps the seconds of each stage."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self.seconds: dict[str, float] = {}
        self.messages: list[str] = []

    @property
    def total_seconds(self) -> float:
        """Since the training began."""
        return time.monotonic() - self._start

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is done inside."""
        start = time.monotonic()
        logger.info("%s begins", name, extra={"stage": name})
        yield
        self.seconds[name] = round(time.monotonic() - start, 2)
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
