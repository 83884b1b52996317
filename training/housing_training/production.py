"""What a training needs to know of the version in production."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from housing_core.api.spec import Target
from housing_core.bundle import SCHEMA_FILE, BundleError, Comparison, Schema, read_schema
from housing_core.registry import NotInRegistryError, Registry
from housing_core.tasks import TrainingTask
from housing_training.data.learned_rows import LEARNED_ARTIFACT, LearnedRows
from housing_training.data.reading import Listings
from housing_training.data.splitting import Hashes, Mask
from housing_training.data.target import Prices
from housing_training.errors import InvalidDataError
from housing_training.evaluation.comparison import compare
from housing_training.export.inference import Answers
from housing_training.progress import Progress
from housing_training.tracking import patiently

ROWS_ARTIFACT = "rows.npy"
"""In each run: sorted identity hashes of the rows that its version has seen, uint64."""


MIN_COMPARED_ROWS = 100
"""Where the version in production has learned from rows of the newest holdout, so many others must be
left: the difference of two macro F1 on fewer says nothing."""


@dataclass(frozen=True)
class Production:
    """The version in production, or that there is none.

    Attributes:
        version: None when there is none.
        seen: hashes of its rows; empty when they are not known.

    """

    registry: Registry
    model: str
    version: str | None
    seen: Hashes

    @classmethod
    def of(cls, registry: Registry, task: TrainingTask, progress: Progress) -> Production:
        """Look up the version that the task names."""
        number = task.production_version
        seen = np.empty(0, np.uint64)
        if number is not None:
            try:
                seen = _seen_rows(registry, task.model_name, number)
            except NotInRegistryError as error:
                progress.say(f"the rows that version {number} has seen are not known: {error}")
        return cls(registry, task.model_name, number, seen)

    def count_new(self, identity: Hashes) -> int:
        """Rows that it has not seen; all of them when there is no version."""
        return int((~np.isin(identity, self.seen)).sum())

    def kept_boundaries(self, target: Target, progress: Progress) -> list[float] | None:
        """Its class boundaries where the spec keeps them; None to compute new ones.

        Raises:
            InvalidDataError: when they do not fit the classes of the spec.

        """
        if target.boundaries != "Keep":
            return None
        if self.version is None:
            progress.say("no version is in production whose boundaries could be kept")
            return None
        number = self.version
        try:
            content = patiently(
                lambda: self.registry.download_bundle_file(self.model, number, SCHEMA_FILE)
            )
            boundaries = Schema.model_validate_json(content).boundaries
        except (NotInRegistryError, ValidationError) as error:
            raise InvalidDataError(
                f"dataset.target.boundaries: version {number} has no boundaries to keep; set it "
                "to Recompute"
            ) from error
        if len(boundaries) != len(target.quantiles):
            raise InvalidDataError(
                f"dataset.target.boundaries: version {number} has {len(boundaries)} boundaries to "
                f"keep, but {len(target.classes)} classes need {len(target.quantiles)}; set it to "
                "Recompute"
            )
        return boundaries

    def compare(
        self,
        holdout: Listings,
        prices: Prices,
        answers: Answers,
        *,
        boundaries: Sequence[float],
        folder: Path,
        progress: Progress,
    ) -> Comparison | None:
        """Its scores beside the challenger's, on those rows of the newest holdout that neither learned.

        Returns:
            None when it cannot be loaded; without scores when too few such rows are left.

        Args:
            holdout: raw.
            prices: (holdout rows,).
            answers: the challenger's.
            boundaries: the challenger's.
            folder: for its bundle.
            progress: is told when there is no comparison, and why.

        """
        if self.version is None:
            return None
        number = self.version
        try:
            bundle = patiently(
                lambda: self.registry.download_bundle(self.model, number, folder / "champion")
            )
            fair = self._not_learned(number, holdout, progress)
            if fair.sum() < min(len(fair), MIN_COMPARED_ROWS):
                compared = Comparison(
                    champion_version=number,
                    rows=int(fair.sum()),
                    champion_boundaries=read_schema(bundle).boundaries,
                )
            else:
                compared = compare(
                    bundle,
                    number,
                    holdout=holdout.take(fair),
                    prices=prices[fair],
                    answers=Answers(answers.labels[fair], answers.probabilities[fair]),
                    boundaries=boundaries,
                )
            return compared.model_copy(update={"left_out": int((~fair).sum())})
        except (NotInRegistryError, BundleError) as error:
            progress.say(f"no comparison with version {number}: {error}")
            return None

    def _not_learned(self, number: str, holdout: Listings, progress: Progress) -> Mask:
        """(holdout rows,) whether it is fair to judge the version in production by a row."""
        try:
            content = _file_of_run(self.registry, self.model, number, LEARNED_ARTIFACT)
        except NotInRegistryError as error:
            progress.say(
                f"which rows version {number} learned from is not known; it is compared as if the "
                f"sides were dealt as then: {error}"
            )
            return np.ones(len(holdout.frame), bool)
        learned = LearnedRows.from_bytes(content).among(holdout)
        if learned.any():
            progress.say(
                f"version {number} learned from {int(learned.sum())} of {len(learned)} rows of the "
                "holdout, since the sides were dealt anew: it is not judged by these"
            )
        return ~learned


def _seen_rows(registry: Registry, model: str, number: str) -> Hashes:
    """Hashes of the rows of a version; raises NotInRegistryError when they are not known."""
    content = _file_of_run(registry, model, number, ROWS_ARTIFACT)
    rows: Hashes = np.load(io.BytesIO(content), allow_pickle=False)
    return rows


def _file_of_run(registry: Registry, model: str, number: str, path: str) -> bytes:
    """An artifact of the run that made a version; raises NotInRegistryError when it is not there."""
    run_id = patiently(lambda: registry.version(model, number)).run_id
    if run_id is None:
        raise NotInRegistryError(f"version {number} of {model} has no run")
    return patiently(lambda: registry.download_run_file(run_id, path))
