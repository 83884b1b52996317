"""What the report is made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A part of the report; fields that a newer monitor wrote are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)
