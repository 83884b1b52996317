"""What the registry keeps of a version for monitoring: its cleaning rules and its reference."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from housing_core.bundle import (
    REFERENCE_FILE,
    SCHEMA_FILE,
    BundleError,
    Reference,
    read_reference,
    read_schema,
)
from housing_core.cleaning import CleaningRules
from housing_core.registry import NotInRegistryError, Registry


@dataclass(frozen=True, slots=True)
class Profile:
    """What a window of one version is read by and compared with.

    Attributes:
        rules: cleaning rules; they name the version's columns.
        reference: profile of the training part and the holdout.
        classes: names, from the lowest prices up.
        boundaries: prices that part them, rising.

    """

    rules: CleaningRules
    reference: Reference
    classes: list[str] = field(default_factory=list)
    boundaries: list[float] = field(default_factory=list)


class NoProfileError(Exception):
    """A version that nothing can be compared with; the message says why."""


def fetch_profile(registry: Registry, model: str, version: str) -> Profile:
    """Fetch the profile of a version; the graph, which is large, is left where it is.

    Raises:
        NoProfileError: when the version has no usable profile; a person may have registered it.
        NotInRegistryError: when there is no such version.
        RegistryError: as of `Registry`.

    """
    registry.version(model, version)
    with tempfile.TemporaryDirectory() as folder:
        try:
            for name in (SCHEMA_FILE, REFERENCE_FILE):
                content = registry.download_bundle_file(model, version, name)
                Path(folder, name).write_bytes(content)
            schema = read_schema(Path(folder))
            reference = read_reference(Path(folder))
            return Profile(schema.rules, reference, schema.classes, schema.boundaries)
        except (NotInRegistryError, BundleError, ValueError) as error:
            raise NoProfileError(
                f"version {version} of {model} has no profile to compare with: {error}"
            ) from error
