"""Keys to reconcile: deduplicated, delayed, backed off, each with one worker at a time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a key that failed waits, in seconds: doubled by each failure, up to a limit.

    Attributes:
        hurry: an event may cut the wait short, but not below this.
        jitter: share of any wait that is added at most, so that keys do not come back together.

    """

    first: float = 1.0
    limit: float = 300.0
    hurry: float = 5.0
    jitter: float = 0.1

    def wait(self, failures: int, chance: float) -> float:
        """Seconds after this many failures in a row; `chance` is between 0 and 1."""
        wait = min(self.first * 2.0 ** min(failures - 1, 30), self.limit)
        return wait * (1 + self.jitter * chance)


class WorkQueue(Generic[KeyT]):
    """Which key is due when. All methods are for one event loop.

    A key is in it at most once; the earliest date counts. A key that is put while a worker has it
    comes back when that worker is done.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        backoff: Backoff | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Start empty.

        Args:
            clock: seconds that only rise, such as `time.monotonic`.
            backoff: for keys that fail.
            chance: numbers between 0 and 1 for the jitter.

        """
        self._clock = clock
        self._backoff = backoff or Backoff()
        self._chance = chance
        self._due: dict[KeyT, float] = {}
        self._busy: set[KeyT] = set()
        self._failures: dict[KeyT, int] = {}
        self._earliest: dict[KeyT, float] = {}
        self._changed = asyncio.Event()

    def put(self, key: KeyT, delay: float = 0.0) -> None:
        """Make a key due in so many seconds, unless it is due sooner anyway."""
        due = max(self._clock() + delay, self._earliest.get(key, 0.0))
        if due < self._due.get(key, float("inf")):
            self._due[key] = due
            self._changed.set()

    def next_due(self) -> tuple[KeyT | None, float | None]:
        """The key to take now, or how many seconds from now there is one; None for never."""
        waiting = ((due, key) for key, due in self._due.items() if key not in self._busy)
        due, key = min(waiting, key=lambda found: found[0], default=(0.0, None))
        if key is None:
            return None, None
        wait = due - self._clock()
        return (key, 0.0) if wait <= 0 else (None, wait)

    async def get(self) -> KeyT:
        """Wait for a key that is due; it has to be given back with `done` or `failed`."""
        while True:
            self._changed.clear()
            key, wait = self.next_due()
            if key is not None:
                del self._due[key]
                self._busy.add(key)
                # There may be another for the next worker.
                self._changed.set()
                return key
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def done(self, key: KeyT, again_in: float | None) -> None:
        """Give a key back after a good pass.

        Args:
            key: the key.
            again_in: seconds until the next pass, to which some chance is added; None when there
                is nothing to come back for.

        """
        self._give_back(key)
        self._failures.pop(key, None)
        self._earliest.pop(key, None)
        if again_in is not None:
            self.put(key, again_in * (1 + self._backoff.jitter * self._chance()))

    def failed(self, key: KeyT) -> float:
        """Give a key back after a failed pass; returns the seconds until the next one."""
        self._give_back(key)
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        wait = self._backoff.wait(failures, self._chance())
        now = self._clock()
        self._earliest[key] = now + min(wait, self._backoff.hurry)
        if key in self._due:
            # It was put while it was worked on: soon, but not at once.
            self._due[key] = max(self._due[key], self._earliest[key])
        self.put(key, wait)
        return wait

    def _give_back(self, key: KeyT) -> None:
        self._busy.discard(key)
        self._changed.set()

    def depth(self) -> int:
        """Keys that are due and have no worker."""
        now = self._clock()
        return sum(due <= now for key, due in self._due.items() if key not in self._busy)

    def longest_wait(self) -> float:
        """Seconds that the key which is due for the longest time has waited for a worker."""
        now = self._clock()
        waits = [now - due for key, due in self._due.items() if key not in self._busy]
        return max([0.0, *waits])

    def __len__(self) -> int:
        return len(self._due.keys() | self._busy)
