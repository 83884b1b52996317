"""The long steps of a training, each of which a later attempt takes over from MLflow where it got to."""

from __future__ import annotations

from functools import partial

from pydantic import ValidationError

from housing_core.api.spec import Training
from housing_core.bundle import RecipeResult
from housing_training.checkpoints.resumable_forest import ResumableForest
from housing_training.learning import Prepared
from housing_training.models.candidates import BOOSTING_ITERATIONS, CANDIDATES
from housing_training.models.fitted import Model
from housing_training.progress import Progress
from housing_training.selection.folds import MOST_ROWS
from housing_training.selection.racing import FOLDS, choose, selection_digest
from housing_training.tracking import TrainingRun
from housing_training.workers.crew import Crew

RECIPE_ARTIFACT = "recipe.json"
"""In each run: what the recipe chose, as soon as it has chosen; a later attempt takes it over."""

SEARCH_ARTIFACT = "search.json"
"""The same with the settings that a search has found."""


class ResumableLearning:
    """From the prepared rows to a fitted model, for one attempt."""

    def __init__(
        self,
        run: TrainingRun,
        prepared: Prepared,
        training: Training,
        progress: Progress,
        crew: Crew,
    ) -> None:
        """Nothing is done yet.

        Args:
            run: of the training; what was found goes there, and earlier attempts left theirs there.
            prepared: the rows.
            training: of the spec.
            progress: is told how it goes.
            crew: does the work of search and forest.

        """
        self.run, self.prepared, self.training, self.progress = run, prepared, training, progress
        self.crew = crew

    def choose_recipe(self) -> RecipeResult:
        """What the recipe makes of this data; an earlier attempt may have found out already."""
        progress = self.progress
        digest = selection_digest(self.prepared.training, self.training)
        found = self._taken_over(RECIPE_ARTIFACT, digest)
        if found is not None:
            progress.say(f"an earlier attempt has chosen {found.model}")
            return found
        found = choose(
            self.prepared.fitter(self.training),
            self.prepared.training,
            self.training,
            digest=digest,
            say=progress.say,
            report=partial(progress.steps, "fits"),
        )
        self.run.upload(RECIPE_ARTIFACT, found.model_dump_json(indent=1).encode())
        return found

    def search_settings(self, chosen: RecipeResult) -> RecipeResult:
        """The same with the best settings that a search finds, or that an earlier attempt found."""
        # Optuna takes a second to import, and most trainings search for nothing.
        from housing_training.selection.search import search  # noqa: PLC0415 - see above
        from housing_training.selection.search_store import SearchStore  # noqa: PLC0415 - see above

        found = self._taken_over(SEARCH_ARTIFACT, chosen.digest)
        if found is not None and found.search is not None:
            words = found.search.in_words(found.settings)
            self.progress.say(f"an earlier attempt has ended its {words}")
            return found
        found = search(
            self.prepared.fitter(self.training),
            self.prepared.training,
            chosen,
            SearchStore(self.run, chosen.digest, self.progress.say),
            say=self.progress.say,
            crew=self.crew,
            report=partial(self.progress.steps, "trials"),
        )
        self.run.upload(SEARCH_ARTIFACT, found.model_dump_json(indent=1).encode())
        return found

    def _taken_over(self, name: str, digest: str) -> RecipeResult | None:
        """A result that an earlier attempt left, if it is of these data and settings."""
        if name not in self.run.names():
            return None
        try:
            found = RecipeResult.model_validate_json(self.run.download(name))
        except ValidationError:
            self.progress.say(f"{name} of an earlier attempt is ignored: not readable")
            return None
        if found.digest == digest and found.model in CANDIDATES:
            return found
        self.progress.say(f"{name} of an earlier attempt is ignored: of other data")
        return None

    def fit(self, recipe: RecipeResult) -> tuple[Model, int]:
        """The model, and the trees that came from checkpoints."""
        if recipe.model == "EncodedBoosting":
            self.progress.say(
                "EncodedBoosting is fitted in one go: checkpoint.everyTrees is for forests"
            )
        fitter = self.prepared.fitter(self.training).with_settings(recipe.model, recipe.settings)

        forest = ResumableForest(self.run, fitter.training, self.progress, self.crew)
        if recipe.iterations is not None:
            left = boosting_seconds(recipe, len(self.prepared.training.labels))
            self.progress.steps("iterations", 0, recipe.iterations, left)
        model = fitter.fit(
            recipe.model,
            self.prepared.training,
            iterations=recipe.iterations,
            grow=forest.grow,
            say=self.progress.say,
        )
        return model, forest.resumed


def boosting_seconds(recipe: RecipeResult, rows: int) -> float | None:
    """About how long the final fit takes, by those of the comparison; boosting says nothing itself.

    Args:
        recipe: what was chosen.
        rows: of the training part.

    """
    own = next((each for each in recipe.candidates if each.name == recipe.model), None)
    if own is None or not own.fits or recipe.iterations is None:
        return None
    # Each fit there was of all rows but a fold, and took the most iterations.
    learned = min(rows, MOST_ROWS) * (1 - 1 / FOLDS)
    return own.seconds / own.fits * (rows / learned) * (recipe.iterations / BOOSTING_ITERATIONS)
