"""Runs a bundle's graph over typed rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from housing_core.bundle import GRAPH_BATCH_ROWS, GRAPH_FILE, BundleError, ColumnSchema, Schema
from housing_training.data.target import Classes
from housing_training.data.typed_rows import TypedRows


@dataclass(frozen=True, slots=True)
class Answers:
    """What a graph answers.

    Attributes:
        labels: (rows,) class index.
        probabilities: (rows, classes), float32.

    """

    labels: Classes
    probabilities: np.ndarray[Any, np.dtype[np.float32]]


class Graph:
    """A bundle's graph, loaded."""

    def __init__(self, bundle: Path) -> None:
        """Load `model.onnx` of a bundle folder.

        Raises:
            BundleError: when it is not there or cannot be loaded.

        """
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(bundle / GRAPH_FILE), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise BundleError(f"{GRAPH_FILE} cannot be loaded: {error}") from error

    def run(self, inputs: dict[str, np.ndarray[Any, Any]]) -> Answers:
        """Answer rows, a batch at a time to bound memory.

        Args:
            inputs: input name → (rows, 1), float32 or text.

        """
        rows = len(next(iter(inputs.values())))
        parts = [
            self._session.run(
                ["label", "probabilities"],
                {name: values[start : start + GRAPH_BATCH_ROWS] for name, values in inputs.items()},
            )
            for start in range(0, rows, GRAPH_BATCH_ROWS)
        ]
        return Answers(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def graph_inputs(
    rows: TypedRows, columns: Sequence[ColumnSchema]
) -> dict[str, np.ndarray[Any, Any]]:
    """Typed rows as a graph takes them: input name → (rows, 1)."""
    return {
        Schema.input_name(position): (
            rows.numbers[column.name]
            if column.kind == "Numeric"
            else rows.texts[column.name].texts()
        )[:, np.newaxis]
        for position, column in enumerate(columns)
    }
