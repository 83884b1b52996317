"""A forest that is grown with checkpoints, and goes on from those of an earlier attempt."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from housing_core.api.spec import Training
from housing_training.checkpoints import artifacts
from housing_training.checkpoints.tree_files import read_trees, write_trees
from housing_training.data.target import Classes
from housing_training.models.forest import (
    Features,
    forest_digest,
    forest_of,
    grow_steps,
    prepare_ground,
)
from housing_training.progress import Progress
from housing_training.workers.crew import ALONE, Crew


class Run(Protocol):
    """Where checkpoints are kept: `tracking.TrainingRun`."""

    def names(self, folder: str = "") -> list[str]:
        """Names of the artifacts in a folder; none when there is no such folder."""

    def download(self, path: str) -> bytes:
        """Read one artifact; raises NotInRegistryError when it is not there."""

    def upload(self, path: str, content: bytes) -> None:
        """Write one artifact."""

    def log(
        self,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Write metrics and tags."""


@dataclass
class Spent:
    """What checkpoints have taken so far: the digest, their writing and upload, and reading them back.

    Attributes:
        seconds: of the clock.
        cpu_seconds: of the process, with what its other threads do meanwhile.

    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count what is done inside."""
        begun, busy = time.perf_counter(), time.process_time()
        yield
        self.seconds += time.perf_counter() - begun
        self.cpu_seconds += time.process_time() - busy


@dataclass
class ResumableForest:
    """Grows a forest.

    Attributes:
        run: of the training.
        training: of the spec, with the settings that are to be used.
        progress: is told how it goes.
        crew: grows the trees.
        resumed: the trees that came from checkpoints.
        spent: on checkpoints.

    """

    run: Run
    training: Training
    progress: Progress
    crew: Crew = ALONE
    resumed: int = 0
    spent: Spent = field(default_factory=Spent)

    def grow(self, features: Features, labels: Classes, width: int) -> RandomForestClassifier:
        """The forest; see `candidates.Grow`.

        Trees that are grown wait as their checkpoint's file, which is a fifth as large, until the
        others are there and the features are no more needed.
        """
        progress, settings = self.progress, self.training.forest
        with self.spent.counted():
            digest = forest_digest(features, labels, settings, self.training.seed, width)
        files = self._take_over(digest)
        done = self.resumed
        ground = prepare_ground(features, labels, settings, self.training.seed, width)
        every = self.training.checkpoint.every_trees
        for new in grow_steps(ground, settings.trees, done=done, every=every, crew=self.crew):
            with self.spent.counted():
                content = write_trees(new)
                paths = artifacts.pack(content, done, done + len(new), digest)
                for path, part in paths.items():
                    self.run.upload(path, part)
            files.append(content)
            done += len(new)
            new.clear()  # before the next are grown
            progress.grown(done, settings.trees)
        drawn = ground.settings
        del ground
        _give_back_memory()
        trees: list[DecisionTreeClassifier] = []
        with self.spent.counted():
            while files:
                trees += read_trees(files.pop(0))
        seconds = self.spent.seconds
        progress.say(f"checkpoints took {seconds:.1f} s", checkpoint_seconds=round(seconds, 2))
        return forest_of(trees, drawn, features, labels)

    def _take_over(self, digest: str) -> list[bytes]:
        """The files of trees that earlier attempts left."""
        names, trees = self.run.names(artifacts.FOLDER), self.training.forest.trees
        found = artifacts.unpack(names, self.run.download, digest, trees)
        for message in found.messages:
            self.progress.say(message)
        self.resumed = found.trees
        if found.trees:
            self.progress.say(f"resumed from tree {found.trees} of {trees}")
            self.progress.resumed(found.trees)
            self.run.log(tags={"resumed_from_trees": str(found.trees)})
        return found.files


def _give_back_memory() -> None:
    """Let the system have what is free: glibc keeps what the trees left that were packed."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc alone
    if trim is not None:
        trim(0)
