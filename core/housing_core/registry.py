"""The door to MLflow: versions, aliases, runs and artifacts, with retries and two kinds of error.

Long, since it is one class of short methods, one for each thing that is asked of MLflow.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from housing_core.bundle import BUNDLE_PATH
from housing_core.mlflow_api import MlflowApi, Settings
from housing_core.mlflow_json import (
    KEY_TAG,
    PARENT_TAG,
    PROGRESS_TAG,
    REJECTED_TAG,
    json_number,
    milliseconds,
    pairs,
    run_of,
    version_of,
)
from housing_core.registry_types import (
    AlreadyInRegistryError,
    NotInRegistryError,
    RegisteredVersion,
    RegistryError,
    RegistryUnavailableError,
    Run,
)

__all__ = [
    "KEY_TAG",
    "PARENT_TAG",
    "PROGRESS_TAG",
    "REJECTED_TAG",
    "Alias",
    "NotInRegistryError",
    "Registry",
    "RegistryError",
    "RegistryUnavailableError",
]

Alias = Literal["production", "staging"]

_PAGE = 1_000
_BATCH = 100
"""Parameters, and tags, that MLflow takes at a time; of metrics it takes 1,000."""


class Registry:
    """MLflow at one tracking URI.

    Every method raises RegistryUnavailableError when MLflow does not answer, NotInRegistryError
    when what it was asked for is not there, and RegistryError when MLflow refuses.
    """

    def __init__(self, tracking_uri: str | None = None) -> None:
        """Nothing is sent yet.

        Args:
            tracking_uri: of the MLflow server; `MLFLOW_TRACKING_URI` when left out. How it is
                called, `mlflow_api.Settings` reads from the environment.

        """
        self.tracking_uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI", "")
        if not self.tracking_uri:
            raise RegistryError("MLFLOW_TRACKING_URI is not set: give the MLflow server's address")
        self._api = MlflowApi(self.tracking_uri, Settings.from_environment())

    def versions(self, model: str) -> list[RegisteredVersion]:
        """All versions of a model, oldest first; none when the model is not registered."""
        found = self._pages(
            *("model-versions/search", f"the versions of {model}", "model_versions"),
            filter=f"name = '{model}'",
            max_results=_PAGE,
        )
        return sorted((version_of(version) for version in found), key=lambda v: int(v.number))

    def version(self, model: str, number: str) -> RegisteredVersion:
        """One version."""
        what = f"version {number} of {model}"
        answer = self._api.call("GET", "model-versions/get", what, name=model, version=number)
        return version_of(answer["model_version"])

    def version_of_key(self, model: str, key: str) -> RegisteredVersion | None:
        """The version that a training registered; the lower where two carry its key."""
        return next((v for v in self.versions(model) if v.key == key), None)

    def register(
        self,
        model: str,
        run: Run,
        folder: str,
        *,
        tags: Mapping[str, str] | None = None,
        description: str = "",
    ) -> RegisteredVersion:
        """Make a version of a model, which is registered when it is not yet.

        Args:
            model: `<namespace>.<name>`.
            run: that holds the model's files.
            folder: of them, in the run's artifacts.
            tags: of the version.
            description: of the version.

        """
        with suppress(AlreadyInRegistryError):
            self._api.call("POST", "registered-models/create", f"model {model}", name=model)
        answer = self._api.call(
            *("POST", "model-versions/create", f"a new version of {model}"),
            name=model,
            source=f"{run.artifacts}/{folder}",
            run_id=run.run_id,
            tags=pairs(tags or {}),
            description=description,
        )
        return version_of(answer["model_version"])

    def aliases(self, model: str) -> dict[str, str]:
        """Alias → version number; empty when the model is not registered."""
        what = f"the aliases of {model}"
        try:
            answer = self._api.call("GET", "registered-models/get", what, name=model)
        except NotInRegistryError:
            return {}
        found = answer["registered_model"].get("aliases", [])
        return {entry["alias"]: str(entry["version"]) for entry in found}

    def set_alias(self, model: str, alias: Alias, number: str) -> None:
        """Point an alias at a version."""
        what = f"alias {alias} of {model}"
        place = "registered-models/alias"
        self._api.call("POST", place, what, name=model, alias=alias, version=number)

    def delete_alias(self, model: str, alias: Alias) -> None:
        """Remove an alias; nothing happens when it is not there."""
        what = f"alias {alias} of {model}"
        self._api.call("DELETE", "registered-models/alias", what, name=model, alias=alias)

    def reject(self, model: str, number: str, reason: str) -> None:
        """Mark a version as not to be served, with the reason."""
        self._api.call(
            *("POST", "model-versions/set-tag", f"version {number} of {model}"),
            name=model,
            version=number,
            key=REJECTED_TAG,
            value=reason[:500],
        )

    def accept(self, model: str, number: str) -> None:
        """Take a rejection back."""
        what = f"version {number} of {model}"
        place = "model-versions/delete-tag"
        self._api.call("DELETE", place, what, name=model, version=number, key=REJECTED_TAG)

    def download_bundle(self, model: str, number: str, destination: Path) -> Path:
        """Fetch the bundle of a version into a folder, which appears only when it is complete.

        Args:
            model: `<namespace>.<name>`.
            number: version number.
            destination: the folder to make; one that is there already is replaced.

        """
        uri = f"{self._model_uri(model, number)}/{BUNDLE_PATH}"
        destination.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f".{destination.name}.", dir=destination.parent
        ) as temporary:
            partial = Path(temporary, "bundle")
            if not self._download_folder(uri, partial):
                raise NotInRegistryError(f"{uri} is not in MLflow")
            shutil.rmtree(destination, ignore_errors=True)
            partial.rename(destination)
        return destination

    def download_bundle_file(self, model: str, number: str, name: str) -> bytes:
        """Fetch one small file of a version's bundle."""
        uri = f"{self._model_uri(model, number)}/{BUNDLE_PATH}/{name}"
        return self._download_bytes(uri, uri)

    def experiment(self, model: str) -> str:
        """Id of the model's experiment, which is made when it is not there."""
        with suppress(NotInRegistryError):
            return self._experiment_of_name(model)
        with suppress(AlreadyInRegistryError):  # another program made it in between
            made = self._api.call("POST", "experiments/create", f"experiment {model}", name=model)
            return str(made["experiment_id"])
        return self._experiment_of_name(model)

    def runs(
        self, model: str, condition: str, *, newest: bool = False, limit: int = _PAGE
    ) -> list[Run]:
        """Runs of the model's experiment, in the order of their start; none when it is not there.

        Args:
            model: `<namespace>.<name>`.
            condition: a filter of MLflow's search.
            newest: first, instead of the oldest.
            limit: most runs.

        """
        try:
            experiment = self._experiment_of_name(model)
        except NotInRegistryError:
            return []
        return self._search(experiment, condition, newest=newest, limit=limit)

    def run(self, run_id: str) -> Run:
        """One run."""
        answer = self._api.call("GET", "runs/get", f"run {run_id}", run_id=run_id)
        return run_of(answer["run"])

    def run_of_key(self, model: str, key: str) -> Run | None:
        """The run of a training, the oldest where there are several; None when there is none."""
        return next(iter(self.runs(model, f"tags.`{KEY_TAG}` = '{key}'", limit=1)), None)

    def create_run(
        self,
        model: str,
        tags: Mapping[str, str],
        *,
        name: str | None = None,
        started: datetime | None = None,
    ) -> Run:
        """Begin a run in the model's experiment.

        Args:
            model: `<namespace>.<name>`.
            tags: of the run.
            name: MLflow makes one up when it is left out.
            started: now when left out.

        """
        return self._create(self.experiment(model), tags, name, started)

    def nested_run(self, parent: Run, name: str, tags: Mapping[str, str]) -> Run:
        """The run of this name below another one; it is begun, with these tags, where there is none."""
        condition = f"tags.`{PARENT_TAG}` = '{parent.run_id}' AND attributes.run_name = '{name}'"
        found = self._search(parent.experiment, condition, limit=1)
        if found:
            return found[0]
        return self._create(parent.experiment, {**tags, PARENT_TAG: parent.run_id}, name)

    def resume_run(self, run_id: str) -> None:
        """Say that a run that may have ended goes on."""
        self._api.call("POST", "runs/update", f"run {run_id}", run_id=run_id, status="RUNNING")

    def end_run(self, run_id: str, status: str = "FINISHED") -> None:
        """Close a run, as FINISHED, FAILED or KILLED."""
        self._api.call(
            *("POST", "runs/update", f"the end of run {run_id}"),
            run_id=run_id,
            status=status,
            end_time=milliseconds(None),
        )

    def log(
        self,
        run_id: str,
        *,
        params: Mapping[str, str] | None = None,
        metrics: Mapping[str, float | Iterable[tuple[int, float]]] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Write parameters, metrics and tags of a run; equal values may be written again.

        Args:
            run_id: of the run.
            params: name → value.
            metrics: name → value, or its values as (step, value).
            tags: name → value.

        """
        now = milliseconds(None)
        points = [
            {"key": key, "value": json_number(value), "timestamp": now, "step": step}
            for key, found in (metrics or {}).items()
            for step, value in ([(0, found)] if isinstance(found, int | float) else found)
        ]
        values: dict[str, Sequence[Mapping[str, Any]]] = {
            "params": pairs(params or {}),
            "tags": pairs(tags or {}),
            "metrics": points,
        }
        what = f"the records of run {run_id}"
        for name, entries in values.items():
            for start in range(0, len(entries), _BATCH):
                batch = {name: entries[start : start + _BATCH]}
                self._api.call("POST", "runs/log-batch", what, run_id=run_id, **batch)

    def log_dataset(self, run_id: str, uri: str, digest: str, *, files: int, rows: int) -> None:
        """Say what a run learned from, in MLflow's own terms."""
        dataset = {
            "name": uri[-500:],
            "digest": digest,
            "source_type": uri.partition("://")[0] if "://" in uri else "local",
            "source": json.dumps({"uri": uri}),
            "profile": json.dumps({"num_rows": rows, "num_files": files}),
        }
        tags = pairs({"mlflow.data.context": "training"})
        self._api.call(
            *("POST", "runs/log-inputs", f"the dataset of run {run_id}"),
            run_id=run_id,
            datasets=[{"dataset": dataset, "tags": tags}],
        )

    def upload(self, run: Run, path: str, content: bytes) -> None:
        """Write one artifact of a run."""
        self._api.upload(f"{run.artifacts}/{path}", content, f"artifact {path}")

    def upload_folder(self, run: Run, local: Path, path: str) -> None:
        """Write a folder, with what is below it, into the artifacts of a run."""
        for file in sorted(local.rglob("*")):
            if file.is_file():
                name = f"{path}/{file.relative_to(local).as_posix()}"
                with file.open("rb") as content:
                    self._api.upload(f"{run.artifacts}/{name}", content, f"artifact {name}")

    def run_files(self, run: Run, folder: str = "") -> list[str]:
        """Names in a folder of a run's artifacts; none when there is no such folder."""
        uri = f"{run.artifacts}/{folder}".rstrip("/")
        return [entry.name for entry in self._api.list_artifacts(uri, f"artifacts {folder}")]

    def download(self, run: Run, path: str) -> bytes:
        """Fetch one small artifact of a run."""
        return self._download_bytes(
            f"{run.artifacts}/{path}", f"artifact {path} of run {run.run_id}"
        )

    def download_run_file(self, run_id: str, path: str) -> bytes:
        """The same of a run that is known by its id only."""
        return self.download(self.run(run_id), path)

    def _search(
        self, experiment: str, condition: str, *, newest: bool = False, limit: int
    ) -> list[Run]:
        answer = self._api.call(
            *("POST", "runs/search", f"the runs with {condition}"),
            experiment_ids=[experiment],
            filter=condition,
            order_by=[f"attributes.start_time {'DESC' if newest else 'ASC'}"],
            max_results=limit,
        )
        return [run_of(run) for run in answer.get("runs", [])]

    def _create(
        self,
        experiment: str,
        tags: Mapping[str, str],
        name: str | None,
        started: datetime | None = None,
    ) -> Run:
        answer = self._api.call(
            *("POST", "runs/create", f"a new run of experiment {experiment}"),
            experiment_id=experiment,
            start_time=milliseconds(started),
            run_name=name,
            tags=pairs(tags),
        )
        return run_of(answer["run"])

    def _experiment_of_name(self, name: str) -> str:
        place, what = "experiments/get-by-name", f"experiment {name}"
        answer = self._api.call("GET", place, what, experiment_name=name)
        return str(answer["experiment"]["experiment_id"])

    def _model_uri(self, model: str, number: str) -> str:
        what = f"version {number} of {model}"
        place = "model-versions/get-download-uri"
        answer = self._api.call("GET", place, what, name=model, version=number)
        uri = str(answer["artifact_uri"])
        if not uri.startswith("runs:/"):
            return uri
        run_id, _, folder = uri.removeprefix("runs:/").partition("/")
        return f"{self.run(run_id).artifacts}/{folder}"

    def _pages(self, place: str, what: str, key: str, **values: Any) -> Iterator[dict[str, Any]]:
        token: str | None = None
        while True:
            answer = self._api.call("GET", place, what, page_token=token, **values)
            yield from answer.get(key, [])
            token = answer.get("next_page_token")
            if not token:
                return

    def _download_folder(self, uri: str, folder: Path) -> int:
        """Fetch what is in a folder of artifacts and below; returns how many entries it has."""
        entries = self._api.list_artifacts(uri, uri)
        folder.mkdir()
        for entry in entries:
            source, target = f"{uri}/{entry.name}", folder / entry.name
            if entry.is_folder:
                self._download_folder(source, target)
            else:
                with target.open("wb") as file:
                    self._api.download(source, file, source)
        return len(entries)

    def _download_bytes(self, uri: str, what: str) -> bytes:
        content = io.BytesIO()
        self._api.download(uri, content, what)
        return content.getvalue()
