"""The graph of a bundle, ready to answer: whole, or taken apart at its trees, which is faster."""

from __future__ import annotations

import ctypes
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from housing_core.bundle import (
    GRAPH_BATCH_ROWS,
    GRAPH_FILE,
    INPUTS_FILE,
    LISTED_FILE,
    TREES_FILE,
    BundleError,
    Schema,
)
from housing_serving.inference.encoding import Columns, Inputs
from housing_serving.inference.listed_inputs import read_listed_inputs
from housing_serving.inference.trees import Trees, open_library, read_trees

OUTPUTS = ["label", "probabilities"]
_TYPES = {
    "Numeric": "tensor(float)",
    "Categorical": "tensor(string)",
    "HighCardinality": "tensor(string)",
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Predictions:
    """Answers for some listings.

    Attributes:
        labels: positions in the schema's classes, int64, (rows,).
        probabilities: float32 in [0, 1], (rows, classes).

    """

    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]


class Graph(Protocol):
    """Answers encoded rows; several threads may ask."""

    @property
    def files(self) -> str:
        """The files that it was made of, for messages."""

    @property
    def batch_rows(self) -> int:
        """Most rows to give it at once."""

    def run(self, inputs: Inputs) -> Predictions:
        """Answer some rows."""

    def run_few(self, columns: Columns) -> Predictions | None:
        """Answer few rows in less time; None where there is no other way."""


class WholeGraph:
    """`model.onnx`."""

    files = GRAPH_FILE
    batch_rows = GRAPH_BATCH_ROWS

    def __init__(self, folder: Path, schema: Schema) -> None:
        """Load it.

        Raises:
            BundleError: when it is unreadable or does not fit the schema.

        """
        self._session = _open_session(folder / GRAPH_FILE)
        _check_inputs(self._session, schema, GRAPH_FILE)
        missing = set(OUTPUTS) - {node.name for node in self._session.get_outputs()}
        if missing:
            raise BundleError(f"{GRAPH_FILE} has no output {', '.join(sorted(missing))}")

    def run(self, inputs: Inputs) -> Predictions:
        """See `Graph`."""
        return Predictions(*self._session.run(OUTPUTS, inputs))

    def run_few(self, columns: Columns) -> Predictions | None:  # noqa: ARG002
        """See `Graph`."""
        return None


class GraphApart:
    """What comes before the trees, of many rows by ONNX Runtime, and the trees."""

    files = f"{INPUTS_FILE}, {LISTED_FILE} and {TREES_FILE}"
    batch_rows = 1_000

    def __init__(self, folder: Path, schema: Schema, trees: Trees) -> None:
        """Load what comes before.

        Raises:
            BundleError: when it is unreadable or does not fit schema or trees.

        """
        self._trees = trees
        self._session = _open_session(folder / INPUTS_FILE)
        _check_inputs(self._session, schema, INPUTS_FILE)
        self._read = [node.name for node in self._session.get_outputs()]
        if len(self._read) != (2 if trees.is_sparse else 1):
            raise BundleError(f"{INPUTS_FILE} does not fit {TREES_FILE}")
        self._listed = read_listed_inputs(folder)

    def run(self, inputs: Inputs) -> Predictions:
        """See `Graph`."""
        return Predictions(*self._trees.answer(self._session.run(self._read, inputs)))

    def run_few(self, columns: Columns) -> Predictions | None:
        """See `Graph`."""
        if self._listed is None:
            return None
        return Predictions(*self._trees.answer(self._listed.of(columns)))


def load_parts(folder: Path, schema: Schema) -> GraphApart | None:
    """The graph taken apart; None where the bundle or this machine has not what it needs.

    Raises:
        BundleError: when the parts are there and damaged.

    """
    if not (folder / TREES_FILE).exists():
        return None
    library = open_library()
    if library is None:
        logger.warning(
            "the library for trees is not there: %s answers, which is slower", GRAPH_FILE
        )
        return None
    return GraphApart(folder, schema, read_trees(folder / TREES_FILE, library))


def run_in_batches(graph: Graph, inputs: Inputs) -> Predictions:
    """A batch of rows at a time: the whole graph spreads each over thousands of features."""
    rows, most = len(next(iter(inputs.values()))), graph.batch_rows
    if rows <= most:
        return graph.run(inputs)
    batches = [
        graph.run({name: values[start : start + most] for name, values in inputs.items()})
        for start in range(0, rows, most)
    ]
    return Predictions(
        np.concatenate([batch.labels for batch in batches]),
        np.concatenate([batch.probabilities for batch in batches]),
    )


def first_line(error: Exception) -> str:
    """Of what ONNX Runtime says, which may go on for pages."""
    return str(error).strip().partition("\n")[0][:300] or type(error).__name__


def _open_session(path: Path) -> Any:
    options = onnxruntime.SessionOptions()
    # Parallelism comes from requests and pods; threads within one small call only wait.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no narrower class
        raise BundleError(f"{path.name} cannot be loaded: {first_line(error)}") from error
    finally:
        _give_memory_back()


def _give_memory_back() -> None:
    """Return to the system what loading has freed, two thirds of all; glibc would keep it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none, and needs none
    if trim is not None:
        trim(0)


def _check_inputs(session: Any, schema: Schema, name: str) -> None:
    found = {node.name: node.type for node in session.get_inputs()}
    expected = {Schema.input_name(i): _TYPES[c.kind] for i, c in enumerate(schema.columns)}
    if found != expected:
        wrong = sorted(name for name in found | expected if found.get(name) != expected.get(name))
        raise BundleError(f"{name} does not fit schema.json: its input {wrong[0]} differs")
