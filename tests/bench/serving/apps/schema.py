"""The request model that the empty route and the scikit-learn route share."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, create_model

FOLDER = Path(os.environ["BENCH_FOLDER"])
COLUMNS: list[str] = json.loads((FOLDER / "columns.json").read_text("utf-8"))["inputs"]
CLASSES = ["Low", "Medium", "High"]

_fields: dict[str, Any] = {
    f"column_{position}": (str | float | None, Field(None, alias=name))
    for position, name in enumerate(COLUMNS)
}
Listing: type[BaseModel] = create_model("Listing", **_fields)


class Answer(BaseModel):
    """Class and probabilities."""

    label: str
    probabilities: dict[str, float]
