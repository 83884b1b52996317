"""uvicorn's protocol with limits: to how long a client may take, and how many there are."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable, Sized
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from housing_serving.http.problems import Problem
from housing_serving.http.request_context import REQUEST_ID_HEADER
from housing_serving.http.trace_context import random_id

RECEIVE_SECONDS = 20.0
LEAST_BYTES = 256 * 1024
"""A request must be complete after so long, or have brought so much, and again, and again: what is
small comes at once, what is large or streamed may take its time, and trickling holds nothing up."""

SEND_SECONDS = 20.0
"""In which a client must take the answer that fills its side of the connection."""

HEAD_LIMIT_BYTES = 64 * 1024
"""Of head and trailers, which wait in memory until they end; the part that came with the request's
first bytes is not counted."""

MOST_CONNECTIONS = 8_192
SPARE_FILES = 128
"""For the model, the log and MLflow."""

_TOO_SLOW = (
    f"the request came too slowly: it was not complete after {RECEIVE_SECONDS:g} seconds; send all "
    "of it, and its end"
)
_MALFORMED = (
    "this is no HTTP request, or one whose parts contradict each other: send HTTP/1.1 with a usual "
    "method, and one Content-Length or chunks"
)
_HEAD_TOO_LARGE = (
    f"the request's head is larger than {HEAD_LIMIT_BYTES} bytes: send fewer and shorter headers, "
    "and a shorter path"
)


def _answer(status: HTTPStatus, detail: str) -> bytes:
    """A problem document as the last answer on a connection, for what no application has seen."""
    request_id = random_id(32)
    response = Problem(status, None, detail).to_response(request_id)
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\n{REQUEST_ID_HEADER}: {request_id}\r\n"
    lines = [b"%s: %s\r\n" % header for header in response.raw_headers]
    return b"".join([head.encode(), *lines, b"connection: close\r\n\r\n", bytes(response.body)])


def most_connections() -> int:
    """What the limit of open files leaves room for."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(1, min(MOST_CONNECTIONS, files - SPARE_FILES))


class _ReadingInTurn(FlowControl):
    """Reads no more while requests wait on the connection.

    uvicorn reads on with each request that it takes up, so that all that a client sends in advance
    is soon in memory.
    """

    def __init__(self, transport: asyncio.Transport, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        """Read on, unless requests wait: the last of them will ask for it again."""
        if not self._waiting:
            super().resume_reading()


class BoundedProtocol(HttpToolsProtocol):
    """Ends connections whose client is too slow; what arrives and leaves at once costs nothing."""

    _limit = most_connections()
    _receiving = False
    _received = 0
    _head_goes_on = False
    _head_bytes = 0
    _late: asyncio.TimerHandle | None = None
    _stuck: asyncio.TimerHandle | None = None

    def rejected(self, reason: str) -> None:
        """Called for each request that is ended here.

        Args:
            reason: `timeout`, `malformed`, `head_too_large` or `connections_full`.

        """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or close it when there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self._limit:
            self.rejected("connections_full")
            transport.abort()
            return
        self.flow = _ReadingInTurn(transport, self.pipeline)
        # As long as between two requests.
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_clock()
        self._stop_send_clock()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Note that a request has begun."""
        self._receiving = True
        self._received = 0
        self._head_goes_on = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Begin to answer, unless the parser has to read the request anew."""
        if not self._upgrade_offered():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body, which the application reads and bounds."""
        self._head_goes_on = False
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that it is complete."""
        if not self._upgrade_offered():
            self._receiving = False
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Read; the clock runs while a request is incomplete."""
        self._head_goes_on = True
        self._unset_keepalive_if_required()
        self._feed(data)
        self._received += len(data)
        if not self._receiving:
            self._stop_clock()
            return
        self._head_bytes = self._head_bytes + len(data) if self._head_goes_on else 0
        if self._head_bytes > HEAD_LIMIT_BYTES:
            answer = _answer(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, _HEAD_TOO_LARGE)
            self._end("head_too_large", answer)
        elif self._late is None and not self.transport.is_closing():
            self._late = self.loop.call_later(RECEIVE_SECONDS, self._judge, self._received)

    def _upgrade_offered(self) -> bool:
        """Whether the client would speak another protocol from now on, if this side would too."""
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _feed(self, data: bytes) -> None:
        left: bytes | memoryview = data
        try:
            while left:
                left = self._parse(left)
        except httptools.HttpParserError:
            self.logger.warning(_MALFORMED)
            self.send_400_response(_MALFORMED)

    def _parse(self, data: bytes | memoryview) -> bytes | memoryview:
        """Parse, and pass over an offer to change the protocol, as HTTP lets a server do.

        Java's client offers HTTP/2 with each first request, and the parser takes whatever stands
        behind the head for the other protocol, also a body.

        Returns:
            What stands behind the head of such a request; a parser that knows of no offer goes on.

        """
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            if self._upgrade_offered():
                version = self.parser.get_http_version().encode()
                head = [b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, version)]
                head += [b"%b: %b\r\n" % line for line in self.headers if line[0] != b"upgrade"]
                self.parser = httptools.HttpRequestParser(self)
                self.parser.feed_data(b"".join([*head, b"\r\n"]))
                return memoryview(data)[offer.args[0] :]
        return b""

    def pause_writing(self) -> None:
        """Let the clock run while the client takes nothing."""
        super().pause_writing()
        # A clock of its own: what the client sends meanwhile must not stop it.
        self._stop_send_clock()
        self._stuck = self.loop.call_later(SEND_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop it."""
        self._stop_send_clock()
        super().resume_writing()

    def _judge(self, before: int) -> None:
        """End a request that came too slowly; where this side has stopped reading it is no one's fault."""
        self._late = None
        if self.transport.is_closing():
            return
        if self.flow.read_paused or self._received - before >= LEAST_BYTES:
            self._late = self.loop.call_later(RECEIVE_SECONDS, self._judge, self._received)
            return
        self._end("timeout", _answer(HTTPStatus.REQUEST_TIMEOUT, _TOO_SLOW))

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - our words are others
        """Refuse what is no HTTP with a problem document, as everything else."""
        self._end("malformed", _answer(HTTPStatus.BAD_REQUEST, _MALFORMED))

    def _end(self, reason: str, answer: bytes) -> None:
        """Close the connection behind an answer, unless another has begun."""
        self.rejected(reason)
        cycle: Any = self.cycle
        if cycle is None or cycle.response_complete or not cycle.response_started:
            self.transport.write(answer)
        self.transport.close()

    def _stop_clock(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _stop_send_clock(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None


def protocol_that_counts(rejected: Callable[[str], None]) -> type[BoundedProtocol]:
    """The protocol, telling of each request that it ends."""

    class Counting(BoundedProtocol):
        def rejected(self, reason: str) -> None:
            rejected(reason)

    return Counting
