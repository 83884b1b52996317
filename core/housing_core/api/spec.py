"""`spec` of a HousingModel: one block per concern, a default for every field but two."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from housing_core.api.base import ApiType, CronSchedule, Duration, list_map, rule, rules
from housing_core.api.pods import PodSettings, SecretKeyReference, SecretReference

ColumnName = Annotated[str, Field(min_length=1, max_length=128)]
ColumnKind = Literal["Numeric", "Categorical", "HighCardinality", "Ignored"]


def _not_available(field: str, instead: str) -> dict[str, str]:
    return rule(f"!has(self.{field})", f"{field} is not available in this version: {instead}")


REQUESTS_PER_SECOND_METRIC = "housing_requests_per_second"
"""The rate of serving's counter `housing_requests_total`, by prometheus-adapter's naming."""

LONGER_THAN_ZERO = rules(rule("self.matches('[1-9]')", "must be longer than zero, for example 30m"))
"""Of a duration in which something has to happen."""


class Target(ApiType):
    """What is predicted: the price, cut into classes at percentiles (seed 4.3)."""

    model_config = {
        "json_schema_extra": rules(
            rule(
                "self.classes.size() == self.quantiles.size() + 1",
                "classes must name one class more than there are quantiles: "
                "two quantiles make three classes",
            ),
        )
    }

    column: ColumnName = Field(description="The column that holds the price.")
    quantiles: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        default=[0.4, 0.8],
        min_length=1,
        max_length=9,
        description="Where the training prices are cut into classes, as rising shares of the rows.",
        json_schema_extra=rules(
            rule(
                "self.isSorted() && self.all(q, self.exists_one(p, p == q))",
                "quantiles must rise strictly, for example [0.4, 0.8]",
            )
        ),
    )
    classes: list[Annotated[str, Field(min_length=1, max_length=63)]] = Field(
        default=["Low", "Medium", "High"],
        min_length=2,
        max_length=10,
        description="Names of the classes, from the lowest prices to the highest.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    boundaries: Literal["Recompute", "Keep"] = Field(
        default="Recompute",
        description="Recompute the class boundaries from the data of each training, "
        "or Keep those of the version in production.",
    )


class Column(ApiType):
    """One column whose kind you set instead of leaving it to inference."""

    name: ColumnName = Field(description="Name of the column in the data.")
    kind: ColumnKind = Field(
        description="Numeric; Categorical (one input per category); HighCardinality (hashed); "
        "or Ignored (not an input)."
    )


class Cross(ApiType):
    """Columns whose combined value becomes one hashed input (seed 4.2)."""

    name: ColumnName = Field(description="Name of the cross, for example district_heating.")
    columns: list[ColumnName] = Field(
        min_length=2,
        max_length=4,
        description="The columns that are combined.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )


class Split(ApiType):
    """By which column the rows are parted into those learned from and the holdout."""

    model_config = {
        "json_schema_extra": rules(
            rule(
                "has(self.groupColumn) != has(self.timeColumn)",
                "split takes either groupColumn or timeColumn; leave split out to part single rows",
            ),
        )
    }

    group_column: ColumnName | None = Field(
        default=None,
        description="Rows with the same value in this column, for example a building or a seller, "
        "stay on one side, for ever.",
    )
    time_column: ColumnName | None = Field(
        default=None,
        description="The newest rows by this column of dates or rising numbers are the holdout.",
    )


class DatasetCredentials(ApiType):
    """How the dataset is reached."""

    secret_ref: SecretReference = Field(
        description="A Secret whose keys become environment variables, "
        "for example AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
    )


class Dataset(ApiType):
    """The listings: where they are, and what their columns mean."""

    model_config = {
        "json_schema_extra": rules(
            rule(
                "!has(self.crosses) || !self.crosses.exists(c, self.target.column in c.columns)",
                "crosses must not contain the target column: it is what is predicted",
            ),
            rule(
                "!has(self.split) || ((!has(self.split.groupColumn) || "
                "self.split.groupColumn != self.target.column) && (!has(self.split.timeColumn) || "
                "self.split.timeColumn != self.target.column))",
                "split must not name the target column: rows would be parted by their price",
            ),
            rule(
                "!has(self.columns) || !self.columns.exists(c, c.name == self.target.column)",
                "columns must not contain the target column: it is what is predicted",
            ),
        )
    }

    uri: str = Field(
        min_length=2,
        max_length=2048,
        pattern=r"^(pvc://[a-z0-9]|s3://[a-z0-9]|https://[^/]|/)",
        description="A file, a folder or a glob of CSV or Parquet files: pvc://claim/path, "
        "s3://bucket/key, https://host/path, or an absolute path in the training container. "
        "A folder may grow: retraining reads what is there then.",
    )
    format: Literal["Auto", "CSV", "Parquet"] = Field(
        default="Auto", description="Format of the files; Auto looks at each file's content."
    )
    target: Target = Field(description="What is predicted.")
    columns: list[Column] = Field(
        default_factory=list,
        max_length=256,
        description="Columns whose kind you set; the kind of every other column is inferred.",
        json_schema_extra=list_map("name"),
    )
    crosses: list[Cross] | None = Field(
        default=None,
        max_length=16,
        description="Feature crosses; inferred when left out, none when empty.",
        json_schema_extra=list_map("name"),
    )
    split: Split | None = Field(
        default=None,
        description="How rows are parted into those learned from and the holdout; by a hash of "
        "each row when left out.",
    )
    credentials: DatasetCredentials | None = Field(
        default=None, description="How the dataset is reached, where that needs a secret."
    )


class Hashing(ApiType):
    """Feature hashing of high-cardinality columns and crosses (seed 4.1)."""

    buckets: int = Field(
        default=16_384,
        ge=16,
        le=1_048_576,
        description="Number of buckets of the hasher: features of HashedForest, and rows of the "
        "table of EncodedForest and EncodedBoosting.",
    )


class Resampling(ApiType):
    """Rebalancing of the classes in the training part (seed 4.5)."""

    method: Literal["SMOTE", "None"] = Field(
        default="SMOTE",
        description="SMOTE makes synthetic rows of the smaller classes. HashedForest only.",
    )
    max_ratio: float = Field(
        default=2.0,
        ge=1,
        le=10,
        description="At most this many times a class's own rows. HashedForest only.",
    )


class Forest(ApiType):
    """The random forest (seed 4.4)."""

    trees: int = Field(
        default=100,
        ge=1,
        le=2_000,
        description="Number of trees. Each draws as many rows as there are, and 200,000 at most.",
    )
    max_depth: int | None = Field(
        default=None, ge=1, le=200, description="Deepest level of a tree; no limit when left out."
    )
    min_samples_leaf: int = Field(default=1, ge=1, le=10_000, description="Fewest rows in a leaf.")
    max_features: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None,
        description="Share of the features that each split chooses from; the square root of their "
        "number when left out.",
    )
    class_weight: Literal["Balanced", "None"] = Field(
        default="Balanced", description="Balanced weighs rows inversely to their class's share."
    )


class Checkpoint(ApiType):
    """How an interrupted training goes on (seed 4.6)."""

    every_trees: int = Field(
        default=20,
        ge=1,
        le=2_000,
        description="Trees between two checkpoints in MLflow. Boosting, which `recipe: auto` may "
        "choose, has none: another attempt takes over what was chosen, and fits it anew.",
    )


class Auto(ApiType):
    """What `recipe: auto` may take to find the best model."""

    time_budget: Duration = Field(
        default="45s",
        description="How long the candidates are compared in cross-validation; what does not fit "
        "in is left out, and the run says so. A fit under way is finished, and the final fit comes "
        "on top.",
        json_schema_extra=LONGER_THAN_ZERO,
    )


class Search(ApiType):
    """Hyperparameter search by Optuna, in cross-validation on the training part."""

    trials: int = Field(
        ge=2,
        le=500,
        description="How many settings to try, for example 20; the first are those that the model "
        "has without a search.",
    )
    timeout: Duration = Field(
        default="15m",
        description="How long the search may take, all attempts together; no further fit begins "
        "after it. The final fit comes on top.",
        json_schema_extra=LONGER_THAN_ZERO,
    )


class Distributed(ApiType):
    """Training on several pods: Dask workers that help the Job's own pod."""

    workers: int = Field(
        ge=1,
        le=64,
        description="Pods that grow trees and judge settings besides the Job's own, each with the "
        "resources of training. The data must fit the memory of each; the model is the same.",
    )


class Training(PodSettings):
    """How the model is trained: one Job."""

    model_config = {
        "json_schema_extra": rules(
            rule(
                "!has(self.search) || duration(self.search.timeout) < duration(self.timeout)",
                "search.timeout must be shorter than timeout: the final fit comes after the search",
            ),
        )
    }

    recipe: Literal["seed", "auto"] = Field(
        default="auto",
        description="auto: the best of a random forest and boosting on target-encoded categories "
        "and the forest of seed, by cross-validation on the training part. seed: feature hashing, "
        "crosses, SMOTE and a class-weighted random forest.",
    )
    auto: Auto = Field(default_factory=Auto, description="What recipe auto may take.")
    hashing: Hashing = Field(
        default_factory=Hashing,
        description="Feature hashing of high-cardinality columns and crosses, which every model "
        "uses.",
    )
    resampling: Resampling = Field(
        default_factory=Resampling,
        description="Rebalancing of the classes for HashedForest, the model of recipe seed. When "
        "recipe auto chooses another, as status.inputs.model says, it has no effect on that one.",
    )
    forest: Forest = Field(
        default_factory=Forest,
        description="The random forest, hashed or encoded; no effect on EncodedBoosting, "
        "which recipe auto may choose.",
    )
    checkpoint: Checkpoint = Field(
        default_factory=Checkpoint,
        description="How an interrupted training of a forest goes on; EncodedBoosting takes "
        "seconds and has no checkpoints.",
    )
    holdout_fraction: float = Field(
        default=0.2,
        ge=0.05,
        le=0.5,
        description="Share of the rows that is kept for evaluation, chosen by a stable hash of "
        "each row, so that a row keeps its side in every training.",
    )
    seed: int = Field(
        default=42, ge=0, le=4_294_967_295, description="Seed of everything random (random_state)."
    )
    schedule: CronSchedule | None = Field(
        default=None,
        description="When to train again regardless of drift, as five cron fields in UTC.",
    )
    timeout: Duration = Field(
        default="2h",
        description="How long one attempt may take before it counts as failed.",
        json_schema_extra=LONGER_THAN_ZERO,
    )
    max_attempts: int = Field(
        default=3,
        ge=1,
        le=10,
        description="Attempts of one training before it waits for a change; "
        "each goes on from the last checkpoint.",
    )
    search: Search | None = Field(
        default=None,
        description="Search for better settings of the model that the recipe makes: depth, leaves "
        "and features of a forest; learning rate, leaves, features and l2 of boosting. Its own "
        "settings are used when left out.",
    )
    distributed: Distributed | None = Field(
        default=None,
        description="Share the work with further pods; the Job's own pod does all of it when left "
        "out.",
    )

    def relevant(self) -> dict[str, Any]:
        """The fields that a trained model depends on, as JSON; `auto` and `search` where they run."""
        spec = self.to_json()
        keys = ["recipe", "hashing", "resampling", "forest", "holdoutFraction", "seed"]
        if self.recipe == "auto":
            keys.append("auto")
        if self.search is not None:
            keys.append("search")
        return {key: spec[key] for key in keys}


class Gates(ApiType):
    """What a version must show before it goes on."""

    min_macro_f1: float = Field(
        default=0.5, ge=0, le=1, description="Least macro F1 on the holdout."
    )
    max_macro_f1_drop: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="How much lower than production's its macro F1 may be, both on the newest holdout.",
    )
    max_boundary_shift: float = Field(
        default=0.5,
        ge=0,
        description="How far a class boundary may move from production's, as a share of it.",
    )
    max_latency: Annotated[str, Field(max_length=16, pattern=r"^[0-9]{1,7}(ms|s)$")] = Field(
        default="50ms",
        description="Longest 95th percentile of one prediction in the staging pods, "
        "measured on the golden rows.",
    )
    rollout_timeout: Duration = Field(
        default="10m",
        description="How long the new version may take to answer before the rollout is undone.",
        json_schema_extra=LONGER_THAN_ZERO,
    )


class Promotion(ApiType):
    """How a trained version gets to production."""

    model_config = {
        "json_schema_extra": rules(
            _not_available(
                "canary", "leave it out; a version takes all traffic once staging passed"
            )
        )
    }

    mode: Literal["Automatic", "Manual"] = Field(
        default="Automatic",
        description="Automatic promotes a version that passes its gates; Manual waits for the "
        "annotation housing-operator.dev/approve with the version's number.",
    )
    gates: Gates = Field(
        default_factory=Gates, description="What a version must show before it goes on."
    )
    canary: dict[str, Any] | None = Field(
        default=None, description="Gradual traffic shift: not available in this version."
    )


class Autoscaling(ApiType):
    """How many pods a track has, by its load: a HorizontalPodAutoscaler."""

    model_config = {
        "json_schema_extra": rules(
            rule(
                "self.maxReplicas >= self.minReplicas",
                "maxReplicas must be at least minReplicas",
            ),
            rule(
                "has(self.targetCPUUtilizationPercentage) || has(self.targetRequestsPerSecond)",
                "give targetCPUUtilizationPercentage, targetRequestsPerSecond, or both",
            ),
        )
    }

    min_replicas: int = Field(default=1, ge=1, le=100, description="Fewest pods.")
    max_replicas: int = Field(ge=1, le=100, description="Most pods.")
    target_cpu_utilization_percentage: int | None = Field(
        default=None,
        alias="targetCPUUtilizationPercentage",
        ge=1,
        le=1_000,
        description="Mean CPU use of the pods to aim for, in percent of resources.requests.cpu.",
    )
    target_requests_per_second: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Mean requests per second and pod to aim for. Needs a custom metrics API that "
        f"offers {REQUESTS_PER_SECOND_METRIC} for pods, for example prometheus-adapter.",
    )


class ServingTrack(PodSettings):
    """The pods of one track."""

    model_config = {
        "json_schema_extra": rules(
            rule(
                "!has(self.autoscaling) || !has(self.autoscaling.targetCPUUtilizationPercentage) "
                "|| (has(self.resources) && ('cpu' in self.resources.requests "
                "|| 'cpu' in self.resources.limits))",
                "autoscaling.targetCPUUtilizationPercentage is a share of resources.requests.cpu: "
                "set that too",
            ),
        )
    }

    replicas: int = Field(
        default=1,
        ge=1,
        le=100,
        description="Number of pods; with autoscaling, how many to start with.",
    )
    autoscaling: Autoscaling | None = Field(
        default=None, description="Scaling by load; the number of pods is fixed when left out."
    )
    workers: int = Field(
        default=1,
        ge=1,
        le=32,
        description="Serving processes of each pod; each of them answers on one core.",
    )


CLAIM_SIZE = "5Gi"


class PredictionLog(ApiType):
    """Where every prediction is kept for monitoring."""

    model_config = {
        "json_schema_extra": rules(
            rule(
                # The API server fills in the defaults first: those are all that can be seen.
                f"!has(self.uri) || (!has(self.storageClassName) && self.size == '{CLAIM_SIZE}' "
                "&& self.accessMode == 'ReadWriteOnce')",
                "size, storageClassName and accessMode are of the claim that the operator makes: "
                "leave them out where uri names a place of yours",
            )
        )
    }

    uri: str | None = Field(
        default=None,
        max_length=2048,
        pattern=r"^(pvc://[a-z0-9]|s3://[a-z0-9])",
        description="pvc://claim/path or s3://bucket/prefix; a claim that the operator makes "
        "when left out.",
    )
    size: Annotated[str, Field(max_length=20, pattern=r"^[0-9]+(Mi|Gi|Ti)$")] = Field(
        default=CLAIM_SIZE, description="Size of the claim that the operator makes."
    )
    storage_class_name: Annotated[str, Field(max_length=253)] | None = Field(
        default=None,
        description="Storage class of that claim; the cluster's default when left out.",
    )
    access_mode: Literal["ReadWriteOnce", "ReadWriteMany"] = Field(
        default="ReadWriteOnce",
        description="Access mode of that claim. With ReadWriteOnce all pods of this model run on "
        "one node.",
    )
    retention_days: int = Field(
        default=90,
        ge=1,
        le=3_650,
        description="Days that predictions and feedback are kept; the monitor deletes older ones.",
    )


class Feedback(ApiType):
    """True prices that come back: `POST /feedback`."""

    token_secret_ref: SecretKeyReference | None = Field(
        default=None,
        description="The bearer token that a request must carry, since training may learn from "
        "what it brings. A new token counts within two minutes, without new pods. "
        "No feedback is taken when left out, or while the Secret is not there.",
    )


class Serving(ApiType):
    """How predictions are answered: one Deployment per track."""

    production: ServingTrack = Field(
        default_factory=ServingTrack, description="The pods that answer for production."
    )
    staging: ServingTrack = Field(
        default_factory=ServingTrack, description="The pods that a new version must pass in first."
    )
    prediction_log: PredictionLog = Field(
        default_factory=PredictionLog, description="Where every prediction is kept for monitoring."
    )
    feedback: Feedback = Field(default_factory=Feedback, description="True prices that come back.")
    max_rows: int = Field(
        default=10_000, ge=1, le=1_000_000, description="Most listings in one request."
    )


class Thresholds(ApiType):
    """When a difference between the window and the reference counts (seed 5.1, 5.3, 5.5)."""

    psi: float = Field(
        default=0.25, gt=0, description="Population stability index of one feature (seed 5.1)."
    )
    prediction_drift: float = Field(
        default=0.15,
        gt=0,
        description="Kullback-Leibler divergence of the predicted class shares (seed 5.1).",
    )
    cardinality_ratio: float = Field(
        default=1.3,
        gt=1,
        description="Distinct categories in the window and the reference together, "
        "against the reference's alone, in equally many rows of both (seed 5.1).",
    )
    high_severity_alerts: int = Field(
        default=2,
        ge=1,
        description="This many alerts of high severity ask for retraining (seed 5.5).",
    )
    accuracy_drop: float = Field(
        default=0.05,
        gt=0,
        le=1,
        description="Fall of the accuracy on labelled predictions below that on the holdout, "
        "as a share of the rows (seed 5.3); its interval at 95 % has to support more than this.",
    )
    macro_f1_drop: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None,
        description="The same fall of macro F1, which also moves when labels come back for other "
        "classes than before; it asks for no retraining when left out.",
    )
    estimated_accuracy_drop: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None,
        description="The same fall of the accuracy that is estimated from the model's own "
        "confidence, without labels; such an estimate asks for no retraining when left out.",
    )


class Monitoring(PodSettings):
    """How drift is watched: one CronJob."""

    schedule: CronSchedule = Field(
        default="0 * * * *", description="When a report is made, as five cron fields in UTC."
    )
    window: Duration = Field(
        default="24h",
        description="How far back the predictions of a report go.",
        json_schema_extra=LONGER_THAN_ZERO,
    )
    min_samples: int = Field(
        default=200,
        ge=1,
        description="Fewer predictions than this make no verdict: NotEnoughData.",
    )
    evaluation_window: Duration = Field(
        default="720h",
        description="How far back predictions are joined with the labels that came for them.",
        json_schema_extra=LONGER_THAN_ZERO,
    )
    min_labels: int = Field(
        default=100,
        ge=1,
        description="Fewer labelled predictions than this say nothing of the accuracy.",
    )
    thresholds: Thresholds = Field(
        default_factory=Thresholds, description="When a difference counts."
    )


class Retraining(ApiType):
    """When the operator trains again by itself, and what holds it back."""

    on_drift: bool = Field(default=True, description="Train again when a report asks for it.")
    cooldown: Duration = Field(
        default="6h", description="Least time between two trainings by drift or schedule."
    )
    max_per_day: int = Field(
        default=4, ge=1, le=100, description="Most trainings by drift or schedule in 24 hours."
    )


class HousingModelSpec(ApiType):
    """A tabular classifier that is kept good in production."""

    dataset: Dataset = Field(description="The listings to learn from.")
    training: Training = Field(default_factory=Training, description="How the model is trained.")
    promotion: Promotion = Field(
        default_factory=Promotion, description="How a trained version gets to production."
    )
    serving: Serving = Field(default_factory=Serving, description="How predictions are answered.")
    monitoring: Monitoring = Field(default_factory=Monitoring, description="How drift is watched.")
    retraining: Retraining = Field(
        default_factory=Retraining, description="When the operator trains again by itself."
    )
    suspend: bool = Field(
        default=False,
        description="Stop training, promotion and monitoring; what serves goes on serving.",
    )

    def training_relevant(self) -> dict[str, Any]:
        """The part of the spec that a trained model depends on, normalised, as JSON.

        Two specs with equal parts train the same model from the same data. Plumbing, schedules
        and credentials are not in it.
        """
        spec = self.to_json()
        dataset = {key: value for key, value in spec["dataset"].items() if key != "credentials"}
        return {"dataset": dataset, "training": self.training.relevant()}
