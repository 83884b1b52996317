"""How MLflow is called: login, TLS, what is tried again, and what an answer means."""

from __future__ import annotations

import base64
import datetime
import io
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from housing_core.mlflow_api import MlflowApi, Settings
from housing_core.registry_types import (
    AlreadyInRegistryError,
    NotInRegistryError,
    RegistryError,
    RegistryUnavailableError,
)


class Scripted(ThreadingHTTPServer):
    """Answers with the next of `answers`, the last one for ever, and keeps what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int, str]] = [(200, "{}")]
        self.requests: list[tuple[str, str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Scripted

    def do_GET(self) -> None:
        self.server.requests.append((self.command, self.path, dict(self.headers)))
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answers = self.server.answers
        status, body = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def do_PUT(self) -> None:
        self.do_GET()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Scripted]:
    server = Scripted()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def ask(url: str, settings: Settings | None = None) -> dict[str, object]:
    return MlflowApi(url, settings or Settings(retries=0)).call(
        "GET", "runs/get", "run 1", run_id="1"
    )


@pytest.mark.parametrize(
    ("variables", "header"),
    [
        ({}, None),
        ({"MLFLOW_TRACKING_TOKEN": "t0k"}, "Bearer t0k"),
        (
            {"MLFLOW_TRACKING_USERNAME": "Şule", "MLFLOW_TRACKING_PASSWORD": "p:w"},
            "Basic " + base64.b64encode("Şule:p:w".encode()).decode(),
        ),
        (
            {
                "MLFLOW_TRACKING_USERNAME": "u",
                "MLFLOW_TRACKING_PASSWORD": "p",
                "MLFLOW_TRACKING_TOKEN": "t0k",
            },
            "Basic " + base64.b64encode(b"u:p").decode(),
        ),
        ({"MLFLOW_TRACKING_USERNAME": "u", "MLFLOW_TRACKING_TOKEN": "t0k"}, "Bearer t0k"),
    ],
)
def test_the_login_is_that_of_mlflow_s_variables(
    server: Scripted,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    header: str | None,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    ask(server.url, Settings.from_environment())
    ((_, path, headers),) = server.requests
    assert path == "/api/2.0/mlflow/runs/get?run_id=1"
    assert headers.get("Authorization") == header


def test_the_workspace_is_named(server: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_WORKSPACE", "team-a ")
    ask(server.url, Settings.from_environment())
    assert server.requests[0][2]["X-MLFLOW-WORKSPACE"] == "team-a"


def test_a_server_below_a_path_is_asked_below_it(server: Scripted) -> None:
    ask(f"{server.url}/mlflow/")
    api = MlflowApi(f"{server.url}/mlflow", Settings())
    api.list_artifacts("mlflow-artifacts:/1/run/artifacts/model", "artifacts")
    api.upload("mlflow-artifacts:/1/run/artifacts/bir şey#1", b"content", "artifact")
    assert [path for _, path, _ in server.requests] == [
        "/mlflow/api/2.0/mlflow/runs/get?run_id=1",
        "/mlflow/api/2.0/mlflow-artifacts/artifacts?path=1%2Frun%2Fartifacts%2Fmodel",
        "/mlflow/api/2.0/mlflow-artifacts/artifacts/1/run/artifacts/bir%20%C5%9Fey%231",
    ]


@pytest.mark.parametrize(
    "scheme",
    ["mlflow-artifacts://{host}/1/run", "http://{host}/api/2.0/mlflow-artifacts/artifacts/1/run"],
)
def test_another_server_s_artifacts_are_fetched_without_the_login(
    server: Scripted, scheme: str
) -> None:
    api = MlflowApi("http://mlflow.example.com", Settings(token="secret", retries=0))
    fetched = io.BytesIO()
    api.download(scheme.format(host=server.url.removeprefix("http://")), fetched, "artifact")
    assert fetched.getvalue() == b"{}"
    ((_, path, headers),) = server.requests
    assert path == "/api/2.0/mlflow-artifacts/artifacts/1/run"
    assert "Authorization" not in headers


@pytest.mark.parametrize(
    "uri", ["s3://bucket/1/run", "file:///mlruns/1", "/mlruns/1", "http://elsewhere/1"]
)
def test_artifacts_that_mlflow_does_not_serve_are_refused_with_what_to_do(uri: str) -> None:
    api = MlflowApi("http://mlflow.example.com", Settings())
    with pytest.raises(
        RegistryError, match=f"{uri} are not served by MLflow: start its server with"
    ):
        api.list_artifacts(uri, "artifacts")


def test_names_that_lead_out_of_a_folder_lose_their_way(server: Scripted) -> None:
    files = [{"path": "../../etc/passwd", "is_dir": False}, {"path": "a/..", "is_dir": True}]
    server.answers = [(200, json.dumps({"files": files}))]
    api = MlflowApi(server.url, Settings())
    assert [entry.name for entry in api.list_artifacts("mlflow-artifacts:/1", "1")] == ["passwd"]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_passes_is_asked_again(server: Scripted, status: int) -> None:
    server.answers = [(status, "later"), (200, '{"run": 1}')]
    assert ask(server.url, Settings(retries=1)) == {"run": 1}
    server.answers = [(status, "later")]
    with pytest.raises(RegistryUnavailableError, match=f"too many {status} error responses"):
        ask(server.url)


def _error(code: str) -> str:
    return json.dumps({"error_code": code, "message": "Because."})


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        ((404, _error("RESOURCE_DOES_NOT_EXIST")), NotInRegistryError, "run 1 is not in MLflow"),
        ((404, _error("NOT_FOUND")), NotInRegistryError, "run 1 is not in MLflow"),
        ((400, _error("RESOURCE_ALREADY_EXISTS")), AlreadyInRegistryError, "Because."),
        ((400, _error("INVALID_PARAMETER_VALUE")), RegistryError, "MLflow refused run 1: Because."),
        ((403, _error("PERMISSION_DENIED")), RegistryError, "MLflow refused run 1: Because."),
        ((401, "You are not authenticated."), RegistryError, "401, 'You are not authenticated.'"),
        ((501, _error("INTERNAL_ERROR")), RegistryUnavailableError, "failed on run 1: Because."),
        ((404, "<html>no upstream"), RegistryUnavailableError, "sent 404, '<html>no upstream'"),
        ((404, "[]"), RegistryUnavailableError, "sent 404"),
        ((200, "<html>Log in"), RegistryUnavailableError, "sent no JSON, '<html>Log in'"),
        ((200, "[]"), RegistryUnavailableError, "sent no JSON"),
    ],
)
def test_an_answer_is_told_apart(
    server: Scripted, answer: tuple[int, str], kind: type[RegistryError], message: str
) -> None:
    server.answers = [answer]
    with pytest.raises(RegistryError, match=message) as caught:
        ask(server.url)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"MLFLOW_TRACKING_AUTH": "kubernetes"},
            "MLFLOW_TRACKING_AUTH is not supported: log in by",
        ),
        ({"MLFLOW_TRACKING_AWS_SIGV4": "true"}, "MLFLOW_TRACKING_AWS_SIGV4 is not supported"),
        (
            {
                "MLFLOW_TRACKING_INSECURE_TLS": "true",
                "MLFLOW_TRACKING_SERVER_CERT_PATH": "/ca.crt",
            },
            "are both set: remove the first",
        ),
        ({"MLFLOW_HTTP_REQUEST_TIMEOUT": "ten"}, "MLFLOW_HTTP_REQUEST_TIMEOUT is 'ten'"),
        ({"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "-1"}, "MLFLOW_HTTP_REQUEST_MAX_RETRIES is '-1'"),
    ],
)
def test_settings_without_a_meaning_are_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RegistryError, match=message):
        Settings.from_environment()


@pytest.mark.parametrize("uri", ["sqlite:///mlflow.db", "databricks", "http://", "/mlruns"])
def test_what_is_no_server_s_address_is_refused(uri: str) -> None:
    with pytest.raises(RegistryError, match="is not the address of an MLflow server"):
        MlflowApi(uri, Settings())


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A file with a certificate for 127.0.0.1 that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mlflow")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "server.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def test_a_certificate_is_checked_unless_the_variables_say_otherwise(
    server: Scripted, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    url = server.url.replace("http:", "https:")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RegistryUnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
        ask(url, Settings.from_environment())
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(certificate))
        assert ask(url, Settings.from_environment()) == {}
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(certificate.with_name("absent")))
        with pytest.raises(RegistryError, match="absent"):
            ask(url, Settings.from_environment())
    monkeypatch.setenv("MLFLOW_TRACKING_INSECURE_TLS", "true")
    with pytest.warns(Warning, match="Unverified HTTPS request"):
        assert ask(url, Settings.from_environment()) == {}
