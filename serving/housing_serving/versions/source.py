"""Where versions come from: MLflow, imported only when it is first asked.

Importing MLflow's client takes seconds of a small pod's CPU, and a pod with a local copy of its
pinned version answers without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from housing_core.registry import Registry


class SourceError(Exception):
    """MLflow did not give what was asked for; the message says why."""


@dataclass(frozen=True, slots=True)
class RegistryView:
    """What MLflow said of a model.

    Attributes:
        staging: the version behind the alias `staging`.
        rejected: versions that are tagged as rejected → why.

    """

    staging: str | None = None
    rejected: Mapping[str, str] = field(default_factory=dict)


class ModelSource:
    """One registered model in MLflow."""

    def __init__(self, model_name: str) -> None:
        self._model_name = model_name
        self._client: Registry | None = None

    def view(self) -> RegistryView:
        """Ask for aliases and rejections.

        Raises:
            SourceError: when MLflow does not answer.

        """
        from housing_core.registry import RegistryError  # noqa: PLC0415 - see the module's text

        try:
            registry = self._registry()
            aliases = registry.aliases(self._model_name)
            versions = registry.versions(self._model_name)
        except RegistryError as error:
            raise SourceError(_short(error)) from error
        rejected = {v.number: v.rejected for v in versions if v.rejected is not None}
        return RegistryView(aliases.get("staging"), rejected)

    def fetch(self, version: str, destination: Path) -> None:
        """Download the bundle of a version into a folder that is not there yet.

        Raises:
            SourceError: when it cannot be had.

        """
        from housing_core.registry import RegistryError  # noqa: PLC0415 - see the module's text

        try:
            self._registry().download_bundle(self._model_name, version, destination)
        except RegistryError as error:
            raise SourceError(_short(error)) from error

    def _registry(self) -> Registry:
        if self._client is None:
            from housing_core.registry import Registry  # noqa: PLC0415 - see the module's text

            self._client = Registry()
        return self._client


def _short(error: Exception) -> str:
    """MLflow's messages can hold whole listings of failed files."""
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else f"{text[:297]}..."
