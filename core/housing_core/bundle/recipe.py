"""What the recipe made, and why: candidates, calibration, and the search for settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from housing_core.bundle.part import Part
from housing_core.bundle.scores import Interval

ModelKind = Literal["HashedForest", "EncodedForest", "EncodedBoosting"]
"""The seed's forest on hashed features; a forest, or boosting, on target-encoded categories."""


class CandidateResult(Part):
    """One model that the recipe tried, in cross-validation on the training part.

    Attributes:
        macro_f1: over all held-out rows together; None when it was not tried.
        interval: of `macro_f1`.
        rows: held-out rows that it was judged on.
        behind: macro F1 of the winner minus its own on the rows that both were judged on.
        behind_interval: of `behind`.
        seconds: that its fits took.
        fits: how many these were; 0 in versions made before this was kept.
        note: why it was not tried, or not to the end.

    """

    name: ModelKind
    macro_f1: float | None = None
    interval: Interval | None = None
    rows: int = 0
    behind: float | None = None
    behind_interval: Interval | None = None
    seconds: float = 0.0
    fits: int = 0
    note: str = ""


class CalibrationResult(Part):
    """How answers become probabilities: softmax(scale · log(max(answer, floor)) + shift).

    Attributes:
        method: `None`, `Temperature` or `Platt`.
        log_loss_before, log_loss_after: cross-validated on held-out rows of the training part.

    """

    method: str = "None"
    scale: float = 1.0
    shifts: list[float] = []
    log_loss_before: float | None = None
    log_loss_after: float | None = None


class SearchResult(Part):
    """How the search for settings went, in cross-validation on the training part.

    Attributes:
        trials: settings that were judged to the end, the model's own among them.
        pruned: settings that were given up after some folds.
        own_macro_f1: of the model's own settings; None when there was no time for them.
        macro_f1: of the settings that won.
        ahead: `macro_f1` minus `own_macro_f1`; None when the model's own settings won.
        ahead_interval: of `ahead`, as if the winner had not been chosen among many.
        seconds: of all attempts together.
        note: why it ended before all trials were made.

    """

    trials: int
    pruned: int = 0
    own_macro_f1: float | None = None
    macro_f1: float | None = None
    ahead: float | None = None
    ahead_interval: Interval | None = None
    seconds: float = 0.0
    note: str = ""

    def in_words(self, settings: Mapping[str, float | None]) -> str:
        """What was tried, and what came of it."""
        text = f"search: {self.trials} settings judged, {self.pruned} given up early"
        if self.note:
            text += f", {self.note}"
        if self.ahead is None or self.ahead_interval is None:
            return f"{text}; the model's own settings are kept"
        shown = ", ".join(
            f"{name} {'unlimited' if value is None else f'{value:.3g}'}"
            for name, value in settings.items()
        )
        low, high = self.ahead_interval.low, self.ahead_interval.high
        return (
            f"{text}; {shown} win, {self.ahead:.4f} ahead of the model's own ({low:.4f} to "
            f"{high:.4f})"
        )


class RecipeResult(Part):
    """What the recipe made, and why.

    Attributes:
        recipe: of the spec, `seed` or `auto`.
        model: the candidate that won, or that the recipe always makes.
        iterations: of boosting; None for a forest.
        candidates: the winner first.
        settings: of the model, found by a search; none when it has its own.
        search: how they were found.
        digest: of what it depends on, so that a later attempt can take it over.

    """

    recipe: str
    model: ModelKind
    iterations: int | None = None
    candidates: list[CandidateResult] = []
    calibration: CalibrationResult = CalibrationResult()
    settings: dict[str, int | float | None] = {}
    search: SearchResult | None = None
    digest: str = ""

    def in_words(self) -> str:
        """The winner, by how much it is ahead of whom, and what a search made of it."""
        text: str = self.model
        for position, candidate in enumerate(self.candidates):
            if candidate.macro_f1 is None:
                text += f"; {candidate.name} was not tried"
            elif position == 0:
                text += f": macro F1 {candidate.macro_f1:.4f} in cross-validation"
            elif candidate.behind is not None and candidate.behind_interval is not None:
                low, high = candidate.behind_interval.low, candidate.behind_interval.high
                if candidate.behind >= 0:
                    text += f"; ahead of {candidate.name} by {candidate.behind:.4f} "
                    text += f"(95 % interval {low:.4f} to {high:.4f})"
                else:  # judged on fewer rows, it loses to one that went on
                    text += f"; behind {candidate.name} by {-candidate.behind:.4f} "
                    text += f"(95 % interval {-high:.4f} to {-low:.4f}), {candidate.note}"
        if self.search is not None:
            text += f"; {self.search.in_words(self.settings)}"
        return text
