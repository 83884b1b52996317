"""The operator's policy file, read again whenever it changes."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from pydantic import ValidationError

from housing_core.tasks import ServingPolicy

logger = logging.getLogger(__name__)

_Stamp = tuple[int, int, int]


class PolicyFile:
    """A `ServingPolicy` as JSON in a file that may appear, change, break and vanish.

    A file that is missing or broken confirms no version; what was rejected stays rejected, since
    serving a bad version is worse than serving an old one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp: _Stamp | None = None
        self._policy = ServingPolicy()
        self._complaint = ""

    def read(self) -> ServingPolicy:
        """The policy now; the file is opened only when it has changed."""
        with self._lock:
            stamp = self._look()
            if stamp is None or stamp != self._stamp:
                self._stamp = stamp
                self._policy = self._load()
            return self._policy

    def _look(self) -> _Stamp | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _load(self) -> ServingPolicy:
        try:
            policy = ServingPolicy.model_validate_json(self._path.read_bytes())
        except (OSError, ValidationError) as error:
            complaint = f"the policy file {self._path} cannot be read: {error}"
            if complaint != self._complaint:
                logger.warning(complaint)
            self._complaint = complaint
            return ServingPolicy(rejected_versions=self._policy.rejected_versions)
        self._complaint = ""
        return policy
