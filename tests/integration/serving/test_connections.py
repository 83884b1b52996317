"""Clients that are slow, and connections that live long."""

from __future__ import annotations

import asyncio
import http.client
import json
import resource
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from housing_serving.http import connections

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


LARGE = 8 * 1024**2


async def _count_bytes(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/large":
        await PlainTextResponse("x" * LARGE)(scope, receive, send)
        return
    length = 0
    async for part in Request(scope, receive).stream():
        length += len(part)
    await PlainTextResponse(str(length))(scope, receive, send)


class Served:
    """The protocol under uvicorn, with an application that says how many bytes a body had."""

    def __init__(self) -> None:
        self.rejected: Counter[str] = Counter()
        config = uvicorn.Config(
            _count_bytes,
            port=0,
            loop="uvloop",
            http=connections.protocol_that_counts(self._count),
            lifespan="off",
            log_config=None,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve()))
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        self.address: Any = self._server.servers[0].sockets[0].getsockname()

    def _count(self, reason: str) -> None:
        self.rejected[reason] += 1

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._server.server_state.connections)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=30)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(30)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(connections, "RECEIVE_SECONDS", 0.5)
    monkeypatch.setattr(connections, "SEND_SECONDS", 1.0)
    monkeypatch.setattr(connections, "LEAST_BYTES", 10_000)
    one = Served()
    yield one
    one.stop()


def _everything(connection: socket.socket) -> bytes:
    received = b""
    while part := connection.recv(65_536):
        received += part
    return received


def _answer(connection: socket.socket) -> tuple[int, bytes]:
    """Status and body of the next answer; ConnectionError when there is none."""
    answer = http.client.HTTPResponse(connection)
    try:
        answer.begin()
        return answer.status, answer.read()
    finally:
        answer.close()


@pytest.mark.parametrize("sent", [b"POST / HT", HEAD % 100, HEAD % 100 + b"x" * 99])
def test_a_request_that_is_not_sent_to_its_end_is_ended_with_408(
    served: Served, sent: bytes
) -> None:
    with served.connect() as slow:
        slow.sendall(sent)
        answer = _everything(slow)
    assert answer.startswith(b"HTTP/1.1 408 ")
    problem = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert problem["status"] == 408
    assert f"x-request-id: {problem['requestId']}\r\n".encode() in answer
    assert served.rejected == {"timeout": 1}


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused_with_a_problem_document(served: Served, sent: bytes) -> None:
    with served.connect() as confused:
        confused.sendall(sent)
        head, _, body = _everything(confused).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 400 Bad Request"
    assert "content-type: application/problem+json" in lines
    assert "connection: close" in lines
    problem = json.loads(body)
    assert problem["status"] == 400
    assert f"x-request-id: {problem['requestId']}" in lines
    assert served.rejected == {"malformed": 1}


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n", b"x: %b\r\n", id="headers"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nx: ", b"%b", id="one header"),
        pytest.param(b"GET /", b"%b", id="path"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            b"x: %b\r\n",
            id="trailers",
        ),
    ],
)
def test_a_head_without_an_end_is_refused_however_fast_it_comes(
    served: Served, begin: bytes, more: bytes
) -> None:
    sent = 0
    with served.connect() as endless:
        endless.sendall(begin)
        while not select.select([endless], [], [], 0.02)[0]:
            assert sent < 2 * connections.HEAD_LIMIT_BYTES
            endless.sendall(more % (b"y" * 8_000))
            sent += 8_000
        head, _, body = _everything(endless).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 ")
    assert "send fewer and shorter headers" in json.loads(body)["detail"]
    assert served.rejected == {"head_too_large": 1}


@pytest.mark.parametrize("offered", [b"h2c", b"websocket"])
@pytest.mark.parametrize(
    "request_",
    [
        pytest.param([HEAD % 3, b"abc"], id="a length"),
        pytest.param(
            [
                b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
                b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
            ],
            id="chunks",
        ),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_an_offer_of_another_protocol_is_passed_over_and_the_body_read(
    served: Served, offered: bytes, request_: list[bytes], *, at_once: bool
) -> None:
    """Java's client offers HTTP/2 so with each first request of a connection."""
    head, body = request_
    headers = b"Host: x\r\nConnection: Upgrade\r\nUpgrade: %b\r\n" % offered
    head = head.replace(b"Host: x\r\n", headers)
    last = (HEAD % 1).replace(b"Host: x\r\n", b"Host: x\r\nConnection: close\r\n") + b"a"
    with served.connect() as offering:
        if at_once:
            offering.sendall(head + body + last)
        else:
            for part in (head, body, last):
                offering.sendall(part)
                time.sleep(0.05)
        answers = _everything(offering)
    assert answers.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert b"\r\n\r\n3HTTP" in answers
    assert answers.endswith(b"\r\n\r\n1")
    assert not served.rejected


def test_a_thousand_offers_at_once_are_passed_over(served: Served) -> None:
    offer = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    last = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with served.connect() as offering:
        offering.sendall(offer * 1_500 + last)
        assert _everything(offering).count(b"HTTP/1.1 200 OK\r\n") == 1_501
    assert not served.rejected


def test_a_body_in_small_chunks_is_no_head(served: Served) -> None:
    with served.connect() as patient:
        patient.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(20):
            patient.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            time.sleep(0.01)
        patient.sendall(b"0\r\n\r\n")
        assert _answer(patient) == (200, b"81920")
    assert not served.rejected


@pytest.mark.parametrize("asks_again", [False, True])
def test_a_client_that_takes_no_answer_is_let_go_whatever_else_it_sends(
    served: Served, *, asks_again: bool
) -> None:
    with served.connect() as stuck:
        stuck.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.5)
        assert served.connections == 1
        if asks_again:
            stuck.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        deadline = time.monotonic() + 10
        while served.connections and time.monotonic() < deadline:
            time.sleep(0.05)
        assert served.connections == 0


def test_a_client_that_takes_a_large_answer_in_parts_gets_all_of_it(served: Served) -> None:
    with served.connect() as steady:
        steady.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = http.client.HTTPResponse(steady)
        answer.begin()
        received = 0
        while part := answer.read(1024**2):
            received += len(part)
            time.sleep(0.05)
    assert received == LARGE


def test_a_large_body_may_take_its_time_as_long_as_it_comes(served: Served) -> None:
    with served.connect() as slow:
        slow.sendall(HEAD % 100_000)
        for _ in range(10):
            slow.sendall(b"x" * 10_000)
            time.sleep(0.15)
        assert _answer(slow) == (200, b"100000")
    assert not served.rejected


def test_requests_on_a_kept_connection_begin_each_with_a_new_clock(served: Served) -> None:
    with served.connect() as kept:
        for _ in range(5):
            kept.sendall(HEAD % 3 + b"abc")
            assert _answer(kept) == (200, b"3")
            time.sleep(0.3)
    assert not served.rejected


def test_more_connections_than_there_is_room_for_are_closed(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections.BoundedProtocol, "_limit", 2)
    with served.connect() as first, served.connect() as second:
        for kept in (first, second):
            kept.sendall(HEAD % 1 + b"a")
            assert _answer(kept) == (200, b"1")
        with served.connect() as third, pytest.raises((ConnectionError, BrokenPipeError)):
            _answer(third)
        first.sendall(HEAD % 1 + b"a")
        assert _answer(first) == (200, b"1")
    assert served.rejected == {"connections_full": 1}


@pytest.mark.parametrize(
    ("files", "expected"), [(1024, 896), (100, 1), (10**6, connections.MOST_CONNECTIONS)]
)
def test_connections_leave_files_for_the_rest(
    monkeypatch: pytest.MonkeyPatch, files: int, expected: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    assert connections.most_connections() == expected


def test_thousands_of_requests_on_one_connection_leave_no_memory_behind(
    served: Served,
) -> None:
    request = HEAD % 3 + b"abc"
    with served.connect() as kept:

        def ask(times: int) -> None:
            for _ in range(times):
                kept.sendall(request)
                assert _answer(kept) == (200, b"3")

        ask(1_000)
        before = _resident_bytes()
        ask(5_000)
        assert _resident_bytes() - before < 2 * 1024**2


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
