"""Run inside a pod: ask for predictions at a steady rate until /tmp/stop appears, then print counts.

Usage: load_pod.py SETTINGS.json    (standard library only)
"""

import asyncio
import json
import re
import sys
import time
import urllib.parse
from array import array
from collections import Counter
from pathlib import Path

STOP = Path("/tmp/stop")
ANSWER_SECONDS = 10

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
VERSION = re.compile(rb'"modelVersion": *"(\w+)"')

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Load:
    """Callers with a kept connection each, and what they saw."""

    def __init__(self, url: str, bodies: list[bytes], connections: int, per_second: float) -> None:
        parts = urllib.parse.urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port or 80
        self.requests = [
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode() + body
            for body in bodies
        ]
        self.connections = connections
        self.pause = connections / per_second if per_second else 0.0
        self.failed: Counter[str] = Counter()
        self.versions: Counter[str] = Counter()
        self.seconds = array("d")
        self.stopped = False

    async def run(self) -> float:
        """Ask until it is stopped; returns the seconds from the first request to the last answer."""
        begun = time.monotonic()
        callers = [asyncio.create_task(self.caller(n, begun)) for n in range(self.connections)]
        while not STOP.exists():
            await asyncio.sleep(0.1)
        self.stopped = True
        await asyncio.gather(*callers)
        return time.monotonic() - begun

    async def caller(self, offset: int, begun: float) -> None:
        """Ask in turn. A request counts from when it is due: one that is sent late has waited too."""
        streams: Streams | None = None
        due = begun + self.pause * offset / self.connections
        turn = offset
        while not self.stopped:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if not self.pause:
                due = time.monotonic()
            version = failure = ""
            try:
                if streams is None:
                    streams = await asyncio.open_connection(self.host, self.port)
                async with asyncio.timeout(ANSWER_SECONDS):
                    status, version, close = await ask(
                        streams, self.requests[turn % len(self.requests)]
                    )
                if status != "200":
                    failure = status
            except (OSError, EOFError, TimeoutError, AttributeError) as error:
                failure, close = type(error).__name__, True
            if close and streams is not None:
                streams[1].close()
                streams = None
            self.seconds.append(time.monotonic() - due)
            (self.failed if failure else self.versions)[failure or version] += 1
            turn += self.connections
            due += self.pause


async def ask(streams: Streams, request: bytes) -> tuple[str, str, bool]:
    """Status, model version, and whether the server closes the connection.

    Raises AttributeError for what is no answer of a model server.
    """
    reader, writer = streams
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    status = head[9:12].decode()
    body = await reader.readexactly(int(LENGTH.search(head)[1]))  # type: ignore[index]
    version = VERSION.search(body)[1].decode() if status == "200" else ""  # type: ignore[index]
    return status, version, CLOSE.search(head) is not None


def main(settings_file: str) -> None:
    """Run the callers and print what they saw."""
    settings = json.loads(Path(settings_file).read_text())
    bodies = [json.dumps(listing).encode() for listing in settings["listings"]]
    load = Load(settings["url"], bodies, settings["connections"], settings["perSecond"])
    lasted = asyncio.run(load.run())
    seconds = sorted(load.seconds)
    result = {
        "sent": len(seconds),
        "failed": load.failed,
        "versions": load.versions,
        "seconds": lasted,
        **{
            f"p{percent}Seconds": seconds[percent * (len(seconds) - 1) // 100] if seconds else 0.0
            for percent in (50, 99)
        },
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
