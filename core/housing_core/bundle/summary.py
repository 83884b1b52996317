"""`summary.json`: scores and lineage for the operator and people."""

from __future__ import annotations

from housing_core.bundle.part import FORMAT, Part
from housing_core.bundle.recipe import RecipeResult
from housing_core.bundle.scores import Interval, ScoreIntervals, Scores


class Comparison(Part):
    """Champion and challenger on the newest holdout, each on its own boundaries.

    Attributes:
        champion_version: the version in production then.
        rows: of the holdout, that the champion did not learn from either; both are judged by these.
        left_out: rows of the holdout that it learned from, as the sides were dealt otherwise then.
        champion_macro_f1, challenger_macro_f1: None when too few rows are left to compare them.
        rank_correlation: Spearman's, of the expected class with the price; has no boundaries.
        ahead: macro F1 of the challenger minus that of the champion; None in versions made before
            this was kept.
        *_interval: of each of these, by resampling the rows that both answered; None in versions
            made before it was kept.

    """

    champion_version: str
    rows: int
    left_out: int = 0
    champion_macro_f1: float | None = None
    champion_macro_f1_interval: Interval | None = None
    challenger_macro_f1: float | None = None
    challenger_macro_f1_interval: Interval | None = None
    champion_rank_correlation: float | None = None
    champion_rank_correlation_interval: Interval | None = None
    challenger_rank_correlation: float | None = None
    challenger_rank_correlation_interval: Interval | None = None
    champion_boundaries: list[float]
    ahead: float | None = None
    ahead_interval: Interval | None = None

    def in_words(self) -> str:
        """How they compare, or why they cannot be compared."""
        champion = f"version {self.champion_version} in production"
        of = f"{self.left_out} of the {self.rows + self.left_out} rows of this holdout"
        if self.champion_macro_f1 is None or self.challenger_macro_f1 is None:
            return (
                f"{champion} learned from {of}, since the spec dealt them otherwise then; the "
                f"other {self.rows} are too few to compare by"
            )
        if self.left_out:
            return (
                f"{champion} has macro F1 {self.champion_macro_f1:.3f} against "
                f"{self.challenger_macro_f1:.3f} on {self.rows} rows{self.distance()}; it learned "
                f"from {of}"
            )
        return (
            f"{champion} has macro F1 {self.champion_macro_f1:.3f} on the same rows"
            f"{self.distance()}"
        )

    def distance(self) -> str:
        """How far ahead this one is, with its interval, to follow other words; nothing when unknown."""
        if self.ahead is None or self.ahead_interval is None:
            return ""
        low, high = self.ahead_interval.low, self.ahead_interval.high
        return f", {self.ahead:+.4f} from it to this one (95 % interval {low:.4f} to {high:.4f})"


class Summary(Part):
    """What the operator and people want to know of a version, without opening the graph.

    Attributes:
        comparison: None when no version was in production, or it has no bundle to score.
        rows: distinct rows with a usable price, both sides of the split.
        new_rows: those among them that the version in production had not seen.
        feedback_rows: those of `rows` that came as labelled predictions, not from files.
        holdout_rows: those that the scores are of.
        dataset_fingerprint: digest of the listing of its files.
        dataset_digest: of the content of the distinct rows with a price, in any order; empty in
            versions made before this was kept.
        bundle_bytes: size of the bundle without this file.
        resumed_from_trees: trees that came from checkpoints of an earlier attempt.
        trained_at: RFC 3339, when the bundle was made; None in bundles made before this was kept.
        trained_with: Python and libraries → their versions then, and the image where it is known.
        recipe: what was made and why; None of versions before there was more than one recipe.
        intervals: of `scores`.
        baseline_intervals: of `baseline`; None in versions made before this was kept.
        warnings: what a person should look at before trusting the scores.

    """

    format: int = FORMAT
    model_name: str
    key: str
    run_id: str
    trigger: str
    scores: Scores
    baseline_name: str
    baseline: Scores
    comparison: Comparison | None = None
    rows: int
    new_rows: int
    feedback_rows: int = 0
    holdout_rows: int
    dataset_uri: str
    dataset_fingerprint: str
    dataset_digest: str = ""
    bundle_bytes: int
    training_seconds: float
    resumed_from_trees: int = 0
    trained_at: str | None = None
    trained_with: dict[str, str] = {}
    recipe: RecipeResult | None = None
    intervals: ScoreIntervals | None = None
    baseline_intervals: ScoreIntervals | None = None
    warnings: list[str] = []

    @property
    def feedback_in_words(self) -> str:
        """The end of a sentence about the version; empty when no row came to `/feedback`."""
        if not self.feedback_rows:
            return ""
        return f"; {self.feedback_rows} of the {self.rows} rows came to /feedback"
