"""A model in memory: the bundle's graph, and the check of its golden rows."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from housing_core.bundle import (
    GOLDEN_TOLERANCE,
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
from housing_serving.inference.encoding import BadListingsError, Columns, Encoder, Inputs, Listing
from housing_serving.inference.graphs import (
    Graph,
    Predictions,
    WholeGraph,
    first_line,
    load_parts,
    run_in_batches,
)
from housing_serving.inference.listed_inputs import FEW_ROWS

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Model:
    """A version that has given the expected answer to every golden row.

    Attributes:
        graph: answers encoded rows.
        golden: the rows that were checked.
        summary: scores and lineage.
        reference: what the training data looked like.
        latency_p95_seconds: 95th percentile of one prediction, encoding included, over them.

    """

    version: str
    schema: Schema
    encoder: Encoder
    graph: Graph
    golden: list[GoldenRow]
    summary: Summary
    reference: Reference
    latency_p95_seconds: float = 0.0

    @property
    def golden_rows(self) -> int:
        """How many golden rows were checked."""
        return len(self.golden)

    def predict(self, columns: Columns) -> Predictions:
        """Classify rows that the encoder has cleaned; safe to call from several threads."""
        return _predict(self.graph, self.encoder, columns)

    def classify(self, inputs: Inputs) -> Predictions:
        """Classify rows that the encoder has encoded; safe to call from several threads."""
        return run_in_batches(self.graph, inputs)


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
    graph, latency = _load_graph(folder, schema, encoder, golden)
    return Model(version, schema, encoder, graph, golden, summary, reference, latency)


def _load_graph(
    folder: Path, schema: Schema, encoder: Encoder, golden: list[GoldenRow]
) -> tuple[Graph, float]:
    """The graph that has given the golden rows' answers, and one row's seconds."""
    try:
        parts = load_parts(folder, schema)
        if parts is not None:
            return parts, _check_golden_rows(parts, encoder, schema, golden)
    except BundleError as error:
        logger.warning("the whole graph answers, which is slower: %s", error)
    graph = WholeGraph(folder, schema)
    return graph, _check_golden_rows(graph, encoder, schema, golden)


def _check_golden_rows(
    graph: Graph, encoder: Encoder, schema: Schema, golden: list[GoldenRow]
) -> float:
    """Check every golden row alone and all at once; return the 95th percentile of one row's seconds."""
    seconds = []
    answers = []
    try:
        _run(graph, encoder, [golden[0].row])  # the first call pays for allocations
        for expected in golden:
            start = time.perf_counter()
            answers.append(_run(graph, encoder, [expected.row]))
            seconds.append(time.perf_counter() - start)
        answers.append(_run(graph, encoder, [expected.row for expected in golden]))
    except BadListingsError as error:
        raise BundleError(f"golden.json: the schema refuses a row: {error.fields[0]}") from error
    except Exception as error:  # ONNX Runtime's errors share no narrower class
        raise BundleError(f"{graph.files} fails on the golden rows: {first_line(error)}") from error
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


def _run(graph: Graph, encoder: Encoder, rows: Sequence[Listing]) -> Predictions:
    return _predict(graph, encoder, encoder.clean(encoder.read(rows)))


def _predict(graph: Graph, encoder: Encoder, columns: Columns) -> Predictions:
    few = graph.run_few(columns) if len(next(iter(columns.values()))) <= FEW_ROWS else None
    return few or run_in_batches(graph, encoder.to_inputs(columns))
