"""An HTTPS server over a folder, with a certificate of its own, as a dataset's files may lie on."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

REFUSES_HEAD, BUSY, CUT = "presigned", "busy", "cut"
"""Folders whose files answer as a presigned URL does, with 503, or with half of their content."""


@dataclass(frozen=True)
class HttpsServer:
    """A running server.

    Attributes:
        certificate: what a client has to trust.

    """

    url: str
    certificate: Path

    @property
    def environment(self) -> dict[str, str]:
        """What makes `requests` trust it."""
        return {"REQUESTS_CA_BUNDLE": str(self.certificate)}


class _Handler(SimpleHTTPRequestHandler):
    @property
    def place(self) -> str:
        return self.path.strip("/").partition("/")[0]

    def do_HEAD(self) -> None:
        if self.place == REFUSES_HEAD:
            self.send_error(403)
        elif self.place == BUSY:
            self.send_error(503)
        else:
            super().do_HEAD()

    def do_GET(self) -> None:
        if self.place == CUT:
            content = Path(self.translate_path(self.path)).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
        elif self.place == BUSY:
            self.send_error(503)
        else:
            super().do_GET()

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def _running(server: ThreadingHTTPServer) -> Iterator[str]:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"https://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def https_server(folder: Path, keys: Path) -> Iterator[HttpsServer]:
    """Serve a folder on the loopback interface; certificate and key are written into `keys`."""
    certificate, key = write_certificate(keys)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with _running(server) as url:
        yield HttpsServer(url, certificate)


class _Empty(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


class _MutualTlsServer(ThreadingHTTPServer):
    """Shakes hands in the thread of each connection: many may come at once."""

    request_queue_size = 128
    context: ssl.SSLContext

    def finish_request(self, request: Any, client_address: Any) -> None:
        with self.context.wrap_socket(request, server_side=True) as connection:
            _Empty(connection, client_address, self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: what is wrong with a connection, its client says."""


@contextmanager
def mutual_tls_server(certificate: Path, key: Path) -> Iterator[str]:
    """Answer each request of clients that have the certificate; gives the URL."""
    server = _MutualTlsServer(("127.0.0.1", 0), _Empty)
    server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.context.load_cert_chain(certificate, key)
    server.context.load_verify_locations(certificate)
    server.context.verify_mode = ssl.CERT_REQUIRED
    with _running(server) as url:
        yield url


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for `localhost` that nobody has signed, and its key, as PEM files."""
    certificate, key_file = folder / "certificate.pem", folder / "key.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    certificate.write_bytes(_certificate(key))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, key_file


def _certificate(key: ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    usage = dict.fromkeys(
        (
            *("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
            *("crl_sign", "encipher_only", "decipher_only"),
        ),
        False,
    )
    made = (
        x509.CertificateBuilder(name, name, key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=True, **usage), critical=True
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)
