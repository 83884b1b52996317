"""The run of one training in MLflow, whatever the attempt; waits a while for a server that is away."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from housing_core.api.status import TrainingProgress
from housing_core.registry import (
    KEY_TAG,
    PROGRESS_TAG,
    Registry,
    RegistryError,
    RegistryUnavailableError,
)
from housing_core.registry_types import Run

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
                extra={"waited_seconds": round(waited), "error": str(error)[:400]},
            )
            sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


class TrainingRun:
    """The run that carries a training's key."""

    def __init__(self, registry: Registry, run: Run) -> None:
        self.registry, self.run, self.run_id = registry, run, run.run_id

    @classmethod
    def of_key(
        cls, registry: Registry, model: str, key: str, tags: Mapping[str, str]
    ) -> TrainingRun:
        """The run of an earlier attempt, or a new one."""

        def find_or_create() -> Run:
            run = registry.run_of_key(model, key)
            if run is None:
                return registry.create_run(model, {**tags, KEY_TAG: key})
            registry.resume_run(run.run_id)
            return run

        return cls(registry, patiently(find_or_create))

    def upload(self, path: str, content: bytes) -> None:
        """Write one artifact."""
        patiently(lambda: self.registry.upload(self.run, path, content))

    def upload_folder(self, local: Path, path: str) -> None:
        """Write a folder of artifacts."""
        patiently(lambda: self.registry.upload_folder(self.run, local, path))

    def download(self, path: str) -> bytes:
        """Read one artifact; raises NotInRegistryError when it is not there."""
        return patiently(lambda: self.registry.download(self.run, path))

    def names(self, folder: str = "") -> list[str]:
        """Names of the artifacts in a folder; none when there is no such folder."""
        return patiently(lambda: self.registry.run_files(self.run, folder))

    def log(
        self,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Write metrics and tags; they may be written again."""
        patiently(lambda: self.registry.log(self.run_id, metrics=metrics, tags=tags))

    def log_parameters(self, params: Mapping[str, Any]) -> list[str]:
        """Write parameters; equal values may be written again.

        Returns:
            What could not be written: MLflow keeps for ever what an attempt wrote before it was
            killed, and data or libraries may have changed since.

        """
        kept = patiently(lambda: self.registry.run(self.run_id)).params
        texts = {name: _parameter(value) for name, value in params.items()}
        patiently(
            lambda: self.registry.log(
                self.run_id, params={name: t for name, t in texts.items() if name not in kept}
            )
        )
        return [
            f"parameter {name} is {text}; MLflow keeps {kept[name]} of an earlier attempt"
            for name, text in texts.items()
            if kept.get(name, text) != text
        ]

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
        found = patiently(lambda: self.registry.nested_run(self.run, name, tags))
        texts = {key: _parameter(value) for key, value in params.items()}
        patiently(lambda: self.registry.log(found.run_id, params=texts, metrics=metrics))
        patiently(lambda: self.registry.end_run(found.run_id, status))

    def report(self, progress: TrainingProgress) -> None:
        """Say how far the training is; once, since it goes on without being heard."""
        try:
            self.registry.log(self.run_id, tags={PROGRESS_TAG: json.dumps(progress.to_json())})
        except RegistryError as error:
            logger.warning("how far the training is could not be told: %s", error)

    def log_dataset(self, uri: str, digest: str, files: int, rows: int) -> None:
        """Say what was learned from, in MLflow's own terms."""
        patiently(
            lambda: self.registry.log_dataset(self.run_id, uri, digest, files=files, rows=rows)
        )

    def end(self, *, failed: bool = False) -> None:
        """Close the run."""
        patiently(lambda: self.registry.end_run(self.run_id, "FAILED" if failed else "FINISHED"))


def _parameter(value: Any) -> str:
    return str(value)[:PARAM_LIMIT]
