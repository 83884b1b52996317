"""What every model's ONNX graph has in common: typed inputs, calibrated probabilities, the class.

A model adds its own part: from the inputs to one float64 probability a class (`Model.add_to`).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from housing_core.bundle import GRAPH_FILE, INPUTS_FILE, LISTED_FILE, TREES_FILE, Schema
from housing_core.listed_inputs import ListedInputs
from housing_training.calibration import Calibration
from housing_training.columns import Columns

OPSETS = {"": 21, "ai.onnx.ml": 5, "com.microsoft": 1}
IR_VERSION = 10
"""With these ONNX Runtime 1.20 and newer load the graph."""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class TreesApart:
    """Where the graph can be taken apart at its trees, which serving walks by itself.

    Attributes:
        read: tensors that the trees are given.
        arrays: of `trees.npz`; None where they do not fit its format.
        listed: how those tensors come from the inputs; None where that is no list of what stands where.

    """

    read: tuple[str, ...]
    arrays: dict[str, Array] | None
    listed: ListedInputs | None = None


@dataclass
class GraphBuilder:
    """Nodes and constants of the graph as it grows."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)
    apart: TreesApart | None = None

    def constant(self, name: str, values: Array) -> str:
        """Add a constant; returns its name."""
        self.constants[name] = numpy_helper.from_array(values, name)
        return name

    def add(
        self, operator: str, inputs: Sequence[str], output: str, domain: str = "", **attributes: Any
    ) -> str:
        """Add a node with one output; returns the output's name."""
        self.nodes.append(
            helper.make_node(operator, list(inputs), [output], domain=domain, **attributes)
        )
        return output

    def concat(self, parts: Sequence[str], output: str) -> str:
        """Columns beside one another; one part needs no node."""
        return parts[0] if len(parts) == 1 else self.add("Concat", parts, output, axis=1)


AddModel = Callable[[GraphBuilder, Mapping[str, str]], str]
"""Adds a model: (graph, column → name of its input) → name of its (rows, classes) float64 answer."""


def export_graph(
    columns: Columns, add_model: AddModel, calibration: Calibration, classes: int
) -> dict[str, bytes]:
    """The graph and its parts, by file name of the bundle.

    The graph has inputs `column_<i>` (rows, 1) and outputs `label` and `probabilities`.

    Args:
        columns: the inputs, in the order of the schema.
        add_model: `Model.add_to`.
        calibration: turns the model's answers into probabilities, and leaves its class.
        classes: number of classes.

    """
    graph = GraphBuilder()
    inputs = {column.name: Schema.input_name(i) for i, column in enumerate(columns.inputs)}
    answers = add_model(graph, inputs)
    graph.add("ArgMax", [answers], "label", axis=1, keepdims=0)
    calibrated = _add_calibration(graph, answers, calibration)
    graph.add("Cast", [calibrated], "probabilities", to=TensorProto.FLOAT)
    typed_inputs = [
        helper.make_tensor_value_info(
            inputs[column.name],
            TensorProto.FLOAT if column.kind == "Numeric" else TensorProto.STRING,
            ["rows", 1],
        )
        for column in columns.inputs
    ]
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.INT64, ["rows"]),
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", classes]),
    ]
    files = {GRAPH_FILE: _serialise(graph, typed_inputs, outputs)}
    apart = graph.apart
    if apart is not None and apart.arrays is not None:
        read = [helper.make_empty_tensor_value_info(name) for name in apart.read]
        files[INPUTS_FILE] = _serialise(graph, typed_inputs, read)
        content = io.BytesIO()
        arrays = apart.arrays | _calibration_arrays(calibration)
        np.savez_compressed(content, allow_pickle=False, **arrays)
        files[TREES_FILE] = content.getvalue()
        if apart.listed is not None:
            files[LISTED_FILE] = apart.listed.model_dump_json().encode()
    return files


def _calibration_arrays(calibration: Calibration) -> dict[str, Array]:
    if calibration.is_identity:
        return {}
    return {
        "calibration_floor": np.array(calibration.floor),
        "calibration_scale": np.array(calibration.scale),
        "calibration_shifts": np.array(calibration.shifts),
    }


def _serialise(
    graph: GraphBuilder, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]
) -> bytes:
    """The model of these outputs: only the nodes and constants that lead from the inputs to them."""
    wanted = {value.name for value in outputs}
    nodes = []
    for node in reversed(graph.nodes):
        if wanted.intersection(node.output):
            nodes.append(node)
            wanted.update(node.input)
    model = helper.make_model(
        helper.make_graph(
            nodes[::-1],
            "classifier",
            inputs,
            outputs,
            [constant for name, constant in graph.constants.items() if name in wanted],
        ),
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in OPSETS.items()],
        ir_version=IR_VERSION,
        producer_name="housing-operator",
    )
    serialised: bytes = model.SerializeToString()
    return serialised


def _add_calibration(graph: GraphBuilder, answers: str, calibration: Calibration) -> str:
    """`Calibration.apply` in the graph."""
    if calibration.is_identity:
        return answers
    graph.constant("least_answer", np.array(calibration.floor))
    graph.constant("calibration_scale", np.array(calibration.scale))
    graph.constant("calibration_shift", np.array([calibration.shifts]))
    graph.add("Max", [answers, "least_answer"], "answers_above_zero")
    graph.add("Log", ["answers_above_zero"], "answers_log")
    graph.add("Mul", ["answers_log", "calibration_scale"], "answers_scaled")
    graph.add("Add", ["answers_scaled", "calibration_shift"], "answers_shifted")
    return graph.add("Softmax", ["answers_shifted"], "answers_calibrated", axis=1)
