"""How several workers share the connections of one socket.

Connections are kept, so that who accepts one works for it. A worker that takes whatever the socket
holds leaves its siblings without work; one that has more connections than a sibling leaves a new
one to it for a moment.
"""

from __future__ import annotations

import asyncio
import mmap
import socket
from collections.abc import Callable

YIELD_SECONDS = 0.05
"""After which a worker takes a connection that its sibling has not taken, and then two, and four: it
may wait for the processor, or hang."""

RETRY_SECONDS = 1.0
"""After the system has refused one, as when there are too many open files."""

_AWAY = -1


class ConnectionCounts:
    """How many connections each worker of a pod has, in memory that they share once forked."""

    def __init__(self, workers: int) -> None:
        self._shared = mmap.mmap(-1, workers * 4)
        self._counts = memoryview(self._shared).cast("i")
        for slot in range(workers):
            self.leave(slot)

    def show(self, slot: int, connections: int) -> None:
        """Say how many a worker has."""
        self._counts[slot] = connections

    def leave(self, slot: int) -> None:
        """Say that a worker accepts none."""
        self._counts[slot] = _AWAY

    def fewest(self) -> int:
        """Of a worker that accepts; 0 when none does."""
        return min((count for count in self._counts if count != _AWAY), default=0)


class Acceptor:
    """Accepts for one worker, a connection at a time, and leaves those to others that have fewer."""

    def __init__(
        self,
        shared: socket.socket,
        counts: ConnectionCounts,
        slot: int,
        *,
        protocol: Callable[[], asyncio.Protocol],
        connections: Callable[[], int],
    ) -> None:
        """Take what is needed; nothing is accepted yet.

        Args:
            shared: a listening socket.
            slot: of this worker in `counts`.
            protocol: makes the protocol of a connection.
            connections: how many this worker has.

        """
        shared.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._shared = shared
        self._counts = counts
        self._slot = slot
        self._protocol = protocol
        self._connections = connections
        self._opening: set[asyncio.Task[object]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._left = 0
        self._taken_after_yielding = 1

    def start(self) -> None:
        """Accept from now on."""
        self._show()
        self._listen()

    def stop(self) -> None:
        """Accept no more."""
        self._counts.leave(self._slot)
        if self._pause is not None:
            self._pause.cancel()
        else:
            self._loop.remove_reader(self._shared)

    def _listen(self) -> None:
        self._pause = None
        self._loop.add_reader(self._shared, self._ready)

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        self._loop.remove_reader(self._shared)
        self._pause = self._loop.call_later(seconds, then)

    def _ready(self) -> None:
        """A connection waits: take it, or leave it to a sibling."""
        fewest = self._counts.fewest()
        if self._show() <= fewest:
            self._taken_after_yielding = 1
            self._take()
            return
        if fewest != self._left:
            self._taken_after_yielding = 1
        self._left = fewest
        self._wait(YIELD_SECONDS, self._take_what_was_left)

    def _take_what_was_left(self) -> None:
        self._listen()
        if self._counts.fewest() != self._left:
            return  # a sibling does take some
        for _ in range(self._taken_after_yielding):
            if not self._take():
                break
        self._taken_after_yielding *= 2

    def _take(self) -> bool:
        """Accept one; False when there was none."""
        try:
            connection, _ = self._shared.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False
        except OSError:
            self._wait(RETRY_SECONDS, self._listen)
            return False
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opening = self._loop.create_task(
            self._loop.connect_accepted_socket(self._protocol, connection)
        )
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)
        self._show()
        return True

    def _show(self) -> int:
        connections = self._connections() + len(self._opening)
        self._counts.show(self._slot, connections)
        return connections
