"""How a type of the API is declared: camelCase on the wire, and Kubernetes' extensions to its schema."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

DURATION_PATTERN = r"^([0-9]{1,5}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$"
"""Bounded, since a date some million years ahead is none."""

Duration = Annotated[str, Field(min_length=2, max_length=16, pattern=DURATION_PATTERN)]
"""Hours, minutes and seconds as Kubernetes writes them: `90s`, `30m`, `24h`, `1h30m`."""

Timestamp = Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"})]
"""RFC 3339 in UTC, for example `2026-11-23T15:58:00Z`."""

CronSchedule = Annotated[
    str,
    Field(
        min_length=9,
        max_length=100,
        pattern=r"^(\S+\s+){4}\S+$",
        json_schema_extra={"example": "0 3 * * *"},
    ),
]
"""Five fields in UTC: minute, hour, day of month, month, day of week."""


class ApiType(BaseModel):
    """A part of the spec: an unknown field is an error, never silently dropped."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True
    )

    def to_json(self) -> dict[str, Any]:
        """The part as it stands in a manifest: camelCase, defaults included, absent values left out."""
        return self.model_dump(by_alias=True, exclude_none=True, mode="json")


class StatusType(ApiType):
    """A part of the status: fields that a newer operator wrote are dropped, not refused."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True
    )


def rule(expression: str, message: str) -> dict[str, str]:
    """One CEL rule of the API server.

    Args:
        expression: what must hold; `self` is the value that the rule stands on.
        message: what to write instead, for a person. The value cannot be put into it: turning a
            number into text has no bound that the API server's cost estimate would accept.

    """
    return {"rule": expression, "message": message}


def rules(*validations: dict[str, str]) -> dict[str, Any]:
    """The schema extension that carries CEL rules."""
    return {"x-kubernetes-validations": list(validations)}


def list_map(*keys: str) -> dict[str, Any]:
    """A list that is a map by these keys: duplicates are refused and appliers own single entries."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


LONGER_THAN_ZERO = rules(rule("self.matches('[1-9]')", "must be longer than zero, for example 30m"))
"""Of a `Duration` in which something has to happen."""


def parse_duration(text: str) -> timedelta:
    """The length of a `Duration`.

    Raises:
        ValueError: when the text is not a duration.

    """
    match = re.fullmatch(DURATION_PATTERN, text)
    if not match or not text:
        raise ValueError(f"{text!r} is not a duration such as 90s, 30m or 24h")
    hours, minutes, seconds = (int(part[:-1]) if part else 0 for part in match.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)
