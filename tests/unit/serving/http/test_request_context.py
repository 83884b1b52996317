"""The middleware around every request."""

import asyncio
import logging
import re
from contextlib import suppress
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from housing_serving.http.request_context import RequestContext
from housing_serving.http.request_log import RequestFields
from housing_serving.metrics import Metrics


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    request_id = Request(scope).state.request_id
    await PlainTextResponse(request_id, status_code=418)(scope, receive, send)


def _ask(
    metrics: Metrics,
    path: str,
    headers: dict[str, str],
    *,
    draining: bool = False,
    app: ASGIApp = _echo,
) -> tuple[dict[str, str], str]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": path,
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
    }
    asyncio.run(RequestContext(app, metrics, lambda: draining)(scope, receive, send))
    received = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return received, sent[1]["body"].decode()


@pytest.mark.parametrize("request_id", ["a", "0af7651916cd43dd-8448eb211c80319c", "x" * 128])
def test_a_sane_request_id_is_kept_and_echoed(request_id: str) -> None:
    headers, body = _ask(Metrics(), "/predict", {"x-request-id": request_id})
    assert headers["x-request-id"] == body == request_id


@pytest.mark.parametrize("request_id", ["", "two words", "x" * 129, "bad\r\nheader", "ş"])
def test_any_other_is_replaced(request_id: str) -> None:
    ids = {
        _ask(Metrics(), "/predict", {"x-request-id": request_id.encode().decode("latin-1")})[1]
        for _ in range(2)
    }
    assert len(ids) == 2
    assert all(re.fullmatch(r"[0-9a-f]{32}", one) for one in ids)


TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_the_callers_trace_goes_on_with_a_span_of_its_own() -> None:
    headers, _ = _ask(Metrics(), "/predict", {"traceparent": f"00-{TRACE}-{SPAN}-01"})
    version, trace, span, flags = headers["traceparent"].split("-")
    assert (version, trace, flags) == ("00", TRACE, "01")
    assert re.fullmatch(r"[0-9a-f]{16}", span)
    assert span != SPAN
    assert "tracestate" not in headers


def test_the_state_of_the_callers_trace_is_passed_on_with_it() -> None:
    sent = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "rojo=00f067aa0ba902b7"}
    assert _ask(Metrics(), "/predict", sent)[0]["tracestate"] == "rojo=00f067aa0ba902b7"
    assert "tracestate" not in _ask(Metrics(), "/predict", {"tracestate": "rojo=1"})[0]


@pytest.mark.parametrize(
    ("fault", "code"), [(TimeoutError, "500"), (None, "499"), (asyncio.CancelledError, "499")]
)
def test_an_answer_that_is_cut_off_counts_as_such(
    fault: type[BaseException] | None, code: str
) -> None:
    metrics = Metrics()

    async def cut_off(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"row,", "more_body": True})
        if fault:
            raise fault

    with suppress(Exception, asyncio.CancelledError):
        _ask(metrics, "/predict/batch", {}, app=cut_off)
    sample = metrics.registry.get_sample_value
    assert sample("housing_requests_total", {"route": "batch", "code": code}) == 1
    assert sample("housing_requests_total", {"route": "batch", "code": "200"}) is None


def test_lines_that_are_logged_meanwhile_name_the_request_and_its_trace() -> None:
    record = logging.makeLogRecord({"msg": "x"})

    async def log(scope: Scope, receive: Receive, send: Send) -> None:
        RequestFields().filter(record)
        await _echo(scope, receive, send)

    headers = {"x-request-id": "order-66", "traceparent": f"00-{TRACE}-{SPAN}-00"}
    _ask(Metrics(), "/predict", headers, app=log)
    assert (record.__dict__["request_id"], record.__dict__["trace_id"]) == ("order-66", TRACE)
    after = logging.makeLogRecord({"msg": "x"})
    RequestFields().filter(after)
    assert "request_id" not in after.__dict__


def test_only_requests_for_predictions_are_counted() -> None:
    metrics = Metrics()
    _ask(metrics, "/health/ready", {})
    _ask(metrics, "/predict", {})
    sample = metrics.registry.get_sample_value
    assert sample("housing_requests_total", {"route": "predict", "code": "418"}) == 1


def test_connections_are_closed_behind_answers_while_draining() -> None:
    assert _ask(Metrics(), "/predict", {}, draining=True)[0]["connection"] == "close"
    assert "connection" not in _ask(Metrics(), "/predict", {})[0]
