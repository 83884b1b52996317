"""Two load generators, what a server takes of the machine, and whether others disturbed it."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Window:
    """What wrk saw.

    Attributes:
        p50, p99: milliseconds.
        errors: answers that were not 2xx, and connections that failed.
        others: share of one core that neither the server nor wrk used, but somebody did.
        cpu: microseconds of the server for a request.

    """

    rate: float
    p50: float
    p99: float
    errors: int
    others: float
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


def drive(target: Target, connections: int, seconds: float) -> Window:
    """Send with wrk, on the last core, for some seconds."""
    core = str((os.cpu_count() or 1) - 1)
    command = [
        *("taskset", "-c", core, wrk(), "-t1", f"-c{connections}", f"-d{seconds:g}s"),
        *(
            "--latency",
            "--timeout",
            "30s",
            "-s",
            str(target.script),
            f"http://127.0.0.1:{target.port}",
        ),
    ]
    machine, server, begun = machine_seconds(), tree_seconds(target.pid), time.monotonic()
    before = os.times()
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    after, took = os.times(), time.monotonic() - begun
    used = tree_seconds(target.pid) - server
    generator = after.children_user + after.children_system
    generator -= before.children_user + before.children_system
    others = max(0.0, machine_seconds() - machine - used - generator) / took
    requests = int(_find(r"(\d+) requests in", text))
    failed = sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", text)))
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return Window(
        rate=float(_find(r"Requests/sec:\s+([\d.]+)", text)),
        p50=_milliseconds(_find(r"^ +50% +(\S+)", text)),
        p99=_milliseconds(_find(r"^ +99% +(\S+)", text)),
        errors=failed + (int(bad.group(1)) if bad else 0),
        others=others,
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
    """Processor time of a process and all below it."""
    total = 0
    for one in tree(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
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
