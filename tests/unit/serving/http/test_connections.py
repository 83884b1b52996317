"""How much of what a client sends in advance is read."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from housing_serving.http.connections import BoundedProtocol

REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


class Transport:
    """Takes note of whether more would be read."""

    reading = True

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        self.reading = False

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, _name: str) -> Any:
        return None


async def answers_of(requests: int) -> list[bool]:
    """Whether more was read while each of the requests, sent at once, was answered; at the end it is."""
    transport, seen = Transport(), []

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        seen.append(transport.reading)
        headers = [(b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    config = uvicorn.Config(cast(Any, app), lifespan="off", log_config=None, access_log=False)
    config.load()
    protocol = BoundedProtocol(config, ServerState(), {})
    protocol.connection_made(cast(asyncio.Transport, transport))
    protocol.data_received(REQUEST * requests)
    while transport.written.count(b"200 OK") < requests:
        await asyncio.sleep(0.001)
    assert transport.reading
    protocol.connection_lost(None)
    return seen


def test_no_more_is_read_while_requests_wait_on_the_connection() -> None:
    assert asyncio.run(answers_of(5)) == [False, False, False, False, True]


def test_a_request_alone_stops_no_reading() -> None:
    assert asyncio.run(answers_of(1)) == [True]
