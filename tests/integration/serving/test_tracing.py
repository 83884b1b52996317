"""Spans and logs of a running server, received by OTLP over HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.integration.serving.conftest import MakeTask
from tests.integration.serving.serving_process import ServingProcess
from tests.mlflow_server import free_port

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class _Receiver(ThreadingHTTPServer):
    """The end of OTLP over HTTP that a collector has."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[ExportTraceServiceRequest] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def spans(self) -> list[Span]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class _Handler(BaseHTTPRequestHandler):
    server: _Receiver

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[_Receiver]:
    server = _Receiver()
    yield server
    server.shutdown()
    server.server_close()


def test_spans_go_on_the_callers_trace_and_logs_name_it(
    receiver: _Receiver,
    make_task: MakeTask,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endpoint = f"http://127.0.0.1:{receiver.server_port}"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    task = make_task("1")
    serving = ServingProcess(task, f"http://127.0.0.1:{free_port()}", tmp_path)
    traceparent = f"00-{TRACE}-{PARENT}-01"
    headers = {"X-Request-ID": "order-66", "Content-Type": "text/csv"}
    answer = serving.predict(b"area", traceparent=traceparent, **headers)
    assert answer.status_code == 415
    assert serving.client.get("/health/live").status_code == 200
    assert serving.stop() == 0

    spans = {span.name: span for span in receiver.spans()}
    predict, probe = spans["POST /predict"], spans["GET /health/live"]
    assert (predict.trace_id.hex(), predict.parent_span_id.hex()) == (TRACE, PARENT)
    assert answer.headers["traceparent"] == f"00-{TRACE}-{predict.span_id.hex()}-01"
    assert predict.kind == Span.SPAN_KIND_SERVER
    found = {a.key: a.value.string_value or a.value.int_value for a in predict.attributes}
    assert found["http.response.status_code"] == 415
    assert found["housing.request_id"] == "order-66"
    assert probe.trace_id.hex() != TRACE
    assert not probe.parent_span_id
    resource = receiver.requests[0].resource_spans[0].resource
    named = {a.key: a.value.string_value for a in resource.attributes}
    assert (named["service.name"], named["housing.model"]) == ("housing-serving", task.model_name)

    lines = [json.loads(line) for line in serving.log_file.read_text().splitlines()]
    refused = [line for line in lines if line["message"].startswith("refused")]
    assert [(line["request_id"], line["trace_id"]) for line in refused] == [("order-66", TRACE)]
    assert (refused[0]["path"], refused[0]["status"]) == ("/predict", 415)


def test_no_exporter_is_imported_unless_it_is_asked_for() -> None:
    names = "'opentelemetry.sdk', 'opentelemetry.exporter'"
    program = (
        f"import housing_serving.__main__, sys; print(any(n in sys.modules for n in [{names}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, env={}
    )
    assert done.stdout.strip() == "False"


def test_another_protocol_is_refused_at_the_start(
    make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {
        "HOUSING_TASK": make_task("1").to_environment(),
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    }
    done = subprocess.run(
        [sys.executable, "-m", "housing_serving"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 78
    assert "OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc': only http/protobuf is exported" in done.stderr
