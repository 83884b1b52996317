"""Keeps the best model in memory: goes down the fallback chain, and climbs back by itself."""

from __future__ import annotations

import gc
import logging
import random
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from housing_core.bundle import BundleError
from housing_core.tasks import FallbackLevel, ServingTask
from housing_serving.inference.model import Model, load_model
from housing_serving.versions.baked_models import BakedModels
from housing_serving.versions.fallback import LONGEST_DOWNLOAD_RETRY_SECONDS, chain, retry_delay
from housing_serving.versions.model_cache import ModelCache
from housing_serving.versions.policy import PolicyFile
from housing_serving.versions.readiness import Serving
from housing_serving.versions.source import ModelSource, RegistryView, SourceError

POLICY_SECONDS = 1.0
"""How soon a changed policy file is seen."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _BadDownload:
    """A bundle that was downloaded and is of no use: how often, why, and until when it is left."""

    failures: int
    reason: str
    until: float


def load_copy(task: ServingTask) -> Model | None:
    """The pinned version from where it needs no MLflow; None when it is not there.

    Raises:
        BundleError: when what is there is of no use.

    """
    cache = ModelCache(Path(task.model_cache), task.model_name)
    return _load_local(cache, BakedModels(Path(task.baked_models), task.model_name), task.version)


def _load_local(cache: ModelCache, baked: BakedModels, version: str) -> Model | None:
    """A version from the cache or from what came with the image; None when neither has it.

    Raises:
        BundleError: when what is there is of no use.

    """
    complaints = []
    places = [("local copy", cache.versions(), cache.copy_of)]
    places.append(("baked-in model", baked.versions(), baked.bundle_of))
    for name, versions, folder_of in places:
        if version not in versions:
            continue
        try:
            return load_model(folder_of(version), version)
        except BundleError as error:
            complaints.append(f"the {name} is of no use: {error}")
    if complaints:
        raise BundleError("; ".join(complaints))
    return None


class ModelLoader:
    """Runs the fallback chain in a thread of its own; `serving` is what it has come to."""

    def __init__(
        self,
        task: ServingTask,
        policy: PolicyFile,
        cache: ModelCache,
        source: ModelSource,
        *,
        preloaded: Model | None = None,
        changed: Callable[[Serving, Serving], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what is needed; nothing is loaded yet.

        Args:
            preloaded: the local copy of the pinned version, when it is in memory already.
            changed: told what answers now, and what did before, after each change.
            clock: seconds from any start; for the delays between downloads of a bad bundle.

        """
        self._task = task
        self._policy = policy
        self._cache = cache
        self._baked = BakedModels(Path(task.baked_models), task.model_name)
        self._source = source
        self._preloaded = preloaded
        self._changed = changed
        self._clock = clock
        self._view: RegistryView | None = None
        self._bad_downloads: dict[str, _BadDownload] = {}
        self._serving = Serving()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="model-loader", daemon=True)

    @property
    def serving(self) -> Serving:
        """What answers now."""
        return self._serving

    @property
    def settled(self) -> bool:
        """Whether the pinned version answers and MLflow has said that it may."""
        return self._serving.level == "Production" and self._view is not None

    def load_first(self) -> None:
        """Have something to answer with, if there is anything, before requests are taken."""
        self._start_from_copy()
        if self._serving.model is None:
            self.attempt()

    def start(self) -> None:
        """Begin to load, in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Try nothing new; an attempt that is under way is not waited for."""
        self._stop.set()

    def attempt(self) -> None:
        """Go once along the chain, best link first, to the first that can be served.

        What is in memory goes on answering meanwhile. It is let go only when it is rejected and
        nothing else can be had.
        """
        if self._serving.model is None:
            self._start_from_copy()
        outage = self._ask_registry()
        rejections = self._rejections()
        loaded = self._serving.version
        known_good = {*self._cache.versions(), *([loaded] if loaded else [])}
        staging = self._view.staging if self._view else None
        pinned = self._task.version
        reasons = []
        if pinned in rejections:
            reasons.append(f"version {pinned} is rejected: {rejections[pinned]}")
        for link in chain(pinned, staging, known_good, rejections, self._baked.versions()):
            try:
                model = self._obtain(link.version, link.level, outage)
            except (BundleError, SourceError, OSError) as error:
                reasons.append(f"version {link.version}: {error}")
                continue
            self._serve(model, link.level, reasons)
            return
        self._serve(None, "None", reasons)

    def _start_from_copy(self) -> None:
        """Answer from the copy of the pinned version before MLflow, which may be slow, is asked."""
        pinned = self._task.version
        if pinned in self._rejections():
            return
        try:
            model = self._local(pinned)
        except BundleError as error:
            logger.warning("version %s: %s", pinned, error)
            return
        if model is not None:
            self._serve(model, "Production", [])

    def _ask_registry(self) -> str:
        """Learn aliases and rejections; the last answer counts when there is none now.

        Returns:
            Why MLflow did not answer; empty when it did.

        """
        try:
            self._view = self._source.view()
        except SourceError as error:
            return str(error)
        return ""

    def _rejections(self) -> dict[str, str]:
        by_operator = dict.fromkeys(self._policy.read().rejected_versions, "by the operator")
        return {**by_operator, **(self._view.rejected if self._view else {})}

    def _obtain(self, version: str, level: FallbackLevel, outage: str) -> Model:
        if self._serving.model is not None and self._serving.version == version:
            return self._serving.model
        broken = "there is no local copy"
        try:
            model = self._local(version)
        except BundleError as error:
            broken = str(error)
        else:
            if model is not None:
                return model
        if level == "LocalCopy":
            raise SourceError(broken)
        if outage:
            raise SourceError(f"{broken}, and {outage}")
        return self._download(version)

    def _local(self, version: str) -> Model | None:
        if self._preloaded is not None and self._preloaded.version == version:
            return self._preloaded
        return _load_local(self._cache, self._baked, version)

    def _download(self, version: str) -> Model:
        bad = self._bad_downloads.get(version)
        if bad and self._clock() < bad.until:
            raise BundleError(bad.reason)
        with self._cache.incoming() as folder:
            bundle = folder / "bundle"
            self._source.fetch(version, bundle)
            try:
                model = load_model(bundle, version)
            except BundleError as error:
                self._remember(version, error)
                raise
            try:
                self._cache.keep(bundle, version, model.golden_rows)
                self._cache.prune(self._protected(version))
            except OSError as error:
                logger.warning("no local copy of version %s is kept: %s", version, error)
        return model

    def _remember(self, version: str, error: BundleError) -> None:
        before = self._bad_downloads.get(version)
        failures = before.failures + 1 if before else 1
        chance = random.random()  # noqa: S311 - jitter, no secret
        delay = retry_delay(failures, chance, LONGEST_DOWNLOAD_RETRY_SECONDS)
        self._bad_downloads[version] = _BadDownload(failures, str(error), self._clock() + delay)

    def _protected(self, version: str) -> Collection[str]:
        return {version, self._task.version, self._serving.version or version}

    def _serve(self, model: Model | None, level: FallbackLevel, reasons: list[str]) -> None:
        """Swap what answers, in one assignment, so that no request sees half of it."""
        before = self._serving
        message = "" if level == "Production" else "; ".join(reasons)
        same = model is before.model
        since = before.since if same else datetime.now(UTC)
        self._serving = Serving(model, level, since if model else None, message)
        if same and level == before.level and message == before.message:
            return
        if self._changed:
            self._changed(self._serving, before)
        logger.log(
            logging.INFO if level == "Production" else logging.WARNING,
            "serving version %s from %s" if model else "no model can be served (%s, %s)",
            self._serving.version,
            level,
            extra={"pinned_version": self._task.version, "reason": message},
        )

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            policy = self._policy.read()
            before = self._serving
            try:
                self.attempt()
            except Exception:
                logger.exception("loading failed in a way that it should not; it is tried again")
            if self._serving.model is not before.model:
                # What was imported and loaded stays; a garbage collection that looks at it again
                # and again holds up requests for tens of milliseconds.
                gc.freeze()
            failures = 0 if self.settled else failures + 1
            # A pod that has settled has nothing to climb to; it only watches the policy.
            wait = float("inf")
            if failures:
                wait = retry_delay(failures, random.random())  # noqa: S311 - jitter, no secret
            deadline = time.monotonic() + wait
            while time.monotonic() < deadline and self._policy.read() == policy:
                remaining = deadline - time.monotonic()
                if self._stop.wait(max(0.0, min(POLICY_SECONDS, remaining))):
                    return
