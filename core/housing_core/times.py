"""Times as Kubernetes and our reports write them."""

from __future__ import annotations

from datetime import UTC, datetime


def format_time(time: datetime) -> str:
    """RFC 3339 in UTC, whole seconds, as Kubernetes writes it: `2026-11-23T15:58:00Z`."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """Read RFC 3339; raises ValueError when the text is none."""
    return datetime.fromisoformat(text)
