"""Tensors of the Open Inference Protocol V2 (REST, with its binary extension) ↔ listings. Pure.

https://github.com/kserve/open-inference-protocol and Triton's "binary tensor data extension", which
KServe's Python client uses unless it is told not to.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from housing_core.bundle import Schema
from housing_serving.formats.listings import load_json
from housing_serving.http.problems import Problem, shown, too_many
from housing_serving.http.request_context import REQUEST_ID
from housing_serving.inference.graphs import Predictions
from housing_serving.inference.model import Model

JSON_LENGTH_HEADER = "inference-header-content-length"
PLATFORM = "onnxruntime_onnx"

LABEL = "label"

_NUMPY = {
    **{f"UINT{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)},
    "BOOL": "?",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
_DATATYPES = ("BYTES", *_NUMPY)

_JSON_TEXTS = "pd_json"
"""MLServer's mark of a column with missing values: each element is a JSON text."""


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """What a request asks.

    Attributes:
        request_id: None when the client gave none.
        rows: listings, one for each element of the tensors.
        outputs: names that are asked for → as binary data; None for all of them.
        binary: whether outputs come as binary data where `outputs` says nothing.

    """

    request_id: str | None
    rows: list[dict[str, Any]]
    outputs: Mapping[str, bool] | None
    binary: bool


def probability_output(name: str) -> str:
    """Name of the output with the probabilities of a class."""
    return f"probability_{name}"


def output_names(schema: Schema) -> list[str]:
    """Outputs of a model, in their order."""
    return [LABEL, *map(probability_output, schema.classes)]


def model_metadata(model_name: str, model: Model) -> dict[str, Any]:
    """The body of `GET /v2/models/{name}`."""
    inputs = [
        {
            "name": column.name,
            "datatype": "FP64" if column.kind == "Numeric" else "BYTES",
            "shape": [-1],
        }
        for column in model.schema.columns
    ]
    outputs = [
        {"name": name, "datatype": "BYTES" if name == LABEL else "FP32", "shape": [-1]}
        for name in output_names(model.schema)
    ]
    return {
        "name": model_name,
        "versions": [model.version],
        "platform": PLATFORM,
        "inputs": inputs,
        "outputs": outputs,
    }


def parse_request(
    body: bytes, json_length: str | None, max_rows: int, schema: Schema
) -> InferenceRequest:
    """Listings from the body of an inference request: one tensor for each column.

    Args:
        json_length: the header that says where the JSON ends and binary data begins; None
            without binary data.
        max_rows: most listings.
        schema: for the names of outputs.

    Raises:
        Problem: 400 when it is not such a request, 413 for too many listings, 422 for tensors
            that do not fit each other.

    """
    text, binary = _split(body, json_length)
    data = load_json(text)
    if not isinstance(data, dict):
        raise _invalid(f"the body is {shown(data)}: send an object with inputs")
    parameters = _parameters("the request", data.get("parameters"))
    inputs = data.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise _invalid(f"inputs is {shown(inputs)}: send one tensor for each column, or some")
    tensors: dict[str, list[Any]] = {}
    for position, tensor in enumerate(inputs):
        name = tensor.get("name") if isinstance(tensor, dict) else None
        if not isinstance(name, str):
            raise _invalid(f"inputs[{position}].name is {shown(name)}: give the name of a column")
        if name in tensors:
            raise _invalid(f"input {shown(name)} is there twice: give each column once")
        values, binary = _values(name, tensor, binary, max_rows)
        tensors[name] = values
    if binary:
        raise _invalid(f"{len(binary)} bytes behind the last tensor belong to none")
    lengths = {name: len(values) for name, values in tensors.items()}
    if len(set(lengths.values())) > 1:
        raise _invalid(f"the inputs have different lengths: {shown(lengths)}")
    return InferenceRequest(
        request_id=_request_id(data.get("id")),
        rows=[
            dict(zip(tensors, values, strict=True))
            for values in zip(*tensors.values(), strict=True)
        ],
        outputs=_requested(data.get("outputs"), output_names(schema)),
        binary=parameters.get("binary_data_output") is True,
    )


def write_response(
    request: InferenceRequest,
    *,
    request_id: str,
    model_name: str,
    model: Model,
    predictions: Predictions,
    parameters: Mapping[str, str],
) -> tuple[bytes, int | None]:
    """The body of an answer, and the length of its JSON when binary data follows.

    Args:
        parameters: further texts about the answer.

    """
    classes = model.schema.classes
    columns: dict[str, Any] = {LABEL: [classes[label] for label in predictions.labels.tolist()]}
    for position, name in enumerate(classes):
        columns[probability_output(name)] = predictions.probabilities[:, position]
    wanted = request.outputs if request.outputs is not None else dict.fromkeys(columns, False)
    outputs, tail = [], []
    for name, as_binary in wanted.items():
        values = columns[name]
        output: dict[str, Any] = {
            "name": name,
            "datatype": "BYTES" if name == LABEL else "FP32",
            "shape": [len(predictions.labels)],
            "parameters": {"content_type": "str" if name == LABEL else "np"},
        }
        if as_binary or request.binary:
            raw = _packed(values) if name == LABEL else values.astype("<f4").tobytes()
            output["parameters"]["binary_data_size"] = len(raw)
            tail.append(raw)
        else:
            output["data"] = values if name == LABEL else np.ascontiguousarray(values)
        outputs.append(output)
    head = orjson.dumps(
        {
            "model_name": model_name,
            "model_version": model.version,
            "id": request_id,
            "parameters": dict(parameters),
            "outputs": outputs,
        },
        option=orjson.OPT_SERIALIZE_NUMPY,
    )
    return head + b"".join(tail), len(head) if tail else None


def _split(body: bytes, json_length: str | None) -> tuple[bytes, bytes]:
    if json_length is None:
        return body, b""
    length = int(json_length) if json_length.isascii() and json_length.isdigit() else -1
    if not 0 <= length <= len(body):
        raise _invalid(
            f"the header Inference-Header-Content-Length is {shown(json_length)}: "
            f"give the length of the JSON, of {len(body)} bytes at most"
        )
    return body[:length], body[length:]


def _values(
    name: str, tensor: Mapping[str, Any], binary: bytes, max_rows: int
) -> tuple[list[Any], bytes]:
    """The elements of a tensor, and the binary data that is left behind it."""
    where = f"input {shown(name)}"
    datatype, shape = tensor.get("datatype"), tensor.get("shape")
    if datatype not in _DATATYPES:
        raise _invalid(
            f"{where}: the datatype is {shown(datatype)}: give one of {', '.join(_DATATYPES)}"
        )
    rows = _rows(where, shape)
    if rows > max_rows:
        raise too_many(f"{where}: {rows} listings", max_rows)
    parameters = _parameters(where, tensor.get("parameters"))
    data, size = tensor.get("data"), parameters.get("binary_data_size")
    if data is not None:
        values = _flat(data)
    elif isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= len(binary):
        values, binary = _unpacked(where, datatype, binary[:size]), binary[size:]
    else:
        raise _invalid(f"{where}: there is no data, and binary_data_size is {shown(size)}")
    if len(values) != rows:
        raise _invalid(f"{where}: the shape is {shown(shape)}, the data has {len(values)} elements")
    if parameters.get("content_type") == _JSON_TEXTS:
        values = [load_json(v.encode()) if isinstance(v, str) else v for v in values]
    return values, binary


def _rows(where: str, shape: object) -> int:
    """Rows of a tensor of shape (rows,) or (rows, 1)."""
    fits = (
        isinstance(shape, list)
        and len(shape) in (1, 2)
        and all(isinstance(n, int) and not isinstance(n, bool) for n in shape)
        and shape[0] > 0
        and shape[1:] in ([], [1])
    )
    if not fits or not isinstance(shape, list):
        raise _invalid(f"{where}: the shape is {shown(shape)}: give [rows] or [rows, 1]")
    rows: int = shape[0]
    return rows


def _flat(data: object) -> list[Any]:
    """Elements in row-major order; the protocol lets data be nested as the shape says, or flat."""
    if not isinstance(data, list):
        return [data]
    if all(isinstance(each, list) and len(each) == 1 for each in data):
        return [each[0] for each in data]
    return data


def _unpacked(where: str, datatype: str, raw: bytes) -> list[Any]:
    if datatype == "BYTES":
        return _unpacked_texts(where, raw)
    element = np.dtype(_NUMPY[datatype])
    if len(raw) % element.itemsize:
        raise _invalid(f"{where}: {len(raw)} bytes are no whole number of {datatype} elements")
    values: list[Any] = np.frombuffer(raw, element).tolist()
    # A missing number; JSON, as the log keeps it, has no word for NaN.
    return [None if isinstance(v, float) and math.isnan(v) else v for v in values]


def _unpacked_texts(where: str, raw: bytes) -> list[Any]:
    """Each element is its length (uint32, little-endian) and its bytes."""
    texts: list[Any] = []
    position = 0
    try:
        while position < len(raw):
            (length,) = struct.unpack_from("<I", raw, position)
            position += 4
            if position + length > len(raw):
                raise _invalid(f"{where}: element {len(texts)} ends behind the binary data")
            texts.append(raw[position : position + length].decode())
            position += length
    except (struct.error, UnicodeDecodeError) as error:
        raise _invalid(f"{where}: element {len(texts)} cannot be read: {error}") from error
    return texts


def _packed(texts: Sequence[str]) -> bytes:
    encoded = [text.encode() for text in texts]
    return b"".join(struct.pack("<I", len(text)) + text for text in encoded)


def _requested(outputs: object, known: Sequence[str]) -> dict[str, bool] | None:
    if outputs is None or outputs == []:
        return None
    if not isinstance(outputs, list):
        raise _invalid(f"outputs is {shown(outputs)}: send an array, or leave it out")
    wanted = {}
    for position, output in enumerate(outputs):
        name = output.get("name") if isinstance(output, dict) else None
        if not isinstance(name, str) or name not in known:
            raise _invalid(
                f"outputs[{position}].name is {shown(name)}: the outputs are {', '.join(known)}"
            )
        parameters = _parameters(f"output {shown(name)}", output.get("parameters"))
        wanted[name] = parameters.get("binary_data") is True
    return wanted


def _parameters(where: str, parameters: object) -> dict[str, Any]:
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise _invalid(f"{where}: parameters is {shown(parameters)}: send an object")
    return parameters


def _request_id(request_id: object) -> str | None:
    if request_id is None or request_id == "":
        return None
    if not isinstance(request_id, str) or not REQUEST_ID.fullmatch(request_id):
        raise _invalid(
            f"id is {shown(request_id)}: give up to 128 letters, digits and ._:+/=@-, or none"
        )
    return request_id


def _invalid(detail: str) -> Problem:
    return Problem(400, "invalid-inference", detail)
