"""The model bundle: what training registers and what serving, monitoring and stock MLflow read.

A version in MLflow is a normal pyfunc model; the bundle is the folder `artifacts/bundle` in it:

| file | what it holds |
|---|---|
| `model.onnx` | the graph: one typed rank-2 input (rows, 1) per column, named by the column's position (`column_0`, ...); outputs `label` (int64 class index, (rows,)) and `probabilities` (float32, (rows, classes)) |
| `inputs.onnx`, `trees.npz` | the same model taken apart, since serving walks trees by itself: the graph from the same inputs to what the trees are given, and the trees with all that comes behind them (`housing_training.compact_trees`); left out when the trees do not fit its numbers, and then `model.onnx` serves |
| `inputs.json` | what `inputs.onnx` computes, as lists (`housing_core.listed_inputs`): for few rows that is faster; left out where it computes something else |
| `schema.json` | columns, crosses, classes, boundaries in money, cleaning rules: `Schema` |
| `reference.json` | what monitoring compares with: `Reference` |
| `golden.json` | rows with their expected answers: `GoldenRow` list |
| `summary.json` | scores and lineage for the operator and people: `Summary` |
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from housing_core.cleaning import CleaningRules, NumberRule

FORMAT = 1
"""Version of this layout; a reader refuses a newer one."""

BUNDLE_PATH = "artifacts/bundle"
"""Where the bundle sits in the registered MLflow model."""

GRAPH_FILE = "model.onnx"
INPUTS_FILE, LISTED_FILE, TREES_FILE = "inputs.onnx", "inputs.json", "trees.npz"
SCHEMA_FILE = "schema.json"
REFERENCE_FILE = "reference.json"
GOLDEN_FILE = "golden.json"
SUMMARY_FILE = "summary.json"

GRAPH_BATCH_ROWS = 128
"""Most rows to give the graph at once: it makes a dense matrix of all its features of them, and of
this many it fits the processor's cache. More are no faster."""

GOLDEN_TOLERANCE = 1e-5
"""Largest difference of a probability that counts as the same answer (float32 sums)."""


PartT = TypeVar("PartT", bound="_Part")


class BundleError(Exception):
    """A bundle that cannot be used; the message says which file and why."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ColumnSchema(_Part):
    """One input column.

    Attributes:
        kind: Numeric columns are float32 inputs with NaN for missing, the others string inputs
            with `""` for missing.
        reason: why training gave it this kind.
        minimum, maximum: range in the training part; None for categories.
        examples: a few frequent raw values, for documentation.

    """

    name: str
    kind: Literal["Numeric", "Categorical", "HighCardinality"]
    reason: str = ""
    minimum: float | None = None
    maximum: float | None = None
    examples: list[str] = []


class CrossSchema(_Part):
    """Columns whose combined value is one hashed input."""

    name: str
    columns: list[str]


class Schema(_Part):
    """Columns in the order of the graph's inputs, classes in the order of its probabilities.

    Attributes:
        boundaries: prices that part the classes, rising, one less than there are classes; a price
            equal to a boundary belongs to the class above it.
        ignored: columns of the data that are not inputs → why.
        cleaning: `CleaningRules.to_json()`.
        price_rule: how the data writes prices, for those that come back as feedback; None in
            bundles made before this was kept.

    """

    format: int = FORMAT
    model_name: str
    target: str
    columns: list[ColumnSchema]
    crosses: list[CrossSchema] = []
    classes: list[str]
    boundaries: list[float]
    ignored: dict[str, str] = {}
    cleaning: str
    price_rule: NumberRule | None = None

    @property
    def rules(self) -> CleaningRules:
        """The cleaning rules of this model."""
        return CleaningRules.from_json(self.cleaning)

    @staticmethod
    def input_name(position: int) -> str:
        """Name of the graph's input for the column at this position."""
        return f"column_{position}"


class NumericProfile(_Part):
    """A numeric feature in the training part.

    Attributes:
        edges: inner bin edges, rising; bin i holds values in (edges[i-1], edges[i]].
        counts: rows in each of the len(edges) + 1 bins, missing values left out.
        mean, std, skewness: of the present values, None where there are too few.

    """

    kind: Literal["Numeric"] = "Numeric"
    rows: int
    missing: int
    edges: list[float]
    counts: list[int]
    mean: float | None
    std: float | None
    skewness: float | None
    minimum: float | None
    maximum: float | None


class CategoricalProfile(_Part):
    """A categorical feature in the training part.

    Attributes:
        counts: rows of each of the most frequent categories, missing values left out.
        other: rows of all further categories together.
        cardinality: number of distinct categories, the further ones included.
        other_hashes: murmurhash3_32 (unsigned, seed 0, of the UTF-8 text) of the further
            categories, so that a category is known to be new without its text.

    """

    kind: Literal["Categorical"] = "Categorical"
    rows: int
    missing: int
    counts: dict[str, int]
    other: int = 0
    cardinality: int
    other_hashes: list[int] = []


FeatureProfile = Annotated[NumericProfile | CategoricalProfile, Field(discriminator="kind")]


class Reference(_Part):
    """What the monitor compares a window with: features from the training part, the rest from the holdout.

    Attributes:
        class_shares: share of each class among the holdout's *predictions*.
        scores: accuracy and macro_f1 on the holdout.
        calibration: rows (mean confidence of the bin, share that was right, rows in the bin).

    """

    format: int = FORMAT
    rows: int
    holdout_rows: int
    features: dict[str, FeatureProfile]
    class_shares: dict[str, float]
    scores: dict[str, float]
    calibration: list[tuple[float, float, int]] = []


class GoldenRow(_Part):
    """A raw listing and the answer that the graph gave in training."""

    row: dict[str, Any]
    label: str
    probabilities: list[float]


class Scores(_Part):
    """Scores on the holdout; `precision` and `recall` are macro averages, `roc_auc` one-versus-rest."""

    model_config = ConfigDict(allow_inf_nan=False)

    accuracy: float
    macro_f1: float
    precision: float
    recall: float
    roc_auc: float | None
    confusion_matrix: list[list[int]]


class Interval(_Part):
    """95 % interval of a score: how far it could be off by the luck of the rows it is of."""

    low: float
    high: float


class ScoreIntervals(_Part):
    """Intervals of the scores with these names, and of each class's, in the order of the classes."""

    accuracy: Interval
    macro_f1: Interval
    precision: Interval
    recall: Interval
    roc_auc: Interval | None = None
    class_precision: list[Interval] = []
    class_recall: list[Interval] = []
    class_f1: list[Interval] = []


ModelKind = Literal["HashedForest", "EncodedForest", "EncodedBoosting"]
"""The seed's forest on hashed features; a forest, or boosting, on target-encoded categories."""


class CandidateResult(_Part):
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


class CalibrationResult(_Part):
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


class SearchResult(_Part):
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


class RecipeResult(_Part):
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


class Comparison(_Part):
    """Champion and challenger on the newest holdout, each on its own boundaries.

    Attributes:
        champion_version: the version in production then.
        rows: of the holdout, that the champion did not learn from either; both are judged by these.
        left_out: rows of the holdout that it learned from, as the sides were dealt otherwise then.
        champion_macro_f1, challenger_macro_f1: None when too few rows are left to compare them.
        rank_correlation: Spearman's, of the expected class with the price; has no boundaries.
        ahead: macro F1 of the challenger minus that of the champion; None in versions made before
            this was kept, and so with its interval.
        ahead_interval: of `ahead`, by resampling the rows that both answered.

    """

    champion_version: str
    rows: int
    left_out: int = 0
    champion_macro_f1: float | None = None
    challenger_macro_f1: float | None = None
    champion_rank_correlation: float | None = None
    challenger_rank_correlation: float | None = None
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


class Summary(_Part):
    """What the operator and people want to know of a version, without opening the graph.

    Attributes:
        comparison: None when no version was in production, or it has no bundle to score.
        rows: distinct rows with a usable price, both sides of the split.
        new_rows: those among them that the version in production had not seen.
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


def read_schema(folder: Path) -> Schema:
    """`schema.json` of a bundle folder.

    Raises:
        BundleError: when it is not there, not readable, or of a newer format.

    """
    return _read(folder / SCHEMA_FILE, Schema)


def read_reference(folder: Path) -> Reference:
    """`reference.json` of a bundle folder; raises BundleError as `read_schema` does."""
    return _read(folder / REFERENCE_FILE, Reference)


def read_summary(folder: Path) -> Summary:
    """`summary.json` of a bundle folder; raises BundleError as `read_schema` does."""
    return _read(folder / SUMMARY_FILE, Summary)


def read_golden(folder: Path) -> list[GoldenRow]:
    """`golden.json` of a bundle folder; raises BundleError when it is unusable or empty."""
    path = folder / GOLDEN_FILE
    try:
        rows = [GoldenRow.model_validate(row) for row in json.loads(path.read_text("utf-8"))]
    except (OSError, ValueError) as error:
        raise BundleError(f"{path.name} cannot be read: {error}") from error
    if not rows:
        raise BundleError(f"{path.name} holds no rows to check the model with")
    return rows


def write_part(folder: Path, name: str, part: BaseModel | list[GoldenRow]) -> None:
    """Write one JSON file of a bundle."""
    data = (
        [row.model_dump(mode="json") for row in part]
        if isinstance(part, list)
        else part.model_dump(mode="json")
    )
    # The profile holds long lists; a line for each number would double it.
    indent, separators = (None, (",", ":")) if name == REFERENCE_FILE else (1, None)
    text = json.dumps(data, ensure_ascii=False, indent=indent, separators=separators)
    (folder / name).write_text(text, encoding="utf-8")


def _read(path: Path, model: type[PartT]) -> PartT:
    try:
        data = json.loads(path.read_text("utf-8"))
        found = data.get("format") if isinstance(data, dict) else None
        if isinstance(found, int) and found > FORMAT:
            raise BundleError(
                f"{path.name} has format {found}; this program reads up to {FORMAT}: upgrade it"
            )
        return model.model_validate(data)
    except (OSError, ValueError) as error:
        raise BundleError(f"{path.name} cannot be read: {error}") from error
