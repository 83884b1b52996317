"""The Open Inference Protocol V2: its routes, tensors and mistakes."""

import asyncio
import json
import struct
import threading
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import orjson
import pytest

from housing_serving.app import create_app
from housing_serving.inference.model import Model
from housing_serving.scheduling import batching
from housing_serving.scheduling.batching import SMALL_ROWS
from housing_serving.service import Service
from housing_serving.versions.readiness import Serving
from tests.unit.serving.api_client import ApiClient

MODEL = "/v2/models/tests.tiny"
INPUTS: list[dict[str, Any]] = [
    {"name": "area", "datatype": "FP64", "shape": [2], "data": [120.5, None]},
    {"name": "rooms", "datatype": "INT64", "shape": [2, 1], "data": [[3], [5]]},
    {"name": "ilçe", "datatype": "BYTES", "shape": [2], "data": ["Kadıköy", ""]},
]


def _infer(api: ApiClient, **changes: Any) -> Any:
    return api.post(f"{MODEL}/infer", json={"inputs": INPUTS, **changes})


def _binary(api: ApiClient, head: dict[str, Any], tail: bytes, length: str | None = None) -> Any:
    text = orjson.dumps(head)
    headers = {
        "Inference-Header-Content-Length": length or str(len(text)),
        "Content-Type": "application/octet-stream",
    }
    return api.post(f"{MODEL}/infer", content=text + tail, headers=headers)


def test_server_and_model_describe_themselves(api: ApiClient) -> None:
    assert api.get("/v2").json()["extensions"] == ["binary_tensor_data"]
    assert api.get("/v2/health/live").json() == {"live": True}
    assert api.get("/v2/health/ready").json() == {"ready": True}
    for path in (MODEL, f"{MODEL}/versions/1"):
        found = api.get(path).json()
        assert (found["name"], found["versions"]) == ("tests.tiny", ["1"])
        assert [(i["name"], i["datatype"]) for i in found["inputs"]] == [
            ("area", "FP64"),
            ("rooms", "FP64"),
            ("ilçe", "BYTES"),
        ]
        assert [o["name"] for o in found["outputs"]] == [
            *("label", "probability_Low", "probability_Medium", "probability_High")
        ]
        assert api.get(f"{path}/ready").json() == {"name": "tests.tiny", "ready": True}


def test_without_a_model_nothing_is_ready_but_the_process(
    make_api: Callable[[Serving], ApiClient],
) -> None:
    api = make_api(Serving())
    assert api.get("/v2/health/live").status_code == 200
    for path in ("/v2/health/ready", MODEL, f"{MODEL}/ready"):
        assert api.get(path).status_code == 503
    assert _infer(api).status_code == 503


@pytest.mark.parametrize(
    "path", ["/v2/models/other", "/v2/models/other/ready", f"{MODEL}/versions/7", "/v2/nothing"]
)
def test_what_is_not_here_is_not_found(api: ApiClient, path: str) -> None:
    answer = api.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_one_tensor_for_each_column_is_answered(api: ApiClient, service: Service) -> None:
    answer = _infer(api, id="order-66")
    assert answer.status_code == 200
    found = answer.json()
    assert (found["model_name"], found["model_version"]) == ("tests.tiny", "1")
    assert found["id"] == "order-66"
    assert found["parameters"] == {"track": "production", "serving_from": "Production"}
    outputs = {output["name"]: output for output in found["outputs"]}
    assert outputs["label"]["data"] == ["High", "Medium"]
    assert outputs["probability_High"]["shape"] == [2]
    assert outputs["probability_High"]["datatype"] == "FP32"
    assert outputs["probability_High"]["data"] == [0.9, 0.05]
    (entry,) = service.log._queue
    assert entry.requests[0].request_id == "order-66"  # type: ignore[attr-defined]  # a LogEntry
    assert json.loads(entry.texts)[:3] == [120.5, 3, "Kadıköy"]  # type: ignore[attr-defined]


def test_the_header_names_a_request_that_does_not_name_itself(api: ApiClient) -> None:
    answer = _infer(api, id=None, parameters=None, outputs=None)
    assert answer.json()["id"] == answer.headers["x-request-id"]


def test_columns_that_the_model_does_not_take_are_named(api: ApiClient) -> None:
    extra = {"name": "Note", "datatype": "BYTES", "shape": [2], "data": ["a", "b"]}
    answer = _infer(api, inputs=[*INPUTS, extra])
    assert answer.json()["parameters"]["ignored_inputs"] == '["Note"]'


def test_only_the_outputs_that_are_asked_for_come_back(api: ApiClient) -> None:
    answer = _infer(api, outputs=[{"name": "probability_Low"}])
    assert [output["name"] for output in answer.json()["outputs"]] == ["probability_Low"]


def test_binary_data_is_read_and_written(api: ApiClient) -> None:
    numbers = np.array([120.5, np.nan], "<f8").tobytes()
    texts = b"".join(struct.pack("<I", len(t.encode())) + t.encode() for t in ("Kadıköy", "Şile"))
    inputs = [
        {**INPUTS[0], "data": None, "parameters": {"binary_data_size": len(numbers)}},
        INPUTS[1],
        {**INPUTS[2], "data": None, "parameters": {"binary_data_size": len(texts)}},
    ]
    head = {"inputs": inputs, "parameters": {"binary_data_output": True}}
    answer = _binary(api, head, numbers + texts)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/octet-stream"
    length = int(answer.headers["inference-header-content-length"])
    outputs = orjson.loads(answer.content[:length])["outputs"]
    assert [o["parameters"]["binary_data_size"] for o in outputs] == [4 + 4 + 4 + 6, 8, 8, 8]
    tail = answer.content[length:]
    assert tail[:18] == b"\x04\x00\x00\x00High\x06\x00\x00\x00Medium"
    np.testing.assert_allclose(np.frombuffer(tail[-8:], "<f4"), [0.9, 0.05], atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "status", "parts"),
    [
        ({"inputs": None}, 400, ["inputs is null"]),
        ({"inputs": []}, 400, ["inputs is []"]),
        ({"inputs": [1]}, 400, ["inputs[0].name is null"]),
        ({"inputs": [{**INPUTS[0], "name": 1}]}, 400, ["inputs[0].name is 1"]),
        ({"inputs": [INPUTS[0], INPUTS[0]]}, 400, ['"area" is there twice']),
        ({"inputs": [{**INPUTS[0], "datatype": "TEXT"}]}, 400, ['"area"', '"TEXT"', "FP64"]),
        ({"inputs": [{**INPUTS[0], "datatype": ["x"]}]}, 400, ['"area"', '["x"]']),
        ({"inputs": [{**INPUTS[0], "shape": [2, 2]}]}, 400, ['"area"', "[2,2]", "[rows, 1]"]),
        ({"inputs": [{**INPUTS[0], "shape": [0]}]}, 400, ["[0]"]),
        ({"inputs": [{**INPUTS[0], "shape": "2"}]}, 400, ['"2"']),
        ({"inputs": [{**INPUTS[0], "shape": [3]}]}, 400, ["[3]", "2 elements"]),
        ({"inputs": [{**INPUTS[0], "shape": [11], "data": [1] * 11}]}, 413, ["11", "10"]),
        ({"inputs": [{**INPUTS[0], "data": None}]}, 400, ["no data"]),
        ({"inputs": [{**INPUTS[0], "parameters": 1}]}, 400, ["parameters is 1"]),
        (
            {"inputs": [INPUTS[0], {**INPUTS[1], "shape": [1], "data": [3]}]},
            400,
            ['{"area":2,"rooms":1}'],
        ),
        ({"inputs": [{**INPUTS[0], "data": [[1, 2], [3]]}]}, 422, ["listing 0", "'area'", "[1,2]"]),
        ({"inputs": [{**INPUTS[0], "data": ["large", 1]}]}, 422, ["'area'", '"large"']),
        ({"inputs": [{**INPUTS[0], "name": "Area"}]}, 422, ["listing 0", '["Area"]']),
        ({"id": 5}, 400, ["id is 5"]),
        ({"id": "two words"}, 400, ["two words"]),
        ({"outputs": 1}, 400, ["outputs is 1"]),
        ({"outputs": [{"name": "price"}]}, 400, ['"price"', "probability_Low"]),
    ],
)
def test_what_is_wrong_is_named(
    api: ApiClient, changes: dict[str, Any], status: int, parts: list[str]
) -> None:
    answer = _infer(api, **changes)
    assert answer.status_code == status
    document = answer.json()
    assert document["error"] == document["detail"]  # the protocol's own word for it
    for part in parts:
        assert part in document["detail"]


@pytest.mark.parametrize(
    ("size", "tail", "length", "part"),
    [
        (16, b"\0" * 15, None, "binary_data_size is 16"),
        (15, b"\0" * 15, None, "15 bytes are no whole number of FP64"),
        (8, b"\0" * 8, None, "1 elements"),
        (16, b"\0" * 17, None, "1 bytes behind"),
        (-1, b"", None, "binary_data_size is -1"),
        (16, b"\0" * 16, "100000", "Inference-Header-Content-Length"),
        (16, b"\0" * 16, "x", '"x"'),
    ],
)
def test_binary_data_that_does_not_fit_is_refused(
    api: ApiClient, size: int, tail: bytes, length: str | None, part: str
) -> None:
    tensor = {**INPUTS[0], "data": None, "parameters": {"binary_data_size": size}}
    answer = _binary(api, {"inputs": [tensor]}, tail, length)
    assert answer.status_code == 400
    assert part in answer.json()["detail"]


def test_an_infinite_number_among_binary_data_is_named(api: ApiClient) -> None:
    numbers = np.array([120.5, np.inf], "<f8").tobytes()
    tensor = {**INPUTS[0], "data": None, "parameters": {"binary_data_size": len(numbers)}}
    answer = _binary(api, {"inputs": [tensor]}, numbers)
    assert answer.status_code == 422
    for part in ("listing 1", "'area'", "inf", "a finite number"):
        assert part in answer.json()["detail"]


@pytest.mark.parametrize("raw", [b"\x01", b"\x05\0\0\0a", b"\x01\0\0\0\xff"])
def test_texts_that_are_cut_or_not_utf8_are_refused(api: ApiClient, raw: bytes) -> None:
    tensor = {
        "name": "ilçe",
        "datatype": "BYTES",
        "shape": [1],
        "parameters": {"binary_data_size": len(raw)},
    }
    answer = _binary(api, {"inputs": [tensor]}, raw)
    assert answer.status_code == 400
    assert "element 0" in answer.json()["detail"]


def test_small_requests_are_classified_with_those_of_predict(
    api: ApiClient, service: Service
) -> None:
    async def scenario() -> list[httpx.Response]:
        transport = httpx.ASGITransport(create_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await asyncio.gather(
                client.post("/predict", json={"rooms": 1}),
                client.post(f"{MODEL}/infer", json={"id": "order-66", "inputs": INPUTS}),
                client.post(
                    f"{MODEL}/infer", json={"inputs": [{**INPUTS[0], "data": ["large", 1]}]}
                ),
            )

    predicted, inferred, bad = asyncio.run(scenario())
    assert predicted.json()["predictions"][0]["class"] == "Low"
    assert inferred.json()["outputs"][0]["data"] == ["High", "Medium"]
    assert (bad.status_code, "large" in bad.json()["error"]) == (422, True)
    logged = [one.request_id for entry in service.log._queue for one in entry.requests]  # type: ignore[attr-defined]
    assert sorted(logged) == sorted([predicted.json()["requestId"], "order-66"])
    assert max(entry.row_count for entry in service.log._queue) == 3


def test_many_rows_of_a_small_body_are_classified_in_a_thread(
    make_service: Callable[..., ApiClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []
    predict = Model.predict

    def noting(self: Model, columns: Any) -> Any:
        threads.append(threading.current_thread() is threading.main_thread())
        return predict(self, columns)

    monkeypatch.setattr(Model, "predict", noting)
    api = make_service(max_rows=10_000)
    for rows in (SMALL_ROWS, SMALL_ROWS + 1, 7_500):
        tensor = {"name": "rooms", "datatype": "INT8", "shape": [rows], "data": [1] * rows}
        answer = api.post(f"{MODEL}/infer", json={"inputs": [tensor]})
        assert answer.json()["outputs"][0]["shape"] == [rows]
    assert threads == [True, False, False]


def test_what_finds_the_queue_full_is_sent_away_before_it_is_read(
    api: ApiClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "WAITING_REQUESTS", 0)
    for path in ("/predict", f"{MODEL}/infer", f"{MODEL}/versions/1/infer"):
        answer = api.post(path, content=b"nonsense")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.json()["requestId"] == answer.headers["x-request-id"]
        assert answer.json()["error"] == answer.json()["detail"]
    sample = service.metrics.registry.get_sample_value
    assert sample("housing_requests_rejected_total", {"reason": "queue_full"}) == 3
    assert sample("housing_requests_total", {"route": "infer", "code": "503"}) == 2
    assert api.get("/health").status_code == 200
