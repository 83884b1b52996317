"""docs/results/serving.md has three parts, each written by a command of its own."""

from __future__ import annotations

import re
from pathlib import Path

LOG_HEADING = "## What the prediction log costs"
SOAK_HEADING = "## Production while its pods come and go"
_HEADINGS = ("", LOG_HEADING, SOAK_HEADING)


def write_comparison(page: Path, text: str) -> None:
    """Write the first part, which `make bench-serving` makes; the others stay."""
    _write(page, "", text)


def write_log_cost(page: Path, text: str) -> None:
    """Write the part that `make bench-serving-log` makes; it begins with its heading."""
    _write(page, LOG_HEADING, text)


def write_soak(page: Path, text: str) -> None:
    """Write the part that `make soak` makes; it begins with its heading."""
    _write(page, SOAK_HEADING, text)


def _write(page: Path, heading: str, text: str) -> None:
    parts = _parts(page.read_text("utf-8") if page.exists() else "# Serving, compared\n")
    parts[heading] = text
    page.parent.mkdir(parents=True, exist_ok=True)
    whole = [parts[one].strip() for one in _HEADINGS if one in parts]
    page.write_text("\n\n".join(whole) + "\n", "utf-8")


def _parts(text: str) -> dict[str, str]:
    """Heading → its part; the first has none."""
    found = re.split(f"^(?=(?:{'|'.join(map(re.escape, _HEADINGS[1:]))})$)", text, flags=re.M)
    return {part.partition("\n")[0] if i else "": part for i, part in enumerate(found)}
