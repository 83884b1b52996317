"""Run inside a pod: a custom metrics API for pods that answers with what it was last told.

Usage: custom_metrics_pod.py METRIC CERTIFICATE KEY    (standard library only)
"""

import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

PORT = 8443
GROUP_VERSION = "custom.metrics.k8s.io/v1beta2"
METRIC, CERTIFICATE, KEY = sys.argv[1:]

RESOURCES = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": GROUP_VERSION,
    "resources": [
        {
            "name": f"pods/{METRIC}",
            "singularName": "",
            "namespaced": True,
            "kind": "MetricValueList",
            "verbs": ["get"],
        }
    ],
}


class Handler(BaseHTTPRequestHandler):
    """`PUT` tells the values, anything else is of the API."""

    protocol_version = "HTTP/1.1"
    items: list[dict[str, object]] = []

    def do_PUT(self) -> None:
        """Take the items of the list."""
        Handler.items = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(200, {})

    def do_GET(self) -> None:
        """Say what there is, or how much."""
        path = unquote(urlsplit(self.path).path)
        if path == f"/apis/{GROUP_VERSION}":
            self.answer(200, RESOURCES)
        elif path.startswith(f"/apis/{GROUP_VERSION}/") and path.endswith(f"/pods/*/{METRIC}"):
            found = {"kind": "MetricValueList", "apiVersion": GROUP_VERSION, "metadata": {}}
            self.answer(200, {**found, "items": Handler.items})
        else:
            self.answer(404, {"kind": "Status", "apiVersion": "v1", "status": "Failure"})

    def answer(self, status: int, content: object) -> None:
        """Send JSON."""
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = ThreadingHTTPServer(("", PORT), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATE, KEY)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
