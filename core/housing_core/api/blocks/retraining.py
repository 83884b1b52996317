"""`spec.retraining`: when the operator trains again by itself."""

from __future__ import annotations

from pydantic import Field

from housing_core.api.base import ApiType, Duration


class Retraining(ApiType):
    """When the operator trains again by itself, and what holds it back."""

    on_drift: bool = Field(default=True, description="Train again when a report asks for it.")
    cooldown: Duration = Field(
        default="6h", description="Least time between two trainings by drift or schedule."
    )
    max_per_day: int = Field(
        default=4, ge=1, le=100, description="Most trainings by drift or schedule in 24 hours."
    )
