"""What `GET /model` says of the version that answers: schema, scores and lineage."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from housing_core.bundle import Comparison
from housing_core.bundle import ScoreIntervals as BundleIntervals
from housing_core.bundle import Scores as BundleScores
from housing_core.tasks import FallbackLevel, ServingTask
from housing_core.times import format_time
from housing_serving.formats.answer import ClassRange, Described, class_ranges
from housing_serving.inference.model import Model
from housing_serving.versions.readiness import Serving

COMPARED_SCORES = (
    *("macro_f1", "macro_f1_interval"),
    *("rank_correlation", "rank_correlation_interval"),
)


class Column(Described):
    """An input of the model."""

    name: str
    kind: Literal["Numeric", "Categorical", "HighCardinality"]
    reason: str = Field(description="Why training gave it this kind.")
    minimum: float | None = Field(description="Lowest value in the training data.")
    maximum: float | None = Field(description="Highest value in the training data.")
    examples: list[str] = Field(description="Frequent values, as the data writes them.")


class Cross(Described):
    """Columns whose combined value is an input too; requests do not send it."""

    name: str
    columns: list[str]


class Interval(Described):
    """How far a score could be off by the luck of the listings that it is of, at 95 %."""

    low: float
    high: float


class ScoreIntervals(Described):
    """Intervals of the scores with these names, and of each class's, in the order of the classes."""

    accuracy: Interval
    macro_f1: Interval
    precision: Interval
    recall: Interval
    roc_auc: Interval | None
    class_precision: list[Interval]
    class_recall: list[Interval]
    class_f1: list[Interval]


class Scores(Described):
    """Scores on listings that training did not learn from, each from 0 to 1."""

    accuracy: float
    macro_f1: float
    precision: float = Field(description="Mean over the classes.")
    recall: float = Field(description="Mean over the classes.")
    roc_auc: float | None = Field(description="One class versus the rest, mean over the classes.")
    confusion_matrix: list[list[int]] = Field(
        description="Listings by true class (rows) and predicted class (columns)."
    )
    intervals: ScoreIntervals | None = Field(
        description="Null for versions that were trained before these were kept."
    )


class Baseline(Described):
    """The simplest model that has to be beaten."""

    name: str
    scores: Scores


class Champion(Described):
    """The version in production then, and both versions on the newest holdout."""

    version: str
    rows: int = Field(description="Of the holdout, that neither version learned from.")
    left_out: int = Field(
        description="Rows of the holdout that the version then had learned from, as the spec dealt "
        "them otherwise."
    )
    macro_f1: float | None = Field(
        description="Of the version in production then; null where too few rows are left to "
        "compare by."
    )
    macro_f1_interval: Interval | None
    own_macro_f1: float | None = Field(description="Of this version, on the same rows.")
    own_macro_f1_interval: Interval | None
    rank_correlation: float | None = Field(
        description="Spearman's, of the expected class with the price; of the version then."
    )
    rank_correlation_interval: Interval | None
    own_rank_correlation: float | None
    own_rank_correlation_interval: Interval | None


class Lineage(Described):
    """Where the version comes from."""

    run_id: str = Field(description="The training's run in MLflow.")
    trigger: str = Field(description="Why it was trained.")
    trained_at: str | None = Field(
        description="RFC 3339; null for versions that do not say when they were trained."
    )
    trained_with: dict[str, str] = Field(description="Libraries and their versions.")
    training_seconds: float
    dataset_uri: str
    dataset_fingerprint: str = Field(description="Digest of the listing of the dataset's files.")
    rows: int = Field(description="Different listings with a usable price.")
    new_rows: int = Field(description="Those that the version in production had not seen.")
    holdout_rows: int = Field(description="Those that the scores are of.")
    bundle_bytes: int


class ModelDescription(Described):
    """The body of `GET /model`."""

    model_name: str
    model_version: str
    track: Literal["production", "staging"]
    serving_from: FallbackLevel
    since: str | None = Field(description="RFC 3339, when this pod loaded it.")
    target: str = Field(description="The column that holds the price.")
    columns: list[Column]
    crosses: list[Cross]
    ignored_columns: dict[str, str] = Field(description="Columns of the data, and why not.")
    classes: list[ClassRange] = Field(description="The classes, cheapest first, in money.")
    scores: Scores
    baseline: Baseline
    compared_with: Champion | None = Field(description="Null for a first version.")
    lineage: Lineage


def describe_model(task: ServingTask, serving: Serving, model: Model) -> ModelDescription:
    """The description of a model that `serving` holds."""
    schema, summary = model.schema, model.summary
    comparison = summary.comparison
    return ModelDescription(
        model_name=task.model_name,
        model_version=model.version,
        track=task.track,
        serving_from=serving.level,
        since=format_time(serving.since) if serving.since else None,
        target=schema.target,
        columns=[Column(**_plain(column)) for column in schema.columns],
        crosses=[Cross(**_plain(cross)) for cross in schema.crosses],
        ignored_columns=schema.ignored,
        classes=[ClassRange.model_validate(each) for each in class_ranges(schema)],
        scores=_scores(summary.scores, summary.intervals),
        baseline=Baseline(
            name=summary.baseline_name,
            scores=_scores(summary.baseline, summary.baseline_intervals),
        ),
        compared_with=comparison and _champion(comparison),
        lineage=Lineage(**summary.model_dump(include=set(Lineage.model_fields))),
    )


def _champion(comparison: Comparison) -> Champion:
    known = comparison.model_dump()
    scores = {
        f"{own}{score}": known[f"{side}_{score}"]
        for own, side in (("", "champion"), ("own_", "challenger"))
        for score in COMPARED_SCORES
    }
    return Champion(
        version=comparison.champion_version,
        rows=comparison.rows,
        left_out=comparison.left_out,
        **scores,
    )


def _scores(scores: BundleScores, within: BundleIntervals | None) -> Scores:
    return Scores(**_plain(scores), intervals=within and ScoreIntervals(**_plain(within)))


def _plain(part: BaseModel) -> dict[str, object]:
    return part.model_dump()
