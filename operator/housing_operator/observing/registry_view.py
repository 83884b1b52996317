"""MLflow as the operator sees it: versions, aliases and facts, with its absence as a value."""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path

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
)
from housing_core.registry_types import RegisteredVersion
from housing_operator.clients.registry import RegistryClient, steady
from housing_operator.observation import RegistryState, VersionFacts

CACHED_VERSIONS = 512


class RegistryView:
    """Looks at registered models; facts of versions are read once for all looks."""

    def __init__(self, registry: RegistryClient) -> None:
        """Nothing is sent yet."""
        self._registry = registry
        self._facts: OrderedDict[tuple[object, ...], VersionFacts] = OrderedDict()

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
            versions = await self._registry.ask(lambda registry: registry.versions(model))
            aliases = await self._registry.ask(lambda registry: registry.aliases(model))
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
                run = await self._registry.ask(lambda registry: registry.run_of_key(model, key))
                progress = run.tags.get(PROGRESS_TAG) if run is not None else None
        except RegistryError as error:
            return None, steady(str(error))
        return RegistryState(state.versions, aliases, facts, read_progress(progress)), ""

    async def _facts_of(self, model: str, version: RegisteredVersion) -> VersionFacts:
        """From memory where they are: a version never changes but in its tags.

        A model that was deleted and registered anew counts from 1 again, hence the date.
        """
        key = (model, version.number, version.run_id, version.created)
        if key in self._facts:
            self._facts.move_to_end(key)
            return self._facts[key]
        facts = await self._registry.ask(
            lambda registry: read_facts(registry, model, version.number)
        )
        if facts.summary is not None:
            self._facts[key] = facts
            while len(self._facts) > CACHED_VERSIONS:
                self._facts.popitem(last=False)
        return facts


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
