"""What the JSON files of a bundle are made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

FORMAT = 1
"""Version of the bundle's layout; a reader refuses a newer one."""


class Part(BaseModel):
    """A part of such a file; fields that a newer training wrote are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)
