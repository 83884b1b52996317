"""Names of the objects that the operator makes for a HousingModel."""

from __future__ import annotations


def training_job_name(model: str, key: str, attempt: int) -> str:
    """Name of the Job of one attempt: creating it twice is creating it once."""
    return f"{model}-train-{key[:8]}-{attempt}"
