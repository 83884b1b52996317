"""`golden.json`: rows with their expected answers."""

from __future__ import annotations

from typing import Any

from housing_core.bundle.part import Part

GOLDEN_TOLERANCE = 1e-5
"""Largest difference of a probability that counts as the same answer (float32 sums)."""


class GoldenRow(Part):
    """A raw listing and the answer that the graph gave in training."""

    row: dict[str, Any]
    label: str
    probabilities: list[float]
