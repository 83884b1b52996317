"""A port that leads to a server on another port, until a test closes it: the server is away at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

CHUNK_BYTES = 1 << 16
STEP_SECONDS = 10


class Relay:
    """Carries the bytes of connections both ways and looks at none of them.

    Closed, its port refuses and the connections that there were break, as when a program has ended.
    """

    def __init__(self, port: int, destination: int) -> None:
        """Both are ports of the loopback interface; nothing listens yet."""
        self._port, self._destination = port, destination
        self._listener: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def open(self) -> None:
        """Listen."""
        self._do(self._open())

    def close(self) -> None:
        """Refuse new connections, and break those that there are."""
        self._do(self._close())

    def _do(self, step: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(step, self._loop).result(STEP_SECONDS)

    async def _open(self) -> None:
        if self._listener is None:
            self._listener = await asyncio.start_server(self._carry, "127.0.0.1", self._port)

    async def _close(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for client in self._clients:
            client.transport.abort()

    async def _carry(self, asked: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self._clients.add(client)
        try:
            with suppress(OSError):  # either side may break
                answered, server = await asyncio.open_connection("127.0.0.1", self._destination)
                try:
                    await asyncio.gather(_copy(asked, server), _copy(answered, client))
                finally:
                    server.close()
        finally:
            self._clients.discard(client)
            client.close()


async def _copy(source: asyncio.StreamReader, destination: asyncio.StreamWriter) -> None:
    while data := await source.read(CHUNK_BYTES):
        destination.write(data)
        await destination.drain()
    destination.write_eof()
