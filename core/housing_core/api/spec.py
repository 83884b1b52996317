"""`spec` of a HousingModel: one block per concern, a default for every field but two.

A block is written down in the module of its name in `blocks`; the whole of them is here.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from housing_core.api.base import ApiType, rule, rules
from housing_core.api.blocks.dataset import Column, ColumnKind, Cross, Dataset, Target
from housing_core.api.blocks.monitoring import Monitoring, Thresholds
from housing_core.api.blocks.promotion import Gates, Promotion
from housing_core.api.blocks.retraining import Retraining
from housing_core.api.blocks.serving import (
    REQUESTS_PER_SECOND_METRIC,
    Autoscaling,
    Serving,
    ServingTrack,
)
from housing_core.api.blocks.training import Forest, Resampling, Training

__all__ = [
    "REQUESTS_PER_SECOND_METRIC",
    "Autoscaling",
    "Column",
    "ColumnKind",
    "Cross",
    "Dataset",
    "Forest",
    "Gates",
    "HousingModelSpec",
    "Monitoring",
    "Promotion",
    "Resampling",
    "Retraining",
    "Serving",
    "ServingTrack",
    "Target",
    "Thresholds",
    "Training",
]


class HousingModelSpec(ApiType):
    """A tabular classifier that is kept good in production."""

    model_config = {
        "json_schema_extra": rules(
            rule(
                "!has(self.dataset.feedback) || self.dataset.feedback != 'Join' "
                "|| has(self.serving.feedback.tokenSecretRef)",
                "dataset.feedback: Join needs serving.feedback.tokenSecretRef: without a token no "
                "feedback is taken that could join",
            ),
        )
    }

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
