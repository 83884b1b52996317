"""Microseconds that encoding and inference take for a row, in a process without a server.

`python -m apps.in_process BUNDLE ROWS`; prints JSON: rows at once -> [encoding, inference].
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from housing_serving.inference.model import load_model

REPEATS = 300


def main() -> None:
    """Measure alone and 32 at a time."""
    model = load_model(Path(sys.argv[1]), "1")
    rows = json.loads(Path(sys.argv[2]).read_text("utf-8"))
    found = {}

    def encode(some: list[Any]) -> Any:
        return model.encoder.clean(model.encoder.read(some))

    for many in (1, 32):
        parts = [rows[begin : begin + many] for begin in range(0, len(rows) - many + 1, many)]
        encoded = [encode(part) for part in parts]
        found[many] = [
            microseconds(encode, parts) / many,
            microseconds(model.predict, encoded) / many,
        ]
    print(json.dumps(found))


def microseconds(work: Callable[[Any], object], given: list[Any]) -> float:
    """Median of one call, over different arguments."""
    took = []
    for turn in range(REPEATS):
        begun = time.perf_counter()
        work(given[turn % len(given)])
        took.append(1e6 * (time.perf_counter() - begun))
    return median(took)


if __name__ == "__main__":
    main()
