"""`status` of a HousingModel: what the operator and the monitor have seen. Lists are bounded."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from housing_core.api.base import StatusType, Timestamp, list_map

TEXT_LIMIT = 1024
MESSAGE_LIMIT = 4096

Text = Annotated[str, Field(max_length=TEXT_LIMIT)]
Version = Annotated[str, Field(max_length=20, pattern=r"^[0-9]+$")]
Trigger = Literal["Spec", "Schedule", "Drift", "Request"]
Outcome = Literal["Registered", "NoNewData", "InvalidData", "Failed"]

HISTORY_LIMIT = 20
ALERT_LIMIT = 20
FEATURE_LIMIT = 32
STARTS_LIMIT = 100


class Condition(StatusType):
    """A condition per the Kubernetes API conventions."""

    type: Text = Field(description="What it is about, for example Ready.")
    status: Literal["True", "False", "Unknown"] = Field(description="True, False or Unknown.")
    reason: Annotated[str, Field(max_length=128)] = Field(description="Why, in one word.")
    message: Annotated[str, Field(max_length=MESSAGE_LIMIT)] = Field(
        description="Why, for a person."
    )
    last_transition_time: Timestamp = Field(description="When the status last changed.")
    observed_generation: int = Field(default=0, description="The generation that it speaks of.")


class TrackStatus(StatusType):
    """The version that a track serves, and how good it was on the holdout of its training."""

    version: Version = Field(description="Version of the registered model that is pinned.")
    run_id: Text | None = Field(default=None, description="The MLflow run that trained it.")
    url: Text | None = Field(default=None, description="Where it answers inside the cluster.")
    since: Timestamp | None = Field(default=None, description="Since when it is pinned.")
    registered_at: Timestamp | None = Field(
        default=None, description="When its training registered it."
    )
    ready_replicas: int = Field(default=0, description="Pods that answer with this version.")
    serving_from: Text | None = Field(
        default=None,
        description="The link of the fallback chain that answers, or answered last: Production, "
        "Staging or LocalCopy; the furthest one where pods differ.",
    )
    macro_f1: float | None = Field(default=None, description="Macro F1 on the holdout.")
    macro_f1_lower: float | None = Field(
        default=None, description="Lower end of the 95 % interval of macroF1."
    )
    macro_f1_upper: float | None = Field(default=None, description="Upper end of it.")
    accuracy: float | None = Field(default=None, description="Accuracy on the holdout.")
    roc_auc: float | None = Field(
        default=None, description="One-versus-rest macro ROC-AUC on the holdout."
    )


class DriftScores(StatusType):
    """The numbers that the thresholds of seed 5.1 are held against."""

    max_psi: float | None = Field(
        default=None, description="Largest population stability index of a feature."
    )
    max_psi_feature: Text | None = Field(default=None, description="The feature that has it.")
    prediction_drift: float | None = Field(
        default=None, description="Kullback-Leibler divergence of the predicted class shares."
    )
    max_cardinality_ratio: float | None = Field(
        default=None, description="Largest cardinality ratio of a feature."
    )
    max_cardinality_ratio_feature: Text | None = Field(
        default=None, description="The feature that has it."
    )


class FeatureScores(StatusType):
    """How far one feature moved."""

    name: Text = Field(description="Name of the feature.")
    psi: float | None = Field(
        default=None, description="Population stability index, without what chance adds to it."
    )
    psi_noise: float | None = Field(
        default=None, description="The most of it that chance explains."
    )
    missing_share: float | None = Field(
        default=None, description="Share of the window's rows without a value."
    )
    missing_share_reference: float | None = Field(
        default=None, description="Share of the training rows without a value."
    )
    mean_shift: float | None = Field(
        default=None,
        description="Shift of the mean of a number, up or down, in standard deviations of the "
        "training.",
    )
    deviation_ratio: float | None = Field(
        default=None,
        description="Standard deviation of a number in the window, over that in the training.",
    )
    skewness_shift: float | None = Field(
        default=None, description="Skewness of a number in the window, less that in the training."
    )
    out_of_range_share: float | None = Field(
        default=None, description="Share of a number's values outside the training's range."
    )
    cardinality_ratio: float | None = Field(
        default=None,
        description="Distinct categories of window and training together, over training's.",
    )
    new_share: float | None = Field(
        default=None, description="Share of the window's rows in categories new since training."
    )


class MeasuredScore(StatusType):
    """A score with its interval, and the same score on the holdout of the training."""

    value: float = Field(description="The score, from 0 to 1.")
    lower: float = Field(description="Lower end of its interval.")
    upper: float = Field(description="Upper end of its interval.")
    reference: float | None = Field(default=None, description="The same score on the holdout.")


class PerformanceStatus(StatusType):
    """How good the version is on what it answered, as far as that can be told."""

    labels: int = Field(default=0, description="Predictions whose true price is known.")
    accuracy: MeasuredScore | None = Field(
        default=None, description="Accuracy on labelled predictions."
    )
    macro_f1: MeasuredScore | None = Field(
        default=None, description="Macro F1 on labelled predictions."
    )
    estimated_accuracy: MeasuredScore | None = Field(
        default=None,
        description="Accuracy in the window as estimated from the model's own confidence, "
        "without labels.",
    )


class DriftAlert(StatusType):
    """One thing that moved further than its threshold."""

    name: Text = Field(description="What was measured, for example PSI.")
    feature: Text | None = Field(default=None, description="The feature that moved.")
    severity: Literal["High", "Medium", "Low"] = Field(description="High alerts count for 5.5.")
    value: float | None = Field(default=None, description="What was measured.")
    threshold: float | None = Field(default=None, description="What it was held against.")
    message: Text = Field(default="", description="In words.")


class AlertCounts(StatusType):
    """How many alerts a report has of each severity."""

    high: int = Field(default=0, description="High alerts; these count for 5.5.")
    medium: int = Field(default=0, description="Medium alerts.")
    low: int = Field(default=0, description="Low alerts.")


class DriftStatus(StatusType):
    """The newest drift report; only the monitor of this model writes it."""

    report_id: Text = Field(description="Equal for the same window of the same version.")
    model_version: Version = Field(description="The version whose predictions were looked at.")
    time: Timestamp = Field(description="When the report was made.")
    verdict: Literal["Stable", "Drift", "NotEnoughData"] = Field(description="What it found.")
    reason: Text = Field(
        default="", description="Which rule of seed 5.5 decided, with its numbers."
    )
    samples: int = Field(default=0, description="Predictions in the window.")
    window_start: Timestamp | None = Field(default=None, description="Oldest prediction looked at.")
    window_end: Timestamp | None = Field(default=None, description="Newest prediction looked at.")
    scores: DriftScores = Field(default_factory=DriftScores, description="The numbers.")
    features: list[FeatureScores] = Field(
        default_factory=list,
        max_length=FEATURE_LIMIT,
        description="The features that moved furthest, by their population stability index.",
    )
    performance: PerformanceStatus | None = Field(
        default=None, description="How good the version is on what it answered."
    )
    alerts: list[DriftAlert] = Field(
        default_factory=list, max_length=ALERT_LIMIT, description="The gravest alerts."
    )
    alert_counts: AlertCounts | None = Field(
        default=None, description="All alerts by severity, also those that are not listed."
    )
    dataset_fingerprint: Text | None = Field(
        default=None, description="Digest of the dataset's file listing at that time."
    )
    run_id: Text | None = Field(default=None, description="The MLflow run with the full report.")


class InferredColumn(StatusType):
    """A column and the kind that training gave it."""

    name: Annotated[str, Field(max_length=128)] = Field(description="Name of the column.")
    kind: Annotated[str, Field(max_length=32)] = Field(description="Its kind.")
    reason: Text = Field(default="", description="Why it has this kind.")


class InferredCross(StatusType):
    """A cross that the model uses."""

    name: Annotated[str, Field(max_length=128)] = Field(description="Name of the cross.")
    columns: list[Annotated[str, Field(max_length=128)]] = Field(
        max_length=4, description="The columns that are combined."
    )


class ClassBoundary(StatusType):
    """Where one class ends and the next begins."""

    below: Annotated[str, Field(max_length=63)] = Field(description="The class below the boundary.")
    price: float = Field(description="The boundary in the target's own unit.")
    above: Annotated[str, Field(max_length=63)] = Field(description="The class from it upwards.")


class ModelInputs(StatusType):
    """What the newest version was trained on, spec and inference together."""

    version: Version = Field(description="The version that uses them.")
    rows: int = Field(default=0, description="Rows that it learned from, duplicates left out.")
    recipe: Text = Field(default="", description="The recipe of the spec that made it.")
    model: Text = Field(
        default="", description="The candidate that the recipe made or that won, and by how much."
    )
    warnings: list[Text] = Field(
        default_factory=list,
        max_length=10,
        description="What to look at before trusting its scores.",
    )
    columns: list[InferredColumn] = Field(
        default_factory=list, max_length=256, description="Columns and their kinds."
    )
    crosses: list[InferredCross] = Field(
        default_factory=list, max_length=16, description="Feature crosses."
    )
    boundaries: list[ClassBoundary] = Field(
        default_factory=list, max_length=9, description="Class boundaries in money."
    )


class TrainingProgress(StatusType):
    """How far a running training is, by its own account."""

    stage: Annotated[str, Field(max_length=32)] = Field(
        description="read, encode, select, search, grow, evaluate or register."
    )
    trees_done: int | None = Field(default=None, ge=0, description="Trees of the forest so far.")
    trees: int | None = Field(default=None, ge=1, description="Trees of the whole forest.")
    steps_done: int | None = Field(
        default=None, ge=0, description="Steps of the stage so far, where it is no forest."
    )
    steps: int | None = Field(
        default=None, ge=1, description="Steps of the whole stage, at most; it may need fewer."
    )
    unit: Annotated[str, Field(max_length=32)] | None = Field(
        default=None,
        description="What a step is: fits of candidates, trials of a search, or iterations of "
        "boosting, which are told at their beginning only.",
    )
    seconds_left: int | None = Field(
        default=None, ge=0, description="Until the stage ends, where that can be told."
    )
    reported_at: Timestamp = Field(description="When the training said so.")


class TrainingStatus(StatusType):
    """The training under way, or the last one."""

    key: Annotated[str, Field(max_length=64)] = Field(
        description="Names the training in MLflow, whatever the attempt."
    )
    trigger: Trigger = Field(description="What asked for it.")
    token: Text = Field(description="Which change, date, report or request asked for it.")
    attempt: int = Field(default=1, description="Attempts so far, this one included.")
    job_name: Annotated[str, Field(max_length=63)] = Field(description="The Job of this attempt.")
    started_at: Timestamp = Field(
        description="When the first attempt began, or the one "
        "with which a person let a failed training go on."
    )
    progress: TrainingProgress | None = Field(
        default=None, description="How far it is, at most a minute ago; absent once it has ended."
    )
    retry_at: Timestamp | None = Field(
        default=None, description="When the next attempt begins, after a failed one."
    )
    finished_at: Timestamp | None = Field(
        default=None, description="When it ended; absent while it is under way."
    )
    outcome: Outcome | None = Field(default=None, description="How it ended.")
    message: Annotated[str, Field(max_length=MESSAGE_LIMIT)] = Field(
        default="", description="How it ended, for a person."
    )
    version: Version | None = Field(default=None, description="The version that it registered.")
    spec: dict[str, Any] = Field(
        default_factory=dict, description="The normalised spec that it trains."
    )


class Candidate(StatusType):
    """A version on its way to production."""

    version: Version = Field(description="The version.")
    step: Literal["Gates", "Staging", "Approval", "Production"] = Field(
        description="The step that it has reached."
    )
    since: Timestamp = Field(description="When it reached this step.")
    by_person: bool = Field(
        default=False, description="A person moved an alias to it: the offline gates do not apply."
    )
    previous_production: Version | None = Field(
        default=None, description="What production goes back to when it fails."
    )
    previous_staging: Version | None = Field(
        default=None, description="What staging goes back to when it fails."
    )


class AliasIntent(StatusType):
    """An alias move in MLflow that the operator is about to make."""

    alias: Literal["production", "staging"] = Field(description="The alias.")
    version: Version | None = Field(default=None, description="Where it goes; absent to remove it.")


class Aliases(StatusType):
    """The aliases as the operator last left or obeyed them."""

    production: Version | None = Field(default=None, description="Version of alias production.")
    staging: Version | None = Field(default=None, description="Version of alias staging.")
    intent: list[AliasIntent] = Field(
        default_factory=list, max_length=2, description="Moves that may be half done."
    )


class RejectedVersion(StatusType):
    """A version that failed a gate or a rollout, and is not tried again."""

    version: Version = Field(description="The version.")
    reason: Text = Field(description="Which gate, with the value that it showed.")
    time: Timestamp = Field(description="When.")


class RefusedInputs(StatusType):
    """What a version that was rejected had been trained on."""

    version: Version = Field(description="The version.")
    dataset_fingerprint: Text = Field(description="Digest of the file listing that it read.")
    generation: int = Field(description="The generation of the spec then.")


class RetrainingStatus(StatusType):
    """What the retraining policy remembers."""

    handled_report: Text | None = Field(
        default=None, description="The newest drift report that was answered by a training."
    )
    handled_request: Text | None = Field(
        default=None, description="The newest token of the retrain annotation that was answered."
    )
    handled_schedule: Timestamp | None = Field(
        default=None, description="The newest date of the schedule that was answered."
    )
    starts: list[Timestamp] = Field(
        default_factory=list,
        max_length=STARTS_LIMIT,
        description="The newest trainings by drift or schedule, for cooldown and budget.",
    )
    failures: int = Field(default=0, description="Trainings that failed since the last good one.")
    no_new_data_fingerprint: Text | None = Field(
        default=None,
        description="Digest of the file listing in which the last run found no new row; "
        "the trigger waits until it changes.",
    )
    refused: RefusedInputs | None = Field(
        default=None,
        description="What the newest training read, when its version was rejected: drift and "
        "schedule wait until data or spec change.",
    )
    pending_trigger: Trigger | None = Field(
        default=None, description="What asked for the run that found no new row, and still waits."
    )


class HistoryEntry(StatusType):
    """One thing that happened to a version."""

    time: Timestamp = Field(description="When.")
    version: Version | None = Field(default=None, description="The version, where there is one.")
    event: Annotated[str, Field(max_length=64)] = Field(
        description="For example Registered, Promoted, Rejected, RolledBack, NoNewData, Failed."
    )
    trigger: Trigger | None = Field(default=None, description="What asked for the training.")
    message: Text = Field(default="", description="For a person.")
    macro_f1: float | None = Field(default=None, description="Macro F1 on its holdout.")


class HousingModelStatus(StatusType):
    """What has been seen; `drift` belongs to the monitor, everything else to the operator."""

    observed_generation: int = Field(default=0, description="The newest generation acted on.")
    conditions: list[Condition] = Field(
        default_factory=list,
        max_length=16,
        description="Ready, Trained, StagingAvailable, ProductionAvailable, DriftDetected, "
        "RetrainingBlocked, Degraded.",
        json_schema_extra=list_map("type"),
    )
    production: TrackStatus | None = Field(default=None, description="The production track.")
    staging: TrackStatus | None = Field(default=None, description="The staging track.")
    inputs: ModelInputs | None = Field(
        default=None, description="Columns, crosses and boundaries of the newest version."
    )
    training: TrainingStatus | None = Field(
        default=None, description="The training under way, or the last one."
    )
    candidate: Candidate | None = Field(
        default=None, description="A version on its way to production."
    )
    aliases: Aliases = Field(
        default_factory=Aliases, description="The aliases as the operator last left them."
    )
    rejected_versions: list[RejectedVersion] = Field(
        default_factory=list, max_length=HISTORY_LIMIT, description="Versions not tried again."
    )
    retraining: RetrainingStatus = Field(
        default_factory=RetrainingStatus, description="What the retraining policy remembers."
    )
    drift: DriftStatus | None = Field(default=None, description="The newest drift report.")
    history: list[HistoryEntry] = Field(
        default_factory=list, max_length=HISTORY_LIMIT, description="What happened, newest first."
    )
