"""`spec.serving`: how predictions are answered, logged and corrected."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from housing_core.api.base import ApiType, rule, rules
from housing_core.api.pods import PodSettings, SecretKeyReference

REQUESTS_PER_SECOND_METRIC = "housing_requests_per_second"
"""The rate of serving's counter `housing_requests_total`, by prometheus-adapter's naming."""

CLAIM_SIZE = "5Gi"


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
