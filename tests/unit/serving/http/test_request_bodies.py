"""How much of the memory request bodies take."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from starlette.requests import Request
from starlette.types import Message

from housing_serving.http.problems import Problem
from housing_serving.http.request_bodies import BODY_LIMIT_BYTES, SMALL_BYTES, RequestBodies

LARGE = b"x" * (SMALL_BYTES + 1)


def _request(*chunks: bytes, ends: bool = True) -> Request:
    messages: list[Message] = [
        {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
    ]
    messages.append({"type": "http.request"} if ends else {"type": "http.disconnect"})
    coming = iter(messages)

    async def receive() -> Message:
        return next(coming)

    return Request({"type": "http", "method": "POST", "headers": []}, receive)


async def _read(bodies: RequestBodies, *chunks: bytes, ends: bool = True) -> bytes:
    async with bodies.read(_request(*chunks, ends=ends)) as body:
        return body


def test_a_large_body_is_refused_only_while_others_take_the_room() -> None:
    async def scenario() -> None:
        bodies = RequestBodies(limit_bytes=2 * len(LARGE))
        async with bodies.read(_request(LARGE)), bodies.read(_request(LARGE)):
            with pytest.raises(Problem) as refused:
                await _read(bodies, LARGE)
            assert (refused.value.status, refused.value.kind) == (503, "busy")
            assert refused.value.headers["Retry-After"] == "5"
            assert await _read(bodies, LARGE[:SMALL_BYTES]) == LARGE[:SMALL_BYTES]
        assert await _read(bodies, LARGE, LARGE[1:]) == LARGE + LARGE[1:]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("chunks", "ends", "status"),
    [
        pytest.param([LARGE, b"x" * BODY_LIMIT_BYTES], True, 413, id="over the limit"),
        pytest.param([LARGE], False, 400, id="ended early"),
        pytest.param([LARGE, LARGE, LARGE], True, 503, id="no room"),
    ],
)
def test_a_body_that_is_not_taken_gives_its_room_back(
    chunks: list[bytes], ends: bool, status: int
) -> None:
    async def scenario() -> None:
        bodies = RequestBodies(limit_bytes=2 * len(LARGE))
        for _ in range(3):
            with pytest.raises(Problem) as refused:
                await _read(bodies, *chunks, ends=ends)
            assert refused.value.status == status
        assert await _read(bodies, LARGE, LARGE) == LARGE + LARGE

    asyncio.run(scenario())


def test_an_answer_that_fails_gives_its_room_back() -> None:
    async def scenario() -> None:
        bodies = RequestBodies(limit_bytes=len(LARGE))
        with suppress(ZeroDivisionError):
            async with bodies.read(_request(LARGE)):
                raise ZeroDivisionError
        assert await _read(bodies, LARGE) == LARGE

    asyncio.run(scenario())
