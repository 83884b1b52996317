"""The loopback addresses of this machine."""

from __future__ import annotations

import socket


def loopback_hosts() -> list[str]:
    """Return them as they stand in a URL: that of IPv4, and that of IPv6 where there is one."""
    hosts = ["127.0.0.1"]
    try:
        with socket.socket(socket.AF_INET6) as tried:
            tried.bind(("::1", 0))
        hosts.append("[::1]")
    except OSError:
        pass
    return hosts
