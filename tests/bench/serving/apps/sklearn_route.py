"""FastAPI in front of the scikit-learn pipeline, as most tutorials have it."""

from __future__ import annotations

import joblib
import pandas as pd
from apps.schema import CLASSES, COLUMNS, FOLDER, Answer, Listing
from fastapi import FastAPI

app = FastAPI()
PIPELINE = joblib.load(FOLDER / "pipeline.joblib")


@app.post("/predict")
def predict(body: Listing | list[Listing]) -> list[Answer]:  # type: ignore[valid-type]
    """Classify."""
    listings = body if isinstance(body, list) else [body]
    frame = pd.DataFrame([one.model_dump(by_alias=True) for one in listings], columns=COLUMNS)
    shares = PIPELINE.predict_proba(frame)
    return [
        Answer(
            label=CLASSES[row.argmax()], probabilities=dict(zip(CLASSES, row.tolist(), strict=True))
        )
        for row in shares
    ]
