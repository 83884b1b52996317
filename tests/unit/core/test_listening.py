"""Listening on every address."""

from __future__ import annotations

import socket

import pytest

from housing_core.listening import listen_everywhere
from tests.loopback import loopback_hosts


@pytest.mark.parametrize("ipv6", [True, False])
def test_one_socket_takes_connections_to_every_address_that_there_is(
    monkeypatch: pytest.MonkeyPatch, *, ipv6: bool
) -> None:
    hosts = loopback_hosts()
    if not ipv6:
        monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
        hosts = ["127.0.0.1"]
    with listen_everywhere(0) as listener:
        port = listener.getsockname()[1]
        for host in hosts:
            with socket.create_connection((host.strip("[]"), port), timeout=5) as client:
                accepted, _ = listener.accept()
                with accepted:
                    client.sendall(b"x")
                    assert accepted.recv(1) == b"x"


def test_a_port_that_is_taken_is_an_error() -> None:
    with listen_everywhere(0) as first, pytest.raises(OSError, match="in use"):
        listen_everywhere(first.getsockname()[1])
