"""`spec.promotion`: how a trained version gets to production."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from housing_core.api.base import LONGER_THAN_ZERO, ApiType, Duration, rule, rules


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
            rule(
                "!has(self.canary)",
                "canary is not available in this version: leave it out; a version takes all traffic "
                "once staging passed",
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
