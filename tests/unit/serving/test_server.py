"""The beginning of a server that is told to end meanwhile."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from typing import Any

import pytest
import uvicorn

from housing_serving import server
from housing_serving.server import DRAIN_SECONDS, serve
from housing_serving.service import Service
from housing_serving.workers import end_at_once_when_told

FORK = get_context("fork")


def _told_first(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that begins where SIGTERM comes, and nobody hears of what its handler raises.

    So it is in the callbacks of importlib's locks, among others.
    """

    def told(*args: Any, **kwargs: Any) -> Any:
        with suppress(BaseException):
            os.kill(os.getpid(), signal.SIGTERM)
        return function(*args, **kwargs)

    return told


@pytest.mark.parametrize(
    ("owner", "name"),
    [(server, "create_app"), (uvicorn.Config, "get_loop_factory"), (uvicorn.Config, "load")],
    ids=["application", "event loop", "uvicorn"],
)
def test_a_server_that_is_told_to_end_while_it_begins_ends_at_once(
    service: Service, monkeypatch: pytest.MonkeyPatch, owner: object, name: str
) -> None:
    monkeypatch.setattr(owner, name, _told_first(getattr(owner, name)))

    def run() -> None:
        end_at_once_when_told()
        with socket.create_server(("127.0.0.1", 0)) as shared:
            serve(service, shared)

    process = FORK.Process(target=run)
    begun = time.monotonic()
    process.start()
    process.join(30)
    took = time.monotonic() - begun
    if process.is_alive():
        process.kill()
    assert process.exitcode == 0
    assert took < DRAIN_SECONDS
