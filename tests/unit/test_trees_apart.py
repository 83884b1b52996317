"""A model taken apart at its trees, as training writes and serving reads it, answers as the whole."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from housing_core.api.spec import Training
from housing_core.bundle import (
    GRAPH_FILE,
    LISTED_FILE,
    TREES_FILE,
    BundleError,
    ModelKind,
    Schema,
)
from housing_serving.inference import trees
from housing_serving.inference.encoding import Inputs
from housing_serving.inference.graphs import (
    GraphApart,
    Predictions,
    WholeGraph,
    load_parts,
    run_in_batches,
)
from housing_serving.inference.listed_inputs import FEW_ROWS
from housing_serving.inference.model import load_model
from housing_training.export.compact_trees import SplitNodes, Votes, compact
from housing_training.export.inference import graph_inputs
from housing_training.learning import Prepared, write_graph
from housing_training.models.calibration import Calibration
from tests.bundles import tiny_bundle
from tests.unit.training.prepared import prepared_listings

CALIBRATED = Calibration("Platt", 1.4, (0.1, -0.2, 0.05))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepared_listings(tmp_path_factory.mktemp("listings"), 1500)


def write(
    prepared: Prepared, folder: Path, candidate: ModelKind, calibration: Calibration
) -> tuple[Schema, Inputs]:
    """A bundle's graphs, and the inputs of all its holdout."""
    spec = Training.model_validate({"forest": {"trees": 20}})
    model = prepared.fitter(spec).fit(candidate, prepared.training, iterations=20)
    write_graph(prepared, model, calibration, folder)
    return prepared.schema, graph_inputs(prepared.holdout.typed, prepared.schema.columns)


def parts_of(folder: Path, schema: Schema) -> GraphApart:
    parts = load_parts(folder, schema)
    assert parts is not None
    return parts


@pytest.mark.parametrize("calibration", [Calibration(), CALIBRATED], ids=["as it is", "calibrated"])
@pytest.mark.parametrize("candidate", ["HashedForest", "EncodedForest", "EncodedBoosting"])
def test_the_parts_answer_every_row_as_the_whole_graph_does(
    prepared: Prepared, tmp_path: Path, candidate: ModelKind, calibration: Calibration
) -> None:
    schema, inputs = write(prepared, tmp_path, candidate, calibration)
    whole = run_in_batches(WholeGraph(tmp_path, schema), inputs)
    apart = run_in_batches(parts_of(tmp_path, schema), inputs)
    assert len(whole.labels) > 300
    assert len(np.unique(whole.labels)) == 3
    assert (apart.labels == whole.labels).all()
    assert np.abs(apart.probabilities - whole.probabilities).max() < 1e-6


def test_one_row_is_answered_as_among_others(prepared: Prepared, tmp_path: Path) -> None:
    schema, inputs = write(prepared, tmp_path, "HashedForest", Calibration())
    parts = parts_of(tmp_path, schema)
    together = run_in_batches(parts, inputs)
    for row in range(0, 300, 37):
        alone = parts.run({name: values[row : row + 1] for name, values in inputs.items()})
        assert alone.labels[0] == together.labels[row]
        assert (alone.probabilities[0] == together.probabilities[row]).all()


def few_at_a_time(parts: GraphApart, inputs: Inputs) -> Predictions:
    """The way of few rows, with all of them."""
    answers = []
    for start in range(0, len(next(iter(inputs.values()))), FEW_ROWS):
        some = slice(start, start + FEW_ROWS)
        found = parts.run_few({name: v[some].ravel().tolist() for name, v in inputs.items()})
        assert found is not None
        answers.append(found)
    return Predictions(
        np.concatenate([one.labels for one in answers]),
        np.concatenate([one.probabilities for one in answers]),
    )


def test_few_rows_are_answered_from_lists_as_by_the_whole_graph(
    prepared: Prepared, tmp_path: Path
) -> None:
    """All of the holdout; as it is, with every number missing in turn, and with strange texts."""
    schema, inputs = write(prepared, tmp_path, "HashedForest", CALIBRATED)
    whole, parts = WholeGraph(tmp_path, schema), parts_of(tmp_path, schema)
    strange = ["", "İğneada\x1f=|", "😀", "a" * 500]
    cases = [inputs]
    for name, values in inputs.items():
        if values.dtype == np.float32:
            cases.append(inputs | {name: np.full_like(values, np.nan)})
        else:
            texts = np.resize(np.array(strange, object), values.shape)
            cases.append(inputs | {name: texts})
    for case in cases:
        expected, found = run_in_batches(whole, case), few_at_a_time(parts, case)
        assert (found.labels == expected.labels).all()
        assert np.abs(found.probabilities - expected.probabilities).max() < 1e-6


@pytest.mark.parametrize("candidate", ["EncodedForest", "EncodedBoosting"])
def test_what_is_no_list_of_what_stands_where_is_left_to_the_graph(
    prepared: Prepared, tmp_path: Path, candidate: ModelKind
) -> None:
    schema, inputs = write(prepared, tmp_path, candidate, Calibration())
    columns = {name: values[:2].ravel().tolist() for name, values in inputs.items()}
    assert parts_of(tmp_path, schema).run_few(columns) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"numbers": []}', "inputs.json cannot be read"),
        ("{", "inputs.json cannot be read"),
        ('"signs":[1]', "inputs.json has a position without a sign"),
    ],
)
def test_lists_that_are_damaged_are_refused(
    prepared: Prepared, tmp_path: Path, content: str, message: str
) -> None:
    schema, _ = write(prepared, tmp_path, "HashedForest", Calibration())
    file = tmp_path / LISTED_FILE
    whole = file.read_text("utf-8")
    file.write_text(
        re.sub(r'"signs":\[[^\]]*\]', content, whole) if "signs" in content else content, "utf-8"
    )
    with pytest.raises(BundleError, match=message):
        parts_of(tmp_path, schema)


def one_split(missing_over: bool, features: int | None = None) -> dict[str, NDArray[Any]]:
    """A tree of one question: is feature 1 over 2.5? Under says (1, 0), over says (0, 1)."""
    nodes = SplitNodes(
        roots=np.array([0]),
        feature=np.array([1]),
        threshold=np.array([2.5]),
        under=np.array([0]),
        over=np.array([1]),
        under_is_leaf=np.array([True]),
        over_is_leaf=np.array([True]),
        missing_over=np.array([missing_over]),
    )
    votes = Votes(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0]), 1, None)
    arrays = compact(nodes, votes, features)
    assert arrays is not None
    return arrays


def library() -> Any:
    found = trees.open_library()
    assert found is not None, "make setup builds it"
    return found


@pytest.mark.parametrize(
    ("value", "missing_over", "over"),
    [
        (2.0, False, False),
        (2.5, False, False),
        (np.nextafter(np.float32(2.5), np.float32(3)), False, True),
        (np.inf, False, True),
        (-np.inf, True, False),
        (np.nan, False, False),
        (np.nan, True, True),
    ],
)
def test_a_value_goes_over_when_it_is_greater_and_a_missing_one_as_the_node_says(
    value: float, missing_over: bool, over: bool
) -> None:
    labels, probabilities = trees.Trees(one_split(missing_over), library()).answer(
        [np.array([[9.0, value]], np.float32)]
    )
    assert labels[0] == over
    assert probabilities.tolist() == [[0.0, 1.0] if over else [1.0, 0.0]]


def test_values_of_one_position_are_added_up_and_the_rest_is_zero() -> None:
    found = trees.Trees(one_split(False, features=3), library())
    positions = np.array([[1, 1], [1, 0], [2, 0]])
    values = np.array([[2.0, 1.0], [2.0, 1.0], [9.0, 9.0]], np.float32)
    assert found.answer([positions, values])[0].tolist() == [1, 0, 0]
    assert found.answer([positions, values])[0].tolist() == [1, 0, 0]
    with pytest.raises(BundleError, match="no place"):
        found.answer([np.array([[3, 0]]), values[:1]])


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("jumps", lambda jumps: jumps * 5, "jumps are damaged"),
        ("jumps", lambda jumps: jumps * 0, "nodes are damaged"),
        ("jumps", lambda jumps: np.where(jumps < 0, -9, jumps), "leaves are damaged"),
        ("columns", lambda columns: columns + 7, "nodes are damaged"),
        ("roots", lambda roots: roots + 3, "roots are damaged"),
        ("roots", lambda roots: roots - 1, "roots are damaged"),
        ("first_sums", lambda sums: sums - 1, "sums are damaged"),
        ("threshold_starts", lambda starts: starts + 1, "thresholds are damaged"),
        ("sources", lambda sources: sources - 5, "sources are damaged"),
        ("leaf_values", lambda values: values[0], "does not hold trees"),
        ("jumps", lambda _: None, "does not hold trees: 'jumps'"),
    ],
)
def test_trees_that_would_lead_out_of_their_arrays_are_refused(
    name: str, change: Callable[[NDArray[Any]], NDArray[Any] | None], message: str
) -> None:
    arrays = one_split(False)
    changed = change(arrays.pop(name))
    with pytest.raises(BundleError, match=message):
        trees.Trees(arrays | ({} if changed is None else {name: changed}), library())


def test_rows_with_too_few_features_are_refused() -> None:
    with pytest.raises(BundleError, match="rows of 1 features"):
        trees.Trees(one_split(False), library()).answer([np.zeros((1, 1), np.float32)])


def test_trees_with_more_thresholds_than_a_rank_counts_stay_whole() -> None:
    count = 70_000
    nodes = SplitNodes(
        roots=np.arange(count),
        feature=np.zeros(count, np.int64),
        threshold=np.arange(count, dtype=np.float64),
        under=np.zeros(count, np.int64),
        over=np.zeros(count, np.int64),
        under_is_leaf=np.ones(count, bool),
        over_is_leaf=np.ones(count, bool),
        missing_over=np.zeros(count, bool),
    )
    assert compact(nodes, Votes(np.ones((1, 2)), np.zeros(count), 1, None), None) is None


def test_a_bundle_whose_trees_are_unreadable_answers_by_its_whole_graph(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tiny_bundle(tmp_path / "bundle")
    (folder / TREES_FILE).write_bytes(b"no zip")
    with caplog.at_level(logging.WARNING):
        model = load_model(folder, "1")
    assert model.graph.files == GRAPH_FILE
    assert "trees.npz cannot be read" in caplog.text


def test_a_bundle_whose_parts_answer_otherwise_is_answered_by_its_whole_graph(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The tiny bundle's golden rows against trees that always say the same."""
    folder = tiny_bundle(tmp_path / "bundle")
    arrays = one_split(False) | {"leaf_values": np.full((2, 3), 1 / 3), "sources": np.array([0])}
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]  # numpy's types know no names
    (folder / TREES_FILE).write_bytes(content.getvalue())
    (folder / "inputs.onnx").write_bytes(_first_number())
    with caplog.at_level(logging.WARNING):
        model = load_model(folder, "1")
    assert model.graph.files == GRAPH_FILE
    assert "golden row 0" in caplog.text


def _first_number() -> bytes:
    """A graph of the tiny bundle's inputs to its first one."""
    from onnx import TensorProto, helper

    kinds = [TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.STRING]
    given = [
        helper.make_tensor_value_info(Schema.input_name(i), kind, ["rows", 1])
        for i, kind in enumerate(kinds)
    ]
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", 1])
    node = helper.make_node("Identity", [Schema.input_name(0)], ["features"])
    graph = helper.make_graph([node], "first", given, [features])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    content: bytes = model.SerializeToString()
    return content


def test_without_the_library_the_whole_graph_answers_and_the_log_says_so(
    prepared: Prepared,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    schema, _ = write(prepared, tmp_path, "HashedForest", Calibration())
    monkeypatch.setattr(trees, "LIBRARY", tmp_path / "nothing.so")
    with caplog.at_level(logging.WARNING):
        assert load_parts(tmp_path, schema) is None
    assert "the library for trees is not there" in caplog.text
