"""BentoML with the pipeline; BENCH_BATCHING=1 switches adaptive batching on."""

from __future__ import annotations

import os

import bentoml
import joblib
import numpy as np
import pandas as pd
from apps.schema import COLUMNS, FOLDER

BATCHING = os.environ.get("BENCH_BATCHING") == "1"


@bentoml.service(
    workers=1,
    traffic={"timeout": 60},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
class Housing:
    """One endpoint."""

    def __init__(self) -> None:
        self.pipeline = joblib.load(FOLDER / "pipeline.joblib")

    @bentoml.api(batchable=BATCHING, max_batch_size=1000, max_latency_ms=10_000)
    def predict(self, listings: list[dict]) -> np.ndarray:  # type: ignore[type-arg]
        """Classify."""
        return self.pipeline.predict_proba(pd.DataFrame(listings, columns=COLUMNS))
