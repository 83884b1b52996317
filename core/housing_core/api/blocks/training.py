"""`spec.training`: how the model is trained."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from housing_core.api.base import (
    LONGER_THAN_ZERO,
    ApiType,
    CronSchedule,
    Duration,
    rule,
    rules,
)
from housing_core.api.pods import PodSettings


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
        description="How an interrupted training of a forest goes on. EncodedBoosting has no "
        "checkpoints: its fit, seconds for some ten thousand rows and minutes for a million, begins "
        "anew.",
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
