"""Good copies of models on a folder that several pods may share.

<folder>/<model name>/<version>/            a bundle that passed its golden rows
<folder>/<model name>/<version>/good.json   says so; it is written before the folder appears
<folder>/<model name>/.incoming-*           being downloaded or checked
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from housing_serving.versions.fallback import copies_to_remove

MARKER = "good.json"
KEPT_VERSIONS = 3
ABANDONED_SECONDS = 3600
"""An incoming folder this old belongs to a pod that was killed."""

_INCOMING = ".incoming-"

logger = logging.getLogger(__name__)


def versions_in(folder: Path, is_good: Callable[[Path], bool]) -> list[str]:
    """Versions whose folder in there is good; none when it cannot be read."""
    try:
        return [entry.name for entry in folder.iterdir() if entry.name.isdigit() and is_good(entry)]
    except OSError:
        return []


class ModelCache:
    """The local copies of one model's versions."""

    def __init__(self, folder: Path, model_name: str) -> None:
        self._folder = folder / model_name

    def versions(self) -> list[str]:
        """Versions with a good copy; none when the folder cannot be read."""
        return versions_in(self._folder, lambda copy: (copy / MARKER).is_file())

    def copy_of(self, version: str) -> Path:
        """Where the copy of a version is, or would be."""
        return self._folder / version

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """An empty folder to download into, removed at the end with what was not kept.

        It is in the cache, so that keeping is a rename; where the cache cannot be written it is
        in the temporary folder, and what is downloaded can be served but not kept.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = Path(tempfile.mkdtemp(prefix=_INCOMING, dir=self._folder))
        except OSError as error:
            logger.warning("the model cache %s cannot be written: %s", self._folder, error)
            path = Path(tempfile.mkdtemp(prefix=_INCOMING))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def keep(self, bundle: Path, version: str, golden_rows: int) -> None:
        """Make a checked bundle the copy of its version, in place of one that is there.

        Raises:
            OSError: when it cannot be kept; the copy that was there may be gone.

        """
        marker = {"checked_at": int(time.time()), "golden_rows": golden_rows}
        (bundle / MARKER).write_text(json.dumps(marker), encoding="utf-8")
        destination = self.copy_of(version)
        with suppress(FileNotFoundError):
            # A folder can only be replaced by rename when it is empty, so it goes aside first.
            destination.rename(bundle.parent / "replaced")
        bundle.rename(destination)

    def prune(self, protected: Collection[str]) -> None:
        """Remove the oldest copies beyond the limit, and what killed pods left behind."""
        for version in copies_to_remove(self.versions(), protected, KEPT_VERSIONS):
            with self.incoming() as aside, suppress(OSError):
                # Out of the others' sight at once; half a copy would look like a good one.
                self.copy_of(version).rename(aside / version)
        deadline = time.time() - ABANDONED_SECONDS
        for path in self._folder.glob(f"{_INCOMING}*"):
            try:
                abandoned = path.stat().st_mtime < deadline
            except OSError:
                continue  # another pod was quicker
            if abandoned:
                shutil.rmtree(path, ignore_errors=True)
