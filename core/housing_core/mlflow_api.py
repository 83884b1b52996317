"""MLflow's REST API: one call and its answer, with login, TLS, retries and errors.

MLflow's own client takes 2 s of CPU and 130 MB to import, in every worker of every pod, for a few
calls of a documented API: https://mlflow.org/docs/latest/rest-api.html. The environment variables
are MLflow's: https://mlflow.org/docs/latest/api_reference/python_api/mlflow.environment_variables.html.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import quote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from housing_core import __version__
from housing_core.registry_types import (
    AlreadyInRegistryError,
    NotInRegistryError,
    RegistryError,
    RegistryUnavailableError,
)

_API = "/api/2.0/mlflow/"
_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
_CHUNK_BYTES = 1024**2
_THREADS = 10

_PASSING = (408, 429, 500, 502, 503, 504)
"""Statuses after which MLflow's client asks again, too."""

_ERRORS = {
    "RESOURCE_DOES_NOT_EXIST": NotInRegistryError,
    "NOT_FOUND": NotInRegistryError,
    "RESOURCE_ALREADY_EXISTS": AlreadyInRegistryError,
    "INTERNAL_ERROR": RegistryUnavailableError,
    "TEMPORARILY_UNAVAILABLE": RegistryUnavailableError,
}
_REFUSALS = (400, 401, 403)
_UNSUPPORTED = ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4")


@dataclass(frozen=True, slots=True)
class Settings:
    """How MLflow is called, by the variables that its own client reads.

    Attributes:
        retries: after connection errors and passing statuses, with a pause that doubles from 2 s.
        timeout: seconds, for the connection and for each part of the answer.
        username, password, token: login; the first two go before the token.
        verify: whether the server's certificate is checked, or the file to check it with.
        certificate: file with our own certificate and its key.
        workspace: MLflow's, where the server has several.

    """

    retries: int = 3
    timeout: float = 30.0
    username: str = ""
    password: str = ""
    token: str = ""
    verify: bool | str = True
    certificate: str | None = None
    workspace: str = ""

    @classmethod
    def from_environment(cls) -> Settings:
        """Read the MLFLOW_ variables.

        Raises:
            RegistryError: when one has no meaning, or asks for what is not supported.

        """
        given = os.environ.get
        for name in _UNSUPPORTED:
            if given(name, "").lower() not in ("", "false", "0"):
                raise RegistryError(
                    f"{name} is not supported: log in by MLFLOW_TRACKING_TOKEN, or by "
                    "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
                )
        insecure = given("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1")
        authority = given("MLFLOW_TRACKING_SERVER_CERT_PATH")
        if insecure and authority:
            raise RegistryError(
                "MLFLOW_TRACKING_INSECURE_TLS and MLFLOW_TRACKING_SERVER_CERT_PATH are both set: "
                "remove the first to have the certificate checked"
            )
        return cls(
            retries=int(_number("MLFLOW_HTTP_REQUEST_MAX_RETRIES", 3, int)),
            timeout=_number("MLFLOW_HTTP_REQUEST_TIMEOUT", 30, float),
            username=given("MLFLOW_TRACKING_USERNAME", ""),
            password=given("MLFLOW_TRACKING_PASSWORD", ""),
            token=given("MLFLOW_TRACKING_TOKEN", ""),
            verify=authority or not insecure,
            certificate=given("MLFLOW_TRACKING_CLIENT_CERT_PATH") or None,
            workspace=given("MLFLOW_WORKSPACE", "").strip(),
        )


@dataclass(frozen=True, slots=True)
class Artifact:
    """An entry of a folder of artifacts."""

    name: str
    is_folder: bool


class MlflowApi:
    """The REST API of one MLflow server; threads and forked processes may share it.

    Every method takes `what` it is about, for the message of its error, and raises
    RegistryUnavailableError when MLflow does not answer, NotInRegistryError when that is not there,
    and RegistryError when MLflow refuses.
    """

    def __init__(self, uri: str, settings: Settings) -> None:
        """Nothing is sent yet.

        Args:
            uri: of the server, http:// or https://.
            settings: how to call it.

        Raises:
            RegistryError: when the URI is no address of a server.

        """
        self.uri = uri.rstrip("/")
        parts = urlsplit(self.uri)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RegistryError(
                f"{uri!r} is not the address of an MLflow server: give http:// or https:// and a host"
            )
        self._settings = settings
        self._session: tuple[int, requests.Session] | None = None

    def call(self, method: str, path: str, what: str, **values: Any) -> dict[str, Any]:
        """Call one endpoint.

        Args:
            method: GET, POST, PATCH or DELETE.
            path: below `/api/2.0/mlflow/`.
            what: the call is about.
            values: of the request; those that are None are left out.

        Returns:
            The answer's JSON.

        """
        given = {name: value for name, value in values.items() if value is not None}
        arguments: dict[str, Any] = {"params": given} if method == "GET" else {"json": given}
        with self._send(method, f"{self.uri}{_API}{path}", what, **arguments) as response:
            return _json(response, what)

    def list_artifacts(self, uri: str, what: str) -> list[Artifact]:
        """What is in a folder of artifacts; nothing when it is not there."""
        base, path = self._place(uri)
        with self._send("GET", base, what, params={"path": path}) as response:
            files = _json(response, what).get("files", [])
        # By their last part only: a name must not lead out of the folder that it is saved in.
        return [
            Artifact(name, bool(file.get("is_dir")))
            for file in files
            if (name := file["path"].rpartition("/")[2]) not in ("", ".", "..")
        ]

    def download(self, uri: str, target: IO[bytes], what: str) -> None:
        """Fetch one artifact."""
        base, path = self._place(uri)
        with self._send("GET", f"{base}/{quote(path)}", what, stream=True) as response, _away(what):
            for chunk in response.iter_content(_CHUNK_BYTES):
                target.write(chunk)

    def upload(self, uri: str, content: bytes | IO[bytes], what: str) -> None:
        """Write one artifact."""
        base, path = self._place(uri)
        self._send("PUT", f"{base}/{quote(path)}", what, data=content).close()

    def _place(self, uri: str) -> tuple[str, str]:
        """Where artifacts are served, and their path there."""
        base, found, path = uri.partition(_ARTIFACTS)
        if found and base.startswith(("http://", "https://")):
            return f"{base}{_ARTIFACTS}", path.strip("/")
        scheme, _, path = uri.partition(":")
        if scheme == "mlflow-artifacts":
            base = self.uri
            if path.startswith("//"):
                host, _, path = path[2:].partition("/")
                own = urlsplit(self.uri)
                base = f"{own.scheme}://{host}{own.path}"
            return f"{base}{_ARTIFACTS}", path.strip("/")
        raise RegistryError(
            f"the artifacts at {uri} are not served by MLflow: start its server with "
            "--serve-artifacts and --artifacts-destination, without --default-artifact-root"
        )

    def _send(self, method: str, url: str, what: str, **arguments: Any) -> requests.Response:
        own = url.startswith(f"{self.uri}/")
        with _away(what):
            response = self._connected().request(
                method,
                url,
                # A model's artifacts may be said to be anywhere: the login is for this server.
                auth=self._login() if own else None,
                timeout=self._settings.timeout,
                verify=self._settings.verify,
                **arguments,
            )
            if response.ok:
                return response
            with response:
                raise _error(response, what)

    def _connected(self) -> requests.Session:
        # A process that was forked must not share its parent's connections.
        if self._session is None or self._session[0] != os.getpid():
            self._session = os.getpid(), _session(self._settings)
        return self._session[1]

    def _login(self) -> Callable[[requests.PreparedRequest], requests.PreparedRequest] | None:
        settings = self._settings
        if settings.username and settings.password:
            return requests.auth.HTTPBasicAuth(
                settings.username.encode(), settings.password.encode()
            )
        return _bearer(settings.token) if settings.token else None


def _session(settings: Settings) -> requests.Session:
    retry = Retry(
        settings.retries,
        allowed_methods=None,
        status_forcelist=_PASSING,
        backoff_factor=2,
        backoff_jitter=1,
    )
    adapter = HTTPAdapter(pool_maxsize=_THREADS, max_retries=retry)
    session = requests.Session()
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.cert = settings.certificate
    session.headers["User-Agent"] = f"housing-operator/{__version__}"
    if settings.workspace:
        session.headers["X-MLFLOW-WORKSPACE"] = settings.workspace
    return session


def _bearer(token: str) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    def log_in(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    return log_in


def _json(response: requests.Response, what: str) -> dict[str, Any]:
    try:
        found = response.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise RegistryUnavailableError(
            f"MLflow did not answer for {what}: {response.url} sent no JSON, {_beginning(response)}"
        )
    return found


def _error(response: requests.Response, what: str) -> RegistryError:
    try:
        body = response.json()
        code, message = body["error_code"], body.get("message", "")
    except (ValueError, KeyError, TypeError):
        if response.status_code in _REFUSALS:
            return RegistryError(
                f"MLflow refused {what}: {response.status_code}, {_beginning(response)}"
            )
        # A proxy speaks; that of a server which is away may say 404.
        return RegistryUnavailableError(
            f"MLflow did not answer for {what}: {response.url} sent {response.status_code}, "
            f"{_beginning(response)}"
        )
    kind = _ERRORS.get(code, RegistryError)
    if kind is NotInRegistryError:
        return kind(f"{what} is not in MLflow")
    if kind is RegistryUnavailableError:
        return kind(f"MLflow failed on {what}: {message}")
    return kind(f"MLflow refused {what}: {message}")


def _beginning(response: requests.Response) -> str:
    return repr(" ".join(response.text.split())[:200])


@contextmanager
def _away(what: str) -> Iterator[None]:
    try:
        yield
    except requests.RequestException as error:
        raise RegistryUnavailableError(f"MLflow did not answer for {what}: {error}") from error
    except OSError as error:
        # Of this machine: a certificate that is not there, a full disk.
        raise RegistryError(f"{what} cannot be fetched or written here: {error}") from error


def _number(name: str, default: float, kind: Callable[[str], float]) -> float:
    text = os.environ.get(name, "")
    try:
        value = kind(text) if text else default
    except ValueError:
        value = -1
    if value < 0:
        raise RegistryError(f"{name} is {text!r}: give a number from 0 up")
    return value
