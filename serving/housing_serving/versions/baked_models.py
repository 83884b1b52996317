"""Models that came with the image or are mounted beside it: the last link of the fallback chain.

<folder>/<namespace>.<name>/<version>/    a bundle, or an MLflow model that holds one

Nothing is written here, and nothing is trusted: a model answers after its golden rows, as any other.
"""

from __future__ import annotations

from pathlib import Path

from housing_core.bundle import BUNDLE_PATH
from housing_serving.versions.model_cache import versions_in


class BakedModels:
    """The versions of one model in a read-only folder, which need not be there."""

    def __init__(self, folder: Path, model_name: str) -> None:
        self._folder = folder / model_name

    def versions(self) -> list[str]:
        """Versions that have a folder; none when it cannot be read."""
        return versions_in(self._folder, Path.is_dir)

    def bundle_of(self, version: str) -> Path:
        """Folder of the bundle of a version."""
        folder = self._folder / version
        return folder / BUNDLE_PATH if (folder / BUNDLE_PATH).is_dir() else folder
