"""Reading request bodies, in a bounded part of the memory."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request

from housing_serving.http.problems import Problem, busy

BODY_LIMIT_BYTES = 5 * 1024**2

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

    def read(self, request: Request) -> _Reading:
        """The body of a request, which counts as held to the end of the `async with` block.

        Raises:
            Problem: on entering the block; 413 as soon as the body is known to be over its limit,
                503 when the bodies that are held leave no room for it, 400 when it ends early.

        """
        return _Reading(self, request)

    def hold(self, size: int) -> None:
        """Count some bytes as held.

        Raises:
            Problem: 503 when there is no room for them.

        """
        if self._held + size > self._limit:
            self._refused()
            raise busy()
        self._held += size

    def release(self, size: int) -> None:
        """Count them no longer."""
        self._held -= size


class _Reading:
    """One body; every request has one, and contextlib's way by a generator takes longer."""

    __slots__ = ("_bodies", "_held", "_request")

    def __init__(self, bodies: RequestBodies, request: Request) -> None:
        self._bodies = bodies
        self._request = request
        self._held = 0

    async def __aenter__(self) -> bytes:
        try:
            return await self._read()
        except BaseException:
            self._bodies.release(self._held)
            raise

    async def __aexit__(self, *_: object) -> None:
        self._bodies.release(self._held)

    async def _read(self) -> bytes:
        if int(self._request.headers.get("content-length", "0")) > BODY_LIMIT_BYTES:
            raise _too_large()
        body = bytearray()
        more = True
        while more:
            message = await self._request.receive()
            if message["type"] == "http.disconnect":
                raise Problem(400, "invalid-json", "the body ended early")
            more = message.get("more_body", False)
            body += message.get("body", b"")
            if len(body) > BODY_LIMIT_BYTES:
                raise _too_large()
            if len(body) > SMALL_BYTES:
                self._bodies.hold(len(body) - self._held)
                self._held = len(body)
        return bytes(body)


def _too_large() -> Problem:
    return Problem(
        413,
        "too-large",
        f"the body is larger than {BODY_LIMIT_BYTES} bytes: send the listings in several requests",
        {"limitBytes": BODY_LIMIT_BYTES},
    )
