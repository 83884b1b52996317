"""A fitted model as ONNX graph: typed inputs, the model's part, calibrated probabilities, the class."""

from __future__ import annotations

import io

import numpy as np
import onnx
from onnx import TensorProto, helper

from housing_core.bundle import GRAPH_FILE, INPUTS_FILE, LISTED_FILE, TREES_FILE, Schema
from housing_training.data.columns import Columns
from housing_training.export.builder import Array, GraphBuilder
from housing_training.export.models import add_model
from housing_training.models.calibration import Calibration
from housing_training.models.fitted import Model

OPSETS = {"": 21, "ai.onnx.ml": 5, "com.microsoft": 1}
IR_VERSION = 10
"""With these ONNX Runtime 1.20 and newer load the graph."""


def export_graph(
    columns: Columns, model: Model, calibration: Calibration, classes: int
) -> dict[str, bytes]:
    """The graph and its parts, by file name of the bundle.

    The graph has inputs `column_<i>` (rows, 1) and outputs `label` and `probabilities`.

    Args:
        columns: the inputs, in the order of the schema.
        model: fitted.
        calibration: turns the model's answers into probabilities, and leaves its class.
        classes: number of classes.

    """
    graph = GraphBuilder()
    inputs = {column.name: Schema.input_name(i) for i, column in enumerate(columns.inputs)}
    answers = add_model(graph, model, inputs)
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
