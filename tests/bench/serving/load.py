"""Two load generators, what a server takes of the machine, and whether others disturbed it."""

from __future__ import annotations

import itertools
import json
import os
import re
import selectors
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Window:
    """What wrk saw.

    Attributes:
        p50, p99: milliseconds.
        errors: answers that were not 2xx, and connections that failed.
        cpu: microseconds of the server for a request.

    """

    rate: float
    p50: float
    p99: float
    errors: int
    cpu: float


@dataclass(frozen=True)
class Target:
    """A running server, and what wrk sends it."""

    port: int
    script: Path
    pid: int


def wrk() -> str:
    """The program; raises FileNotFoundError with what to install."""
    found = shutil.which("wrk")
    if found is None:
        raise FileNotFoundError("wrk is not on PATH: install it (apt-get install wrk)")
    return found


def write_script(path: Path, target: str, bodies: Sequence[bytes]) -> Path:
    """A script for wrk that sends the bodies in turn."""
    texts = ",\n".join(f"[====[{body.decode()}]====]" for body in bodies)
    path.write_text(
        f"local bodies = {{\n{texts}\n}}\nlocal last = 0\n"
        'local head = {["Content-Type"] = "application/json"}\n'
        "request = function()\n  last = last % #bodies + 1\n"
        f'  return wrk.format("POST", "{target}", head, bodies[last])\nend\n',
        encoding="utf-8",
    )
    return path


def take_the_last_core() -> None:
    """Keep this process and what it starts, wrk among them, off the server's core."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


class Watch:
    """Looks at what others take of the machine than this process and those that it has started."""

    def __init__(self) -> None:
        """Begin to look."""
        self._machine, self._own, self._begun = (
            machine_seconds(),
            tree_seconds(os.getpid()),
            time.monotonic(),
        )

    def others(self) -> float:
        """Their share of one core, since the beginning."""
        theirs = machine_seconds() - self._machine - (tree_seconds(os.getpid()) - self._own)
        return max(0.0, theirs) / (time.monotonic() - self._begun)


def drive(target: Target, connections: int, seconds: float) -> Window:
    """Send with wrk for some seconds."""
    command = [
        *(wrk(), "-t1", f"-c{connections}", f"-d{seconds:g}s"),
        *(
            "--latency",
            "--timeout",
            "30s",
            "-s",
            str(target.script),
            f"http://127.0.0.1:{target.port}",
        ),
    ]
    before = tree_seconds(target.pid)
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    used = tree_seconds(target.pid) - before
    requests = int(_find(r"(\d+) requests in", text))
    failed = sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", text)))
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return Window(
        rate=float(_find(r"Requests/sec:\s+([\d.]+)", text)),
        p50=_milliseconds(_find(r"^ +50% +(\S+)", text)),
        p99=_milliseconds(_find(r"^ +99% +(\S+)", text)),
        errors=failed + (int(bad.group(1)) if bad else 0),
        cpu=1e6 * used / max(requests, 1),
    )


def request(target: str, body: bytes) -> bytes:
    """The bytes of one request."""
    return (
        b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (target.encode(), len(body), body)
    )


def ask_in_turn(port: int, target: str, bodies: Sequence[bytes], seconds: float) -> list[float]:
    """Milliseconds of each request on one connection, by a plain blocking socket of our own."""
    requests = [request(target, body) for body in bodies]
    took: list[float] = []
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline or not took:
            begun = time.perf_counter()
            connection.sendall(requests[len(took) % len(requests)])
            _read_answer(connection)
            took.append(1e3 * (time.perf_counter() - begun))
    return took


def ask_at_once(
    port: int, target: str, bodies: Sequence[bytes], seconds: float, connections: int
) -> list[float]:
    """Milliseconds of each request on several connections, each of which waits for its answer."""
    requests = itertools.cycle([request(target, body) for body in bodies])
    took: list[float] = []
    with selectors.DefaultSelector() as waiting, ExitStack() as opened:
        for _ in range(connections):
            connection = opened.enter_context(socket.create_connection(("127.0.0.1", port), 60))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sent = (connection, time.perf_counter())
            waiting.register(connection, selectors.EVENT_READ, sent)
            connection.sendall(next(requests))
        deadline = time.perf_counter() + seconds
        while waiting.get_map():
            for key, _ in waiting.select():
                connection, begun = key.data
                _read_answer(connection)
                now = time.perf_counter()
                took.append(1e3 * (now - begun))
                if now < deadline:
                    waiting.modify(connection, selectors.EVENT_READ, (connection, now))
                    connection.sendall(next(requests))
                else:
                    waiting.unregister(connection)
    return took


def ask(port: int, target: str, body: bytes) -> object:
    """The JSON value of one answer.

    Raises OSError when nothing answers, ValueError for an answer that is not 200.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        connection.sendall(request(target, body))
        head, content = _read_answer(connection)
    if b" 200 " not in head.partition(b"\r\n")[0]:
        raise ValueError(f"{head[:80]!r} {content[:500]!r}")
    return json.loads(content)


def _read_answer(connection: socket.socket) -> tuple[bytes, bytes]:
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(1 << 20)
        if not part:
            raise OSError("the server closed the connection")
        received += part
    head, _, content = received.partition(b"\r\n\r\n")
    length = re.search(rb"content-length:\s*(\d+)", head, re.IGNORECASE)
    if length is None:
        raise ValueError(f"an answer without a length: {head[:200]!r}")
    while len(content) < int(length.group(1)):
        part = connection.recv(1 << 20)
        if not part:
            raise OSError("the server closed the connection")
        content += part
    return head, content


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*"):
            try:
                found += map(int, (task / "children").read_text().split())
            except OSError:
                continue
    return found


def tree_seconds(pid: int) -> float:
    """Processor time of a process and all below it, those that have ended among them."""
    total = 0
    for one in tree(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))
    return total / TICKS


def tree_megabytes(pid: int) -> float:
    """Proportional set size of a process and all below it: shared pages count once."""
    total = 0
    for one in tree(pid):
        try:
            text = Path(f"/proc/{one}/smaps_rollup").read_text()
        except OSError:
            continue
        total += int(_find(r"^Pss:\s+(\d+)", text))
    return total * 1024 / 1e6


def machine_seconds() -> float:
    """Processor time that all processes of the machine have used."""
    fields = list(map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:9]))
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / TICKS


def _find(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        raise ValueError(f"no {pattern} in {text!r}")
    return match.group(1)


def _milliseconds(text: str) -> float:
    match = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text)
    if match is None:
        raise ValueError(f"{text!r} is no time of wrk")
    number, unit = match.groups()
    return float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}[unit]
