"""The HTTP API of a running server: good requests, bad requests, what it says of itself."""

from __future__ import annotations

import gzip
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from housing_core.registry import Registry
from housing_serving.formats.answer import Answer
from tests import prometheus
from tests.browser import browser, visit
from tests.bundles import ROWS, register_tiny_bundle
from tests.integration.serving.serving_process import ServingProcess, serving_task
from tests.mlflow_server import MlflowServer

PROBLEM = "application/problem+json"
MEGABYTE = 1024**2


@pytest.fixture(scope="module")
def serving(
    mlflow_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServingProcess]:
    folder = tmp_path_factory.mktemp("serving")
    token = folder / "token"
    task = serving_task(folder, "api", "1", track="staging", feedback_token_file=str(token))
    register_tiny_bundle(Registry(mlflow_server.url), task.model_name)
    process = ServingProcess(task, mlflow_server.url, folder)
    process.wait_for("1", "Production")
    yield process
    assert process.stop() == 0


def _problem(answer: httpx.Response, status: int, *parts: str) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == PROBLEM
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["requestId"] == answer.headers["x-request-id"]
    for part in parts:
        assert part in document["detail"]
    return document


def test_golden_rows_are_answered_one_by_one_and_together(serving: ServingProcess) -> None:
    together = Answer.model_validate_json(serving.predict(ROWS).content)
    assert [p.class_ for p in together.predictions] == ["High", "Medium", "Medium", "Low", "Low"]
    assert (together.model_name, together.track) == ("serving.api", "staging")
    for row, expected in zip(ROWS, together.predictions, strict=True):
        alone = Answer.model_validate_json(serving.predict(row).content)
        assert alone.predictions == [expected]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param({"rooms": 5}, "Medium", id="missing fields"),
        pytest.param({"rooms": 5, "ilçe": "Atlantis"}, "Medium", id="a new category"),
        pytest.param({"area": "120,5 m²", "ilçe": "Kadıköy"}, "High", id="a number as text"),
        pytest.param({"rooms": "5", "area": None, "ilçe": "n/a"}, "Medium", id="missing words"),
        pytest.param({"rooms": "NaN"}, "Low", id="NaN as text is missing"),
        pytest.param({"rooms": 5, "x" * 10_000: 1}, "Medium", id="a field with a long name"),
    ],
)
def test_listings_as_people_write_them_are_answered(
    serving: ServingProcess, row: dict[str, Any], expected: str
) -> None:
    answer = serving.predict(row)
    assert answer.status_code == 200
    assert answer.json()["predictions"][0]["class"] == expected


@pytest.mark.parametrize(
    ("body", "status", "parts"),
    [
        (b'{"area": NaN}', 400, ["NaN at line 1 column 10", "write null for a missing value"]),
        (b'{"area": 120', 400, ["unexpected end of data"]),
        (b"", 400, ["the body is empty"]),
        (b"\xff\xfe", 400, ["byte 0 (0xff) is not UTF-8"]),
        (b"[]", 422, ["the array is empty"]),
        (b"[1]", 422, ["listing 0 is 1"]),
        (b'{"instances": []}', 422, ['["instances"]', "'area', 'rooms'"]),
        (b'[{"rooms": 1}, {"area": "large"}]', 422, ["listing 1", "'area'", '"large"']),
        (b'{"area": [120]}', 422, ["'area'", "[120]", "a number"]),
        (b'{"area": ' + b"[" * 500 + b"]" * 500 + b"}", 422, ["'area'", "[...]", "a number"]),
        (b'{"rooms": {"of": 1}}', 422, ["'rooms'", '{"of":1}']),
        (b"[" + b",".join([b'{"rooms":1}'] * 100_000) + b"]", 413, ["100000", "10000"]),
        (b'{"area": "' + b"1" * 10 * MEGABYTE + b'"}', 413, [str(5 * MEGABYTE)]),
    ],
    ids=lambda value: repr(value)[:20] if isinstance(value, bytes) else None,
)
def test_bad_bodies_get_a_problem_that_says_what_to_do(
    serving: ServingProcess, body: bytes, status: int, parts: list[str]
) -> None:
    _problem(serving.predict(body), status, *parts)


def test_a_body_of_unknown_length_is_refused_while_it_is_read(serving: ServingProcess) -> None:
    chunks = (b" " * MEGABYTE for _ in range(10))
    answer = serving.client.post(
        "/predict", content=chunks, headers={"Content-Type": "application/json"}
    )
    _problem(answer, 413, "larger than")
    assert serving.predict(ROWS[0]).status_code == 200


def test_the_largest_allowed_request_is_answered_while_probes_go_on(
    serving: ServingProcess,
) -> None:
    with ThreadPoolExecutor(2) as pool, httpx.Client(base_url=serving.url) as prober:
        large = [pool.submit(serving.predict, [ROWS[0]] * 10_000) for _ in range(4)]
        probes = 0
        while not all(answer.done() for answer in large):
            assert prober.get("/health/live").status_code == 200
            probes += 1
    for answer in large:
        assert answer.result().status_code == 200
        assert len(answer.result().json()["predictions"]) == 10_000
    # One that held up the event loop would let a probe through before and after it.
    assert probes > 2 * len(large)


def test_large_requests_that_never_end_leave_the_small_ones_answered(
    serving: ServingProcess,
) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (5 * MEGABYTE)
    large = json.dumps([ROWS[0]] * 1_000).encode()
    with ExitStack() as connections:
        for sent in [5 * MEGABYTE - 1] * 12 + [4 * MEGABYTE - 1]:  # 64 MiB, but for a few bytes
            connection = socket.create_connection(("127.0.0.1", serving.port), timeout=30)
            connections.enter_context(connection).sendall(head + b" " * sent)
        # Time to read them: until then, one of them could be what there is no more room for.
        for _ in range(300):
            assert serving.predict(ROWS[0]).status_code == 200
        serving.wait_until(lambda: serving.predict(large).status_code == 503, 10)
        refused = serving.predict(large)
        _problem(refused, 503, "too many large requests", "try again in 5 seconds")
        assert refused.headers["retry-after"] == "5"
        assert serving.predict(ROWS[0]).status_code == 200
    serving.wait_until(lambda: serving.predict(large).status_code == 200, 10)


def test_a_price_comes_back_beside_its_prediction_and_a_rotated_token_counts_at_once(
    serving: ServingProcess,
) -> None:
    token, log = Path(serving.task.feedback_token_file or ""), Path(serving.task.log_uri)
    asked = serving.predict(ROWS[:2]).json()["requestId"]
    price = {"requestId": asked, "row": 1, "price": "3.100.000 TL"}

    def send(secret: str) -> int:
        headers = {"Authorization": f"Bearer {secret}"}
        return serving.client.post("/feedback", json=price, headers=headers).status_code

    assert send("first") == 503
    token.write_text("first\n")
    assert send("first") == 202
    token.write_text("second\n")
    assert (send("first"), send("second")) == (401, 202)
    serving.wait_until(lambda: serving.metric("housing_feedback_rows_total") == 2, 30)
    found = pq.ParquetDataset([str(p) for p in (log / "feedback").rglob("*.parquet")]).read()
    assert set(found.column("request_id").to_pylist()) == {asked}
    assert set(found.column("row").to_pylist()) == {1}
    assert set(found.column("price").to_pylist()) == {3_100_000.0}


def test_a_file_is_answered_while_it_is_sent_slowly(serving: ServingProcess) -> None:
    lines = [b"area,rooms,il\xc3\xa7e\n", *[b"120,3,x\n" * 500] * 10]
    headers = {"Content-Type": "text/csv"}
    answer = serving.client.post("/predict/batch", content=iter(lines), headers=headers)
    assert answer.status_code == 200
    assert answer.text.count(",Low,") == 5_000


def test_other_content_types_are_refused(serving: ServingProcess) -> None:
    answer = serving.predict(b"area=120", **{"Content-Type": "text/csv"})
    _problem(answer, 415, "text/csv", "application/json")


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/predict", "application/json"),
        ("/explain", "application/json"),
        ("/v2/models/serving.api/infer", "application/json"),
        ("/predict/batch", "text/csv"),
        ("/predict/batch", "application/vnd.apache.parquet"),
    ],
)
def test_a_compressed_body_is_asked_for_uncompressed(
    serving: ServingProcess, path: str, content_type: str
) -> None:
    headers = {"Content-Type": content_type, "Content-Encoding": "gzip"}
    answer = serving.client.post(path, content=gzip.compress(b"{}"), headers=headers)
    document = _problem(answer, 415, 'the Content-Encoding is "gzip"', "uncompressed")
    assert answer.headers["accept-encoding"] == "identity"
    assert document.get("error") == (document["detail"] if path.startswith("/v2") else None)


@pytest.mark.parametrize(
    ("method", "path", "status", "instead"),
    [
        ("GET", "/predict", 405, "send POST; "),
        ("OPTIONS", "/model", 405, "send GET; "),
        ("GET", "/x", 404, ""),
    ],
)
def test_what_is_not_there_is_a_problem_too(
    serving: ServingProcess, method: str, path: str, status: int, instead: str
) -> None:
    answer = serving.client.request(method, path)
    _problem(answer, status, f"{method} {path}: {instead}see /docs for what there is")


def test_the_request_id_is_kept_and_echoed(serving: ServingProcess) -> None:
    answer = serving.predict(ROWS[0], **{"X-Request-ID": "order-66"})
    assert answer.headers["x-request-id"] == answer.json()["requestId"] == "order-66"
    refused = serving.predict(b"[]", **{"X-Request-ID": "order-67"})
    assert refused.json()["requestId"] == "order-67"


def test_every_example_of_the_openapi_document_is_answered(serving: ServingProcess) -> None:
    document = serving.client.get("/openapi.json").json()
    content = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert set(content["examples"]) == {"listing0", "listing1", "listing2", "many"}
    for example in content["examples"].values():
        assert serving.predict(example["value"]).status_code == 200


def test_a_person_can_try_a_prediction_on_the_swagger_page_without_any_other_host(
    serving: ServingProcess,
) -> None:
    with browser() as chromium, visit(chromium) as visited:
        visited.page.goto(f"{serving.url}/docs")
        operation = visited.page.locator(".opblock", has_text="/predict").first
        operation.locator(".opblock-summary-control").click()
        operation.get_by_role("button", name="Try it out").click()
        operation.get_by_role("button", name="Execute").click()
        answer = operation.locator(".live-responses-table .response-col_description")
        answer.get_by_text("probabilities").first.wait_for()
    assert visited.complaints == []
    outside = [url for url in visited.requests if not url.startswith((serving.url, "data:"))]
    assert outside == []
    assert f"{serving.url}/predict" in visited.requests


def test_the_metrics_are_well_named_and_their_labels_few(serving: ServingProcess) -> None:
    serving.predict(ROWS[0])
    text = serving.client.get("/metrics").text
    prometheus.check_metrics(text)
    codes = set(re.findall(r'housing_requests_total{code="([^"]+)",route="predict"}', text))
    assert codes <= {"200", "400", "405", "413", "415", "422", "503"}
    assert set(re.findall(r'housing_predictions_total{class="([^"]+)"}', text)) <= {
        *("Low", "Medium", "High")
    }


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "HOUSING_TASK is not set"),
        ({"HOUSING_TASK": "{}"}, "HOUSING_TASK is not a ServingTask"),
        ({"HOUSING_TASK": {"version": "latest"}}, "version 'latest' is not a number"),
        ({"HOUSING_TASK": {}}, "MLFLOW_TRACKING_URI is not set"),
        (
            {"HOUSING_TASK": {"log_uri": "gopher://x/y"}, "MLFLOW_TRACKING_URI": "http://mlflow"},
            "gopher:// is not known",
        ),
    ],
)
def test_a_useless_environment_ends_the_program_with_what_is_wrong(
    environment: dict[str, Any], message: str
) -> None:
    task = {
        "namespace": "ns",
        "name": "model",
        "track": "production",
        "version": "1",
        "policy_file": "/policy.json",
        "log_uri": "/log",
        "model_cache": "/cache",
    }
    variables = {
        name: json.dumps({**task, **value}) if isinstance(value, dict) else value
        for name, value in environment.items()
    }
    ended = subprocess.run(
        [sys.executable, "-m", "housing_serving"],
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 78
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(("option", "shown"), [("--help", "HOUSING_TASK"), ("--version", "0.")])
def test_the_program_explains_itself(option: str, shown: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "housing_serving", option],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert shown in ended.stdout
