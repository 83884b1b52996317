"""The registered model as stock MLflow loads it: raw listings in, class and probabilities out.

MLflow copies this file into every version (model from code, no pickle), beside a copy of
`housing_core/cleaning.py` called `housing_cleaning.py`. It runs where nothing else of
housing-operator is installed.
"""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path
from typing import Any

# ONNX Runtime 1.29 and newer report to Microsoft unless this stands before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import mlflow
import numpy as np
import onnxruntime
import pandas as pd

FORMAT = 1
GOLDEN_TOLERANCE = 1e-5
BATCH_ROWS = 128


class HousingClassifier(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # mlflow has no types
    """Answers a frame of raw listings.

    Columns may be missing or hold missing values, numbers may be text as in the training data,
    and columns that the model does not take are passed over.
    """

    def load_context(self, context: Any) -> None:
        """Load the bundle and check its golden rows.

        Raises:
            RuntimeError: when the bundle is of a newer format, or the graph answers a golden row
                differently than it did in training.

        """
        bundle = Path(context.artifacts["bundle"])
        schema = json.loads((bundle / "schema.json").read_text("utf-8"))
        if schema["format"] > FORMAT:
            raise RuntimeError(
                f"the bundle has format {schema['format']}, this code reads {FORMAT}"
            )
        self.cleaning = importlib.import_module("housing_cleaning")
        self.rules = self.cleaning.CleaningRules.from_json(schema["cleaning"])
        self.columns = [(column["name"], column["kind"]) for column in schema["columns"]]
        self.classes = schema["classes"]
        self.session = onnxruntime.InferenceSession(
            str(bundle / "model.onnx"), providers=["CPUExecutionProvider"]
        )
        self._check_golden_rows(json.loads((bundle / "golden.json").read_text("utf-8")))

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:
        """Classify listings.

        Args:
            model_input: (rows, columns) raw listings.

        Returns:
            (rows, 1 + classes): `class`, and `probability_<class>` of each class.

        Raises:
            ValueError: naming column and value, for one that its column cannot take.

        """
        names = [name for name, _ in self.columns if name in model_input.columns]
        listings = [
            dict(zip(names, values, strict=True))
            for values in zip(*(_python_values(model_input[name]) for name in names), strict=True)
        ] or [{}] * len(model_input)
        labels, probabilities = self._answer(listings)
        answer = pd.DataFrame(
            {"class": [self.classes[label] for label in labels]}, model_input.index
        )
        for position, name in enumerate(self.classes):
            answer[f"probability_{name}"] = probabilities[:, position]
        return answer

    def _answer(self, listings: list[dict[str, Any]]) -> tuple[Any, Any]:
        labels = [np.empty(0, np.int64)]
        probabilities = [np.empty((0, len(self.classes)), np.float32)]
        for start in range(0, len(listings), BATCH_ROWS):
            typed = [
                self.cleaning.clean_row(listing, self.rules)
                for listing in listings[start : start + BATCH_ROWS]
            ]
            inputs = {
                f"column_{position}": np.array(
                    [[row[name]] for row in typed], np.float32 if kind == "Numeric" else object
                )
                for position, (name, kind) in enumerate(self.columns)
            }
            label, probability = self.session.run(["label", "probabilities"], inputs)
            labels.append(label)
            probabilities.append(probability)
        return np.concatenate(labels), np.concatenate(probabilities)

    def _check_golden_rows(self, golden: list[dict[str, Any]]) -> None:
        labels, probabilities = self._answer([row["row"] for row in golden])
        for number, row in enumerate(golden):
            difference = np.abs(probabilities[number] - np.array(row["probabilities"])).max()
            if self.classes[labels[number]] != row["label"] or difference > GOLDEN_TOLERANCE:
                raise RuntimeError(
                    f"golden row {number} is answered {self.classes[labels[number]]!r} instead of "
                    f"{row['label']!r} (probabilities differ by {difference:.2g}): the bundle or "
                    "its libraries are damaged"
                )


def _python_values(column: pd.Series) -> list[Any]:
    """Plain Python values; pandas' and numpy's several kinds of missing become None."""
    missing = column.isna().tolist()
    values = column.tolist()
    return [None if gone else value for value, gone in zip(values, missing, strict=True)]


mlflow.models.set_model(HousingClassifier())
