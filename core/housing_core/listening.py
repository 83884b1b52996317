"""Listening on every address of a pod, be its cluster one of IPv4, of IPv6 or of both."""

from __future__ import annotations

import socket


def every_address() -> str:
    """The address that stands for all, for a library that listens by itself.

    The kernel gives a listener on all addresses of IPv6 those of IPv4 too.
    """
    everything = "0.0.0.0"  # noqa: S104 - a pod is reached from outside of it
    return "::" if socket.has_dualstack_ipv6() else everything


def listen_everywhere(port: int, backlog: int = 128) -> socket.socket:
    """A listening TCP socket on all addresses; on those of IPv4 alone where there is no IPv6.

    Args:
        port: 0 for any that is free.
        backlog: connections that may wait to be accepted.

    Raises:
        OSError: when the port is taken.

    """
    if socket.has_dualstack_ipv6():
        return socket.create_server(
            ("", port), family=socket.AF_INET6, backlog=backlog, dualstack_ipv6=True
        )
    return socket.create_server(("", port), backlog=backlog)
