"""docs/results/serving.md has two parts, each written by a command of its own."""

from __future__ import annotations

from pathlib import Path

SOAK_HEADING = "## Production while its pods come and go"


def write_comparison(page: Path, text: str) -> None:
    """Write the first part, which `make bench-serving` makes; the second one stays."""
    _write(page, text, _parts(page)[1])


def write_soak(page: Path, text: str) -> None:
    """Write the second part, which `make soak` makes; it begins with its heading."""
    _write(page, _parts(page)[0], text)


def _parts(page: Path) -> tuple[str, str]:
    text = page.read_text("utf-8") if page.exists() else "# Serving, compared\n"
    first, heading, second = text.partition(SOAK_HEADING)
    return first, heading + second


def _write(page: Path, first: str, second: str) -> None:
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(f"{first.rstrip()}\n\n{second}".rstrip() + "\n", "utf-8")
