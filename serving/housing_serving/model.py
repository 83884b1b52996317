"""A model in memory: the bundle's graph in ONNX Runtime, and the check of its golden rows."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from housing_core.bundle import (
    GOLDEN_TOLERANCE,
    GRAPH_BATCH_ROWS,
    GRAPH_FILE,
    BundleError,
    GoldenRow,
    Reference,
    Schema,
    Summary,
    read_golden,
    read_reference,
    read_schema,
    read_summary,
)
from housing_serving.encoding import BadListingsError, Encoder, Inputs, Listing

OUTPUTS = ["label", "probabilities"]
_TYPES = {
    "Numeric": "tensor(float)",
    "Categorical": "tensor(string)",
    "HighCardinality": "tensor(string)",
}


@dataclass(frozen=True, slots=True)
class Predictions:
    """Answers for some listings.

    Attributes:
        labels: positions in the schema's classes, int64, (rows,).
        probabilities: float32 in [0, 1], (rows, classes).

    """

    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]

    def part(self, start: int, end: int) -> Predictions:
        """The answers for some of the listings."""
        return Predictions(self.labels[start:end], self.probabilities[start:end])


@dataclass(frozen=True, slots=True)
class Model:
    """A version that has given the expected answer to every golden row.

    Attributes:
        golden: the rows that were checked.
        summary: scores and lineage.
        reference: what the training data looked like.
        latency_p95_seconds: 95th percentile of one prediction, encoding included, over them.

    """

    version: str
    schema: Schema
    encoder: Encoder
    session: Any
    golden: list[GoldenRow]
    summary: Summary
    reference: Reference
    latency_p95_seconds: float = 0.0

    @property
    def golden_rows(self) -> int:
        """How many golden rows were checked."""
        return len(self.golden)

    def predict(self, rows: Sequence[Listing]) -> Predictions:
        """Classify listings; safe to call from several threads.

        Raises:
            BadListingsError: when a value cannot be taken.

        """
        return _run(self.session, self.encoder, rows)

    def classify(self, inputs: Inputs) -> Predictions:
        """Classify rows that the encoder has encoded; safe to call from several threads."""
        return _run_inputs(self.session, inputs)


def load_model(folder: Path, version: str) -> Model:
    """Load a bundle and check it; nothing in the folder is needed afterwards.

    Raises:
        BundleError: when the bundle is unreadable, of a newer format, does not fit its own
            schema, or gives another answer to a golden row than training did.

    """
    schema = read_schema(folder)
    golden = read_golden(folder)
    summary = read_summary(folder)
    reference = read_reference(folder)
    encoder = Encoder(schema)
    if len(schema.boundaries) != len(schema.classes) - 1:
        raise BundleError(
            f"schema.json: {len(schema.classes)} classes need {len(schema.classes) - 1} "
            f"boundaries, not {len(schema.boundaries)}"
        )
    session = _open_session(folder / GRAPH_FILE)
    _check_graph(session, schema)
    latency = _check_golden_rows(session, encoder, schema, golden)
    return Model(version, schema, encoder, session, golden, summary, reference, latency)


def _open_session(path: Path) -> Any:
    options = onnxruntime.SessionOptions()
    # Parallelism comes from requests and pods; threads within one small call only wait.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no narrower class
        raise BundleError(f"{path.name} cannot be loaded: {_first_line(error)}") from error
    finally:
        _give_memory_back()


def _give_memory_back() -> None:
    """Return to the system what loading has freed, two thirds of all; glibc would keep it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none, and needs none
    if trim is not None:
        trim(0)


def _check_graph(session: Any, schema: Schema) -> None:
    found = {node.name: node.type for node in session.get_inputs()}
    expected = {Schema.input_name(i): _TYPES[c.kind] for i, c in enumerate(schema.columns)}
    if found != expected:
        wrong = sorted(name for name in found | expected if found.get(name) != expected.get(name))
        raise BundleError(f"{GRAPH_FILE} does not fit schema.json: its input {wrong[0]} differs")
    missing = set(OUTPUTS) - {node.name for node in session.get_outputs()}
    if missing:
        raise BundleError(f"{GRAPH_FILE} has no output {', '.join(sorted(missing))}")


def _check_golden_rows(
    session: Any, encoder: Encoder, schema: Schema, golden: list[GoldenRow]
) -> float:
    """Check every golden row alone and all at once; return the 95th percentile of one row's seconds."""
    seconds = []
    answers = []
    try:
        _run(session, encoder, [golden[0].row])  # the first call pays for allocations
        for expected in golden:
            start = time.perf_counter()
            answers.append(_run(session, encoder, [expected.row]))
            seconds.append(time.perf_counter() - start)
        answers.append(_run(session, encoder, [expected.row for expected in golden]))
    except BadListingsError as error:
        raise BundleError(f"golden.json: the schema refuses a row: {error.fields[0]}") from error
    except Exception as error:  # ONNX Runtime's errors share no narrower class
        raise BundleError(f"{GRAPH_FILE} fails on the golden rows: {_first_line(error)}") from error
    labels = np.concatenate([answer.labels for answer in answers])
    shares = np.concatenate([answer.probabilities for answer in answers])
    for i, expected in enumerate([*golden, *golden]):
        _compare(i % len(golden), expected, schema.classes, int(labels[i]), shares[i])
    return float(np.percentile(seconds, 95))


def _compare(
    position: int,
    expected: GoldenRow,
    classes: list[str],
    label: int,
    shares: NDArray[np.float32],
) -> None:
    where = f"golden row {position}"
    if shares.shape != (len(classes),) or len(expected.probabilities) != len(classes):
        raise BundleError(f"{where}: the model has {len(classes)} classes, the answer has not")
    name = classes[label] if 0 <= label < len(classes) else str(label)
    if name != expected.label:
        raise BundleError(f"{where}: the answer is {name!r}, training had {expected.label!r}")
    difference = float(np.abs(shares - np.array(expected.probabilities)).max())
    if not difference <= GOLDEN_TOLERANCE:  # true of NaN as well
        raise BundleError(
            f"{where}: a probability is off by {difference:.2g}, allowed is {GOLDEN_TOLERANCE:g}"
        )


def _run(session: Any, encoder: Encoder, rows: Sequence[Listing]) -> Predictions:
    return _run_inputs(session, encoder.encode(rows))


def _run_inputs(session: Any, inputs: Inputs) -> Predictions:
    """A batch of rows at a time: inside, the graph spreads each over thousands of features."""
    rows = len(next(iter(inputs.values())))
    batches = [
        session.run(
            OUTPUTS,
            {name: values[start : start + GRAPH_BATCH_ROWS] for name, values in inputs.items()},
        )
        for start in range(0, rows, GRAPH_BATCH_ROWS)
    ]
    if len(batches) == 1:
        return Predictions(*batches[0])
    labels, probabilities = zip(*batches, strict=True)
    return Predictions(np.concatenate(labels), np.concatenate(probabilities))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300] or type(error).__name__
