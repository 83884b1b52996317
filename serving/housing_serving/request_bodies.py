"""Reading request bodies, in a bounded part of the memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.requests import ClientDisconnect, Request

from housing_serving.listings import BODY_LIMIT_BYTES, too_large
from housing_serving.problems import Problem, busy

SMALL_BYTES = 16 * 1024
"""Bodies up to this are answered at once, so that they neither wait nor count."""

HELD_LIMIT_BYTES = 64 * 1024**2
"""Of larger bodies at a time; the listings in those that a thread works on come on top."""


class RequestBodies:
    """The larger bodies that are being read or wait for a thread; for use on the event loop only."""

    def __init__(
        self, limit_bytes: int = HELD_LIMIT_BYTES, refused: Callable[[], None] = lambda: None
    ) -> None:
        """Nothing is held yet.

        Args:
            limit_bytes: most that may be held.
            refused: told of each body that there is no room for.

        """
        self._limit = limit_bytes
        self._refused = refused
        self._held = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """The body of a request, which counts as held to the end of the `with` block.

        Raises:
            Problem: 413 as soon as the body is known to be over its limit, 503 when the bodies
                that are held leave no room for it, 400 when it ends early.

        """
        body = bytearray()
        held = 0
        try:
            if int(request.headers.get("content-length", "0")) > BODY_LIMIT_BYTES:
                raise too_large()
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY_LIMIT_BYTES:
                    raise too_large()
                if len(body) > SMALL_BYTES:
                    grown = len(body) - held
                    if self._held + grown > self._limit:
                        self._refused()
                        raise busy()
                    self._held += grown
                    held += grown
            content = bytes(body)
            body.clear()
            yield content
        except ClientDisconnect as error:
            raise Problem(400, "invalid-json", "the body ended early") from error
        finally:
            self._held -= held
