"""A TLS server with a certificate authority as plain as EKS's: basic constraints, and nothing else."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from housing_core.cluster_tls import accept_plain_authority
from tests.https_server import mutual_tls_server, write_certificate

MANY_CONNECTIONS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from kubernetes import client
from housing_core.cluster_tls import accept_plain_authority_in

url, certificate, key = sys.argv[1:]
settings = client.Configuration()
settings.ssl_ca_cert = settings.cert_file = certificate
settings.key_file = key
settings.connection_pool_maxsize = 16
pool = accept_plain_authority_in(client.ApiClient(settings)).rest_client.pool_manager

def ask(_):
    return pool.request("GET", url, headers={"Connection": "close"}, retries=False).status

with ThreadPoolExecutor(16) as threads:
    print(*set(threads.map(ask, range(300))))
"""
"""A program of its own, since it may crash."""


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    authority_key: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
    critical: bool,
) -> bytes:
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(_name("kubernetes"), _name(subject), key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(extension, critical)
        .sign(authority_key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def plain_authority(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """The authority's certificate, and the port of a server that it vouches for as `localhost`."""
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = tmp_path / "ca.crt"
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    authority.write_bytes(
        _certificate("kubernetes", authority_key, authority_key, constraints, True)
    )
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    (tmp_path / "server.pem").write_bytes(
        _certificate("server", key, authority_key, names, False)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_greet, args=(listener, context), daemon=True).start()
        yield authority, listener.getsockname()[1]


def _greet(listener: socket.socket, context: ssl.SSLContext) -> None:
    with contextlib.suppress(OSError):  # the test is over
        while True:
            connection, _ = listener.accept()
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                context.wrap_socket(connection, server_side=True).close()


def _connect(context: ssl.SSLContext, port: int, host: str) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        context.wrap_socket(connection, server_hostname=host).close()


def test_the_default_of_python_313_refuses_it(plain_authority: tuple[Path, int]) -> None:
    authority, port = plain_authority
    strict = ssl.create_default_context(cafile=authority)
    strict.verify_flags |= ssl.VERIFY_X509_STRICT
    with pytest.raises(ssl.SSLCertVerificationError):
        _connect(strict, port, "localhost")


def test_ours_takes_it_but_no_other_host_and_no_other_authority(
    plain_authority: tuple[Path, int],
) -> None:
    authority, port = plain_authority
    _connect(
        accept_plain_authority(ssl.create_default_context(cafile=authority)), port, "localhost"
    )
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        _connect(
            accept_plain_authority(ssl.create_default_context(cafile=authority)), port, "elsewhere"
        )
    with pytest.raises(ssl.SSLCertVerificationError, match=r"self-signed|unable to get"):
        _connect(accept_plain_authority(ssl.create_default_context()), port, "localhost")


def test_threads_that_connect_at_the_same_time_all_get_an_answer(tmp_path: Path) -> None:
    # What urllib3 does to a context that threads share ends a process (urllib3#3036), or leaves it waiting for ever.
    certificate, key = write_certificate(tmp_path)
    with mutual_tls_server(certificate, key) as url:
        command = [sys.executable, "-X", "faulthandler", "-c", MANY_CONNECTIONS]
        given = [url, str(certificate), str(key)]
        ended = subprocess.run(
            [*command, *given], check=False, capture_output=True, text=True, timeout=120
        )
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert ended.stdout.split() == ["200"]
