"""What stands before a real MLflow server: it can answer 500 in its place, as a broken database
does, and let a request wait."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Proxy(ThreadingHTTPServer):
    """A running proxy.

    Attributes:
        broken: whether everything is answered with 500; a test sets it.
        failures: how often that was.
        waiting_path: requests of a path with this in it wait until `go_on` is set.

    """

    broken = False
    failures = 0
    waiting_path: str | None = None

    def __init__(self, mlflow_port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Relay)
        self.mlflow_port = mlflow_port
        self.go_on = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Relay(BaseHTTPRequestHandler):
    server: Proxy

    def relay(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.waiting_path is not None and self.server.waiting_path in self.path:
            self.server.go_on.wait()
        status, kind, answer = 500, "text/html", b"<h1>Internal Server Error</h1>"
        if self.server.broken:
            self.server.failures += 1
        else:
            mlflow = http.client.HTTPConnection("127.0.0.1", self.server.mlflow_port)
            headers = {name: self.headers[name] for name in self.headers if name != "Host"}
            mlflow.request(self.command, self.path, body, headers)
            found = mlflow.getresponse()
            status, kind, answer = found.status, found.headers["Content-Type"], found.read()
            mlflow.close()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_PATCH = relay  # noqa: N815 - what http.server calls them

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def mlflow_proxy(mlflow_port: int) -> Iterator[Proxy]:
    """Stand before the MLflow server on this port."""
    with Proxy(mlflow_port) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            yield proxy
        finally:
            proxy.go_on.set()
            proxy.shutdown()
