"""MLflow as the operator sees it: versions, aliases and facts, with its absence as a value."""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from housing_core.api.status import (
    ClassBoundary,
    InferredColumn,
    InferredCross,
    ModelInputs,
    TrainingProgress,
)
from housing_core.bundle import (
    SCHEMA_FILE,
    SUMMARY_FILE,
    BundleError,
    Schema,
    Summary,
    read_schema,
    read_summary,
)
from housing_core.registry import (
    PROGRESS_TAG,
    NotInRegistryError,
    Registry,
    RegistryError,
    RegistryUnavailableError,
)
from housing_core.registry_types import RegisteredVersion
from housing_operator.actions import AcceptVersion, MoveAlias, RejectVersion
from housing_operator.observation import RegistryState, VersionFacts

THREADS = 4
CACHED_VERSIONS = 512

RETRY_SECONDS = 0.5
"""A call that MLflow did not answer is made once more after so long: one lost connection is no outage."""

PAUSE_SECONDS = 10.0
"""After MLflow did not answer, no model asks again for so long: all would wait for the same answer."""

RegistryAction = MoveAlias | RejectVersion | AcceptVersion
T = TypeVar("T")


class RegistryView:
    """One MLflow server, shared by all models."""

    def __init__(self, registry: Registry, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is sent yet.

        Args:
            registry: the door to MLflow.
            clock: seconds that only rise.

        """
        self._registry = registry
        self._clock = clock
        self._threads = ThreadPoolExecutor(THREADS, "mlflow")
        self._facts: OrderedDict[tuple[object, ...], VersionFacts] = OrderedDict()
        self._silent_until = 0.0
        self._error = ""

    def close(self) -> None:
        """Let calls under way end, and take no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def observe(
        self,
        model: str,
        numbers: Iterable[str | None],
        key: str | None,
        *,
        under_way: bool = False,
    ) -> tuple[RegistryState | None, str]:
        """The registered model, with the facts of the versions that a decision may be about.

        Args:
            model: `<namespace>.<name>`.
            numbers: versions that status names.
            key: of the training in status.
            under_way: whether that training has not ended.

        Returns:
            The state and an empty text, or None and why MLflow does not tell.

        """
        try:
            versions = await self._ask(lambda: self._registry.versions(model))
            aliases = await self._ask(lambda: self._registry.aliases(model))
            state = RegistryState(tuple(versions), aliases)
            found = [state.version(number) for number in (*numbers, *aliases.values())]
            if key is not None:
                found.append(state.of_key(key))
            if versions:
                found.append(versions[-1])
            facts = {
                version.number: await self._facts_of(model, version)
                for version in dict.fromkeys(version for version in found if version is not None)
            }
            progress = None
            if key is not None and under_way and state.of_key(key) is None:
                run = await self._ask(lambda: self._registry.run_of_key(model, key))
                progress = run.tags.get(PROGRESS_TAG) if run is not None else None
        except RegistryError as error:
            return None, steady(str(error))
        return RegistryState(state.versions, aliases, facts, read_progress(progress)), ""

    async def act(self, model: str, action: RegistryAction) -> None:
        """Change the registered model. Raises RegistryError when MLflow does not, or refuses."""
        registry = self._registry
        match action:
            case MoveAlias(alias, None):
                await self._ask(lambda: registry.delete_alias(model, alias))
            case MoveAlias(alias, str(version)):
                await self._ask(lambda: registry.set_alias(model, alias, version))
            case RejectVersion(version, reason):
                await self._ask(lambda: registry.reject(model, version, reason))
            case AcceptVersion(version):
                await self._ask(lambda: registry.accept(model, version))

    async def _facts_of(self, model: str, version: RegisteredVersion) -> VersionFacts:
        """From memory where they are: a version never changes but in its tags.

        A model that was deleted and registered anew counts from 1 again, hence the date.
        """
        key = (model, version.number, version.run_id, version.created)
        if key in self._facts:
            self._facts.move_to_end(key)
            return self._facts[key]
        facts = await self._ask(lambda: read_facts(self._registry, model, version.number))
        if facts.summary is not None:
            self._facts[key] = facts
            while len(self._facts) > CACHED_VERSIONS:
                self._facts.popitem(last=False)
        return facts

    async def _ask(self, call: Callable[[], T]) -> T:
        if self._clock() < self._silent_until:
            raise RegistryUnavailableError(self._error)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, call)
        except RegistryUnavailableError:
            await asyncio.sleep(RETRY_SECONDS)
        try:
            return await loop.run_in_executor(self._threads, call)
        except RegistryUnavailableError as error:
            self._silent_until = self._clock() + PAUSE_SECONDS
            self._error = str(error)
            raise


def read_progress(tag: str | None) -> TrainingProgress | None:
    """What a training says of itself; None for what is not of our form: a person may write tags."""
    try:
        return TrainingProgress.model_validate_json(tag) if tag else None
    except ValidationError:
        return None


def read_facts(registry: Registry, model: str, number: str) -> VersionFacts:
    """What training left with a version.

    Raises:
        RegistryUnavailableError: when MLflow does not answer.

    """
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for file in (SUMMARY_FILE, SCHEMA_FILE):
                content = registry.download_bundle_file(model, number, file)
                (folder / file).write_bytes(content)
            summary, schema = read_summary(folder), read_schema(folder)
    except (NotInRegistryError, BundleError) as error:
        return VersionFacts(message=steady(f"version {number} is not a bundle of ours: {error}"))
    return VersionFacts(summary, model_inputs(number, schema, summary))


def model_inputs(number: str, schema: Schema, summary: Summary) -> ModelInputs:
    """Columns, crosses and boundaries for status, within its bounds."""
    columns = [
        *((column.name, column.kind, column.reason) for column in schema.columns),
        *((name, "Ignored", reason) for name, reason in schema.ignored.items()),
    ]
    return ModelInputs(
        version=number,
        rows=summary.rows,
        recipe=summary.recipe.recipe if summary.recipe else "seed",
        model=summary.recipe.in_words()[:1024] if summary.recipe else "HashedForest",
        warnings=[text[:1024] for text in summary.warnings[:10]],
        columns=[
            InferredColumn(name=name[:128], kind=kind, reason=reason[:1024])
            for name, kind, reason in columns[:256]
        ],
        crosses=[
            InferredCross(name=cross.name[:128], columns=[c[:128] for c in cross.columns[:4]])
            for cross in schema.crosses[:16]
        ],
        boundaries=[
            ClassBoundary(below=below[:63], price=price, above=above[:63])
            for below, price, above in zip(
                schema.classes, schema.boundaries, schema.classes[1:], strict=False
            )
        ][:9],
    )


def steady(message: str) -> str:
    """A message without what differs each time, such as an address in memory.

    A message in status that is new at every pass would wake the model at every pass.
    """
    return re.sub(r"0x[0-9a-f]+", "0x…", " ".join(message.split()))[:1000]
