"""How the images of the programs have memory kept, for benchmarks that run a program without its image."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parents[2]


def heap_of_image(program: Literal["serving", "training"]) -> dict[str, str]:
    """The variables of the program's Dockerfile that glibc and Arrow read.

    Raises:
        ValueError: when the Dockerfile does not set both.

    """
    text = (ROOT / program / "Dockerfile").read_text("utf-8")
    found = dict(re.findall(r"\b(MALLOC_ARENA_MAX|ARROW_DEFAULT_MEMORY_POOL)=(\w+)", text))
    if len(found) != 2:
        raise ValueError(f"{program}/Dockerfile sets only {sorted(found)} of two variables")
    return found
