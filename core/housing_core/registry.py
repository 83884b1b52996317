"""The door to MLflow: versions, aliases, runs and artifacts, with retries and two kinds of error."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Literal

# MLflow's own retries: exponential backoff from 2 s on 429, 5xx and connection errors. The
# programs set what suits them in their environment; without it MLflow would try for minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# The programs log JSON lines only.
os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

import requests
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts, list_artifacts
from mlflow.entities.model_registry import ModelVersion as MlflowVersion
from mlflow.exceptions import MlflowException, RestException

from housing_core.bundle import BUNDLE_PATH
from housing_core.registry_types import RegisteredVersion

Alias = Literal["production", "staging"]

KEY_TAG = "housing-operator.dev/key"
"""On a run and on a version: the training that made it."""

REJECTED_TAG = "housing-operator.dev/rejected"
"""On a version: why it is not served."""

_NOT_FOUND = {"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"}
_REFUSED = {"INVALID_PARAMETER_VALUE", "PERMISSION_DENIED", "UNAUTHENTICATED"}
_PAGE = 1_000


class RegistryError(Exception):
    """MLflow said no; trying again would not change it."""


class RegistryUnavailableError(RegistryError):
    """MLflow did not answer, or answered that it cannot now; worth another try later."""


class NotInRegistryError(RegistryError):
    """What was asked for is not in MLflow."""


class Registry:
    """MLflow at one tracking URI.

    Every method raises RegistryUnavailableError when MLflow does not answer, NotInRegistryError
    when what it was asked for is not there, and RegistryError when MLflow refuses.
    """

    def __init__(self, tracking_uri: str | None = None) -> None:
        """Make a client; nothing is sent yet.

        Args:
            tracking_uri: of the MLflow server; `MLFLOW_TRACKING_URI` when left out.

        """
        self.tracking_uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI", "")
        if not self.tracking_uri:
            raise RegistryError("MLFLOW_TRACKING_URI is not set: give the MLflow server's address")
        self.client = MlflowClient(self.tracking_uri, self.tracking_uri)

    def versions(self, model: str) -> list[RegisteredVersion]:
        """All versions of a model, oldest first; none when the model is not registered."""
        found: list[MlflowVersion] = []
        token = None
        with translated(f"the versions of {model}"):
            while True:
                page = self.client.search_model_versions(
                    f"name = '{model}'", max_results=_PAGE, page_token=token
                )
                found.extend(page)
                token = page.token
                if not token:
                    break
        return sorted((_version(version) for version in found), key=lambda v: int(v.number))

    def version(self, model: str, number: str) -> RegisteredVersion:
        """One version."""
        with translated(f"version {number} of {model}"):
            return _version(self.client.get_model_version(model, number))

    def version_of_key(self, model: str, key: str) -> RegisteredVersion | None:
        """The version that a training registered; the lower where two carry its key."""
        return next((v for v in self.versions(model) if v.key == key), None)

    def aliases(self, model: str) -> dict[str, str]:
        """Alias → version number; empty when the model is not registered."""
        try:
            with translated(f"the aliases of {model}"):
                found = self.client.get_registered_model(model).aliases
        except NotInRegistryError:
            return {}
        return {alias: str(number) for alias, number in found.items()}

    def set_alias(self, model: str, alias: Alias, number: str) -> None:
        """Point an alias at a version."""
        with translated(f"alias {alias} of {model}"):
            self.client.set_registered_model_alias(model, alias, number)

    def delete_alias(self, model: str, alias: Alias) -> None:
        """Remove an alias; nothing happens when it is not there."""
        with translated(f"alias {alias} of {model}"):
            self.client.delete_registered_model_alias(model, alias)

    def reject(self, model: str, number: str, reason: str) -> None:
        """Mark a version as not to be served, with the reason."""
        with translated(f"version {number} of {model}"):
            self.client.set_model_version_tag(model, number, REJECTED_TAG, reason[:500])

    def accept(self, model: str, number: str) -> None:
        """Take a rejection back."""
        with translated(f"version {number} of {model}"):
            self.client.delete_model_version_tag(model, number, REJECTED_TAG)

    def download_bundle(self, model: str, number: str, destination: Path) -> Path:
        """Fetch the bundle of a version into a folder, which appears only when it is complete.

        Args:
            model: `<namespace>.<name>`.
            number: version number.
            destination: the folder to make; one that is there already is replaced.

        """
        self._download(f"{self._model_uri(model, number)}/{BUNDLE_PATH}", destination)
        return destination

    def download_bundle_file(self, model: str, number: str, name: str) -> bytes:
        """Fetch one small file of a version's bundle."""
        return self._download_bytes(f"{self._model_uri(model, number)}/{BUNDLE_PATH}/{name}")

    def download_run_file(self, run_id: str, path: str) -> bytes:
        """Fetch one small artifact of a run."""
        folder, _, name = path.rpartition("/")
        what = f"artifact {path} of run {run_id}"
        with tempfile.TemporaryDirectory() as local, translated(what):
            listed = self.client.list_artifacts(run_id, folder or None)
            if all(PurePosixPath(entry.path).name != name for entry in listed):
                raise NotInRegistryError(f"{what} is not in MLflow")
            return Path(self.client.download_artifacts(run_id, path, local)).read_bytes()

    def experiment(self, model: str) -> str:
        """Id of the model's experiment, which is made when it is not there."""
        with translated(f"experiment {model}"):
            experiment = self.client.get_experiment_by_name(model)
            if experiment is not None:
                return str(experiment.experiment_id)
            try:
                return str(self.client.create_experiment(model))
            except RestException as error:
                # Another program made it in between.
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            return str(self.client.get_experiment_by_name(model).experiment_id)

    def run_of_key(self, model: str, key: str) -> str | None:
        """Id of the run of a training, the oldest where there are several; None when there is none."""
        experiment = self.experiment(model)
        with translated(f"the run of training {key}"):
            runs = self.client.search_runs(
                [experiment],
                f"tags.`{KEY_TAG}` = '{key}'",
                order_by=["attributes.start_time ASC"],
                max_results=1,
            )
        return str(runs[0].info.run_id) if runs else None

    def _model_uri(self, model: str, number: str) -> str:
        # A models:/ URI would be looked up in the process's registry, not in this one.
        with translated(f"version {number} of {model}"):
            return str(self.client.get_model_version_download_uri(model, number))

    def _download(self, uri: str, destination: Path) -> None:
        destination.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f".{destination.name}.", dir=destination.parent
        ) as partial:
            got = self._fetch(uri, partial)
            shutil.rmtree(destination, ignore_errors=True)
            got.rename(destination)

    def _download_bytes(self, uri: str) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            return self._fetch(uri, folder).read_bytes()

    def _fetch(self, uri: str, folder: str) -> Path:
        parent, _, name = uri.rpartition("/")
        with translated(uri):
            # A download fails alike for an artifact that is not there and for a server that is not.
            listed = list_artifacts(artifact_uri=parent, tracking_uri=self.tracking_uri)
            if all(PurePosixPath(entry.path).name != name for entry in listed):
                raise NotInRegistryError(f"{uri} is not in MLflow")
            return Path(
                download_artifacts(
                    artifact_uri=uri, dst_path=folder, tracking_uri=self.tracking_uri
                )
            )


def _version(version: MlflowVersion) -> RegisteredVersion:
    return RegisteredVersion(
        number=str(version.version),
        run_id=version.run_id or None,
        key=version.tags.get(KEY_TAG),
        rejected=version.tags.get(REJECTED_TAG),
        created=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
    )


@contextmanager
def translated(what: str) -> Iterator[None]:
    """MLflow's and its HTTP library's exceptions → the three of this module."""
    try:
        yield
    except RestException as error:
        if error.error_code in _NOT_FOUND:
            raise NotInRegistryError(f"{what} is not in MLflow") from error
        if error.error_code in {"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE"}:
            raise RegistryUnavailableError(f"MLflow failed on {what}: {error.message}") from error
        raise RegistryError(f"MLflow refused {what}: {error.message}") from error
    except MlflowException as error:
        if error.error_code in _REFUSED:
            raise RegistryError(f"MLflow refused {what}: {error}") from error
        # The HTTP layer wraps "retries exhausted" and unexpected answers in the base class, the
        # 404 of a proxy without its server among them.
        raise RegistryUnavailableError(f"MLflow did not answer for {what}: {error}") from error
    except (requests.RequestException, ConnectionError, TimeoutError) as error:
        raise RegistryUnavailableError(f"MLflow did not answer for {what}: {error}") from error
    except OSError as error:
        raise RegistryError(f"{what} cannot be written here: {error}") from error
