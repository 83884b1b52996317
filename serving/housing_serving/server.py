"""uvicorn, with an end that no client notices."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
import uvicorn.server
from starlette.types import ASGIApp

from housing_serving.app import create_app
from housing_serving.http.accepting import Acceptor, ConnectionCounts
from housing_serving.http.connections import protocol_that_counts
from housing_serving.service import Service
from housing_serving.workers import BEAT_SECONDS

DRAIN_SECONDS = 5.0
"""How long new connections are still taken after SIGTERM: until every node's rules have forgotten
the pod. The answers say `Connection: close` meanwhile, so that clients go elsewhere."""

FINISH_SECONDS = 10
"""How long requests that are under way may take after that. With the 8 s for the log this stays
below the 30 s that a pod has by default."""

KEEP_ALIVE_SECONDS = 75
"""Longer than the 60 s of common load balancers, so that they close first and never write into a
connection that this side is closing."""

COLLECTED_OBJECTS = 5_000
"""New ones after which Python looks for circles among them. At its default of 700 that takes 2 % of
the time, and only errors and closed connections leave any."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """What a worker shares with those that accept from the same socket.

    Attributes:
        slot: its own in `counts`.
        beat: shows the supervisor that the event loop turns.

    """

    counts: ConnectionCounts
    slot: int
    beat: Callable[[], None]


class DrainingServer(uvicorn.Server):
    """Goes on serving for a while after SIGTERM, closing each connection behind its answer."""

    def __init__(
        self, config: uvicorn.Config, service: Service, sharing: Sharing | None = None
    ) -> None:
        super().__init__(config)
        self._service = service
        self._sharing = sharing
        self._acceptor: Acceptor | None = None

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until SIGTERM or SIGINT; not at all when one comes before it has begun to.

        The handlers only note the signal, and stand from before the event loop to the end of the
        process. uvicorn sets them later, and whatever a handler raises while its loop begins is lost.
        """
        for number in uvicorn.server.HANDLED_SIGNALS:
            signal.signal(number, self.handle_exit)
        super().run(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the handlers of `run`."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen as uvicorn does, or share what comes in with siblings."""
        if self.should_exit:
            return  # with nothing begun, uvicorn has nothing to end
        if self._sharing is None or sockets is None:
            await super().startup(sockets)
            return
        await super().startup([])
        (shared,) = sockets
        make_protocol: Any = self.config.http_protocol_class
        self._acceptor = Acceptor(
            shared,
            self._sharing.counts,
            self._sharing.slot,
            protocol=lambda: make_protocol(
                config=self.config,
                server_state=self.server_state,
                app_state=self.lifespan.state,
            ),
            connections=lambda: len(self.server_state.connections),
        )
        self._acceptor.start()
        self._beat(self._sharing.beat)

    def _beat(self, beat: Callable[[], None]) -> None:
        """Beat for as long as the event loop runs, so also while it drains."""
        beat()
        asyncio.get_running_loop().call_later(BEAT_SECONDS, self._beat, beat)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then stop as uvicorn does."""
        self._service.draining = True
        deadline = time.monotonic() + DRAIN_SECONDS
        while time.monotonic() < deadline and not self.force_exit:
            await asyncio.sleep(0.1)
        if self._acceptor is not None:
            self._acceptor.stop()
        await super().shutdown(sockets)


def serve(service: Service, shared: socket.socket, sharing: Sharing | None = None) -> None:
    """Answer what comes in on a listening socket until SIGTERM or SIGINT, then drain.

    Args:
        sharing: with whom the connections are shared; None for nobody.

    """
    app: ASGIApp = create_app(service)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=protocol_that_counts(service.metrics.count_rejected),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=FINISH_SECONDS,
    )
    gc.freeze()
    gc.set_threshold(COLLECTED_OBJECTS)
    server = DrainingServer(config, service, sharing)
    service.batcher.under_way = server.server_state.tasks
    server.run([shared])
