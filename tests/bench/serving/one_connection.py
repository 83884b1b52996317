"""A million requests to `/predict` on one connection, and the memory before and after.

`python -m tests.bench.serving.one_connection`; the requests are pipelined, so that the server and
not the way to it sets the pace. A request without a 200, or memory that grew from the first tenth
of them to the last, fails the run.
"""

from __future__ import annotations

import argparse
import re
import socket
import sys
import threading
import time
from collections import Counter

from tests.bench.serving import load
from tests.bench.serving.running import Prepared, answering
from tests.bench.serving.servers import OURS

PARTS = 10
MOST_GROWTH_MB = 20.0
"""Some twenty bytes for each of a million requests; it goes up and down by as much."""

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")
_TAIL = len("HTTP/1.1 200") - 1


def main() -> int:
    """Ask, and say what was seen; 1 when it is not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.serving.one_connection")
    parser.add_argument("--requests", type=int, default=1_000_000)
    requests = parser.parse_args().requests
    with (
        answering(Prepared.read(), OURS) as (server, target, bodies),
        socket.create_connection(("127.0.0.1", target.port), timeout=60) as connection,
    ):
        begun, memory = time.monotonic(), []
        statuses: Counter[int] = Counter()
        for part in range(1, PARTS + 1):
            statuses += _ask(connection, server.path, bodies, requests // PARTS)
            memory.append(load.tree_megabytes(target.pid))
            took = time.monotonic() - begun
            say(f"{part * requests // PARTS:,} requests, {took:.0f} s, {memory[-1]:.0f} MB")
    grown = memory[-1] - memory[0]
    say(f"answers {dict(statuses)}; memory grew by {grown:.0f} MB from the first tenth on")
    return 0 if statuses == {200: requests // PARTS * PARTS} and grown <= MOST_GROWTH_MB else 1


def say(text: str) -> None:
    """One line, at once, also into a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _ask(connection: socket.socket, path: str, bodies: list[bytes], requests: int) -> Counter[int]:
    """Send so many and read the answers; returns how many there were of each status."""
    block = b"".join(load.request(path, body) for body in bodies)
    blocks, rest = divmod(requests, len(bodies))

    def send() -> None:
        for _ in range(blocks):
            connection.sendall(block)
        for body in bodies[:rest]:
            connection.sendall(load.request(path, body))

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    found: Counter[int] = Counter()
    tail = b""
    while found.total() < requests:
        part = connection.recv(1 << 20)
        if not part:
            break
        received = tail + part
        found.update(map(int, _STATUS.findall(received)))
        tail = received[-_TAIL:]
    sender.join(timeout=1)
    return found


if __name__ == "__main__":
    sys.exit(main())
