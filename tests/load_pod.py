"""Run inside a pod: ask for predictions at a steady rate until /tmp/stop appears, then print counts.

Usage: load_pod.py SETTINGS.json    (standard library only)
"""

import http.client
import json
import sys
import threading
import time
import urllib.parse
from collections import Counter
from pathlib import Path

STOP = Path("/tmp/stop")


def main(settings_file: str) -> None:
    """Run the callers and print what they saw."""
    settings = json.loads(Path(settings_file).read_text())
    connections: int = settings["connections"]
    bodies = [json.dumps(listing).encode() for listing in settings["listings"]]
    url = urllib.parse.urlsplit(settings["url"])
    host = url.hostname or ""
    lock = threading.Lock()
    failed: Counter[str] = Counter()
    versions: Counter[str] = Counter()
    seconds: list[float] = []

    def ask(connection: http.client.HTTPConnection, body: bytes) -> tuple[int, bytes, bool]:
        connection.request("POST", url.path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read(), response.will_close

    def caller(offset: int) -> None:
        connection: http.client.HTTPConnection | None = None
        pause = connections / settings["perSecond"]
        turn = offset
        while not STOP.exists():
            started = time.monotonic()
            failure, version, close = "", "", True
            try:
                if connection is None:
                    connection = http.client.HTTPConnection(host, url.port, timeout=10)
                status, answer, close = ask(connection, bodies[turn % len(bodies)])
                if status == 200:
                    version = json.loads(answer)["modelVersion"]
                else:
                    failure = str(status)
            except (OSError, http.client.HTTPException) as error:
                failure = type(error).__name__
            took = time.monotonic() - started
            if close and connection is not None:
                connection.close()
                connection = None
            with lock:
                seconds.append(took)
                (failed if failure else versions)[failure or version] += 1
            turn += connections
            time.sleep(max(0.0, pause - took))

    callers = [threading.Thread(target=caller, args=(n,)) for n in range(connections)]
    begun = time.monotonic()
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    lasted = time.monotonic() - begun
    seconds.sort()
    result = {
        "sent": len(seconds),
        "failed": failed,
        "versions": versions,
        "seconds": lasted,
        **{
            f"p{percent}Seconds": seconds[percent * (len(seconds) - 1) // 100] if seconds else 0.0
            for percent in (50, 99)
        },
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
