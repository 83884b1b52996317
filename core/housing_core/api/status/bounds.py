"""Bounded texts, and how long the lists of the status may grow."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

TEXT_LIMIT = 1024
MESSAGE_LIMIT = 4096

Text = Annotated[str, Field(max_length=TEXT_LIMIT)]
Version = Annotated[str, Field(max_length=20, pattern=r"^[0-9]+$")]

HISTORY_LIMIT = 20
ALERT_LIMIT = 20
FEATURE_LIMIT = 32
STARTS_LIMIT = 100
