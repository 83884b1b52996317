"""The run of one training in MLflow, whatever the attempt; waits a while for a server that is away."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

# MLflow would print addresses to standard output when a run ends.
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

from housing_core.registry import (
    KEY_TAG,
    Registry,
    RegistryUnavailableError,
    translated,
)

PARENT_TAG = "mlflow.parentRunId"
"""MLflow shows a run with it below the run that it names."""

PATIENCE_SECONDS = 300.0
"""How long one call waits for MLflow: a restart or a rollout of its server takes less."""

LONGEST_PAUSE_SECONDS = 15.0
PARAM_LIMIT = 6000
"""Longest value of a parameter that MLflow keeps."""

ResultT = TypeVar("ResultT")

logger = logging.getLogger(__name__)


def patiently(
    call: Callable[[], ResultT],
    *,
    seconds: float = PATIENCE_SECONDS,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> ResultT:
    """Call again, ever more slowly, while MLflow does not answer.

    Raises:
        RegistryUnavailableError: when it still does not after `seconds`.

    """
    start, pause = now(), 1.0
    while True:
        try:
            return call()
        except RegistryUnavailableError as error:
            waited = now() - start
            if waited + pause > seconds:
                raise
            logger.warning(
                "MLflow does not answer; trying again",
                extra={"waited_seconds": round(waited), "error": str(error)[:300]},
            )
            sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


class TrainingRun:
    """The run that carries a training's key."""

    def __init__(self, registry: Registry, run_id: str) -> None:
        self.registry, self.run_id = registry, run_id

    @classmethod
    def of_key(
        cls, registry: Registry, model: str, key: str, tags: Mapping[str, str]
    ) -> TrainingRun:
        """The run of an earlier attempt, or a new one."""

        def find_or_create() -> str:
            run_id = registry.run_of_key(model, key)
            if run_id is not None:
                with translated(f"run {run_id}"):
                    registry.client.update_run(run_id, "RUNNING")
                return run_id
            experiment = registry.experiment(model)
            with translated(f"a new run of {model}"):
                run = registry.client.create_run(experiment, tags={**tags, KEY_TAG: key})
            return str(run.info.run_id)

        return cls(registry, patiently(find_or_create))

    def upload(self, path: str, content: bytes) -> None:
        """Write one artifact."""
        folder, _, name = path.rpartition("/")
        with tempfile.TemporaryDirectory() as temporary:
            local = Path(temporary, name)
            local.write_bytes(content)

            def send() -> None:
                with translated(f"artifact {path}"):
                    self.registry.client.log_artifact(self.run_id, str(local), folder or None)

            patiently(send)

    def upload_folder(self, local: Path, path: str) -> None:
        """Write a folder of artifacts."""

        def send() -> None:
            with translated(f"artifacts {path}"):
                self.registry.client.log_artifacts(self.run_id, str(local), path)

        patiently(send)

    def download(self, path: str) -> bytes:
        """Read one artifact; raises NotInRegistryError when it is not there."""
        return patiently(lambda: self.registry.download_run_file(self.run_id, path))

    def names(self, folder: str = "") -> list[str]:
        """Names of the artifacts in a folder; none when there is no such folder."""

        def look() -> list[str]:
            with translated(f"artifacts {folder}"):
                found = self.registry.client.list_artifacts(self.run_id, folder or None)
            return [file.path.rpartition("/")[2] for file in found]

        return patiently(look)

    def log(
        self,
        params: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Write parameters, metrics and tags; equal values may be written again."""
        stamp = int(time.time() * 1000)
        entries = {
            "params": [Param(k, str(v)[:PARAM_LIMIT]) for k, v in (params or {}).items()],
            "metrics": [Metric(k, v, stamp, 0) for k, v in (metrics or {}).items()],
            "tags": [RunTag(k, v) for k, v in (tags or {}).items()],
        }

        def send() -> None:
            with translated("the run's records"):
                self.registry.client.log_batch(self.run_id, **entries)

        patiently(send)

    def nested(
        self,
        name: str,
        *,
        status: str,
        params: Mapping[str, Any],
        metrics: Mapping[str, Iterable[tuple[int, float]]],
        tags: Mapping[str, str],
    ) -> None:
        """A finished run below this one; one of the same name that is there is completed.

        Args:
            name: of the run, one of its kind.
            status: of MLflow, for example `FINISHED`.
            params: name → value.
            metrics: name → (step, value) pairs.
            tags: name → value.

        """
        client, stamp = self.registry.client, int(time.time() * 1000)

        def find_or_create() -> str:
            with translated(f"run {name}"):
                experiment = client.get_run(self.run_id).info.experiment_id
                found = client.search_runs(
                    [experiment],
                    f"tags.`{PARENT_TAG}` = '{self.run_id}' AND attributes.run_name = '{name}'",
                    max_results=1,
                )
                if found:
                    return str(found[0].info.run_id)
                made = client.create_run(
                    experiment, tags={**tags, PARENT_TAG: self.run_id}, run_name=name
                )
            return str(made.info.run_id)

        run_id = patiently(find_or_create)
        entries = [Metric(k, v, stamp, step) for k, steps in metrics.items() for step, v in steps]

        def send() -> None:
            with translated(f"run {name}"):
                client.log_batch(
                    run_id,
                    metrics=entries,
                    params=[Param(k, str(v)[:PARAM_LIMIT]) for k, v in params.items()],
                )
                client.set_terminated(run_id, status)

        patiently(send)

    def log_dataset(self, uri: str, digest: str, files: int, rows: int) -> None:
        """Say what was learned from, in MLflow's own terms."""
        dataset = Dataset(
            name=uri[-500:],
            digest=digest,
            source_type=uri.partition("://")[0] if "://" in uri else "local",
            source=json.dumps({"uri": uri}),
            profile=json.dumps({"num_rows": rows, "num_files": files}),
        )
        tag = InputTag("mlflow.data.context", "training")

        def send() -> None:
            with translated("the run's dataset"):
                self.registry.client.log_inputs(
                    self.run_id, [DatasetInput(dataset=dataset, tags=[tag])]
                )

        patiently(send)

    def end(self, *, failed: bool = False) -> None:
        """Close the run."""

        def send() -> None:
            with translated("the end of the run"):
                self.registry.client.set_terminated(self.run_id, "FAILED" if failed else "FINISHED")

        patiently(send)
