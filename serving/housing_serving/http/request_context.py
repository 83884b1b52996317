"""What every request gets: ids, a place in its trace, a count, and a closed connection while draining."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from housing_serving.http.request_log import RequestIds, current_request
from housing_serving.http.trace_context import (
    TRACEPARENT_HEADER,
    TRACESTATE_HEADER,
    TraceContext,
    continue_trace,
    random_id,
)
from housing_serving.http.tracing import Tracing
from housing_serving.metrics import Metrics

REQUEST_ID_HEADER = "x-request-id"
PREDICT_PATH = "/predict"
COUNTED_ROUTES = {
    PREDICT_PATH: "predict",
    "/predict/batch": "batch",
    "/feedback": "feedback",
    "/explain": "explain",
}
_INFER = re.compile(r"/v2/models/[^/]+(/versions/[^/]+)?/infer")

REQUEST_ID = re.compile(r"[A-Za-z0-9._:+/=@-]{1,128}")

_ID_NAME = REQUEST_ID_HEADER.encode()
_TRACE_NAME = TRACEPARENT_HEADER.encode()
_STATE_NAME = TRACESTATE_HEADER.encode()
_CLOSE = (b"connection", b"close")

CUT_OFF = 500
CLIENT_GONE = 499
"""What an answer counts as that had begun and was not ended: by this side, or as its client went."""


class RequestContext:
    """ASGI middleware, outermost, so that errors made further inside are seen too."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        draining: Callable[[], bool],
        tracing: Tracing | None = None,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._draining = draining
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        request_id, trace = _identify(scope)
        span = None
        if self._tracing is not None:
            trace, span = self._tracing.begin(trace, scope["method"])
        counted = counted_route(scope["path"])
        if counted:
            self._metrics.in_flight.inc()
        scope.setdefault("state", {})["request_id"] = request_id
        token = current_request.set(RequestIds(request_id, trace.trace_id))
        added = [(_ID_NAME, request_id.encode()), (_TRACE_NAME, trace.header.encode())]
        if trace.state:
            added.append((_STATE_NAME, trace.state.encode()))
        status = CUT_OFF
        unfinished = CLIENT_GONE

        async def send_with_headers(message: Message) -> None:
            nonlocal status, unfinished
            if message["type"] == "http.response.start":
                status = message["status"]
                # A client that keeps its connection would keep a pod that is going away.
                closing = [_CLOSE] if self._draining() else []
                message["headers"] = [*message.get("headers", ()), *added, *closing]
            elif not message.get("more_body"):
                unfinished = 0
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            unfinished = unfinished and CUT_OFF
            raise
        finally:
            current_request.reset(token)
            if counted:
                status = unfinished or status
                self._metrics.in_flight.dec()
                self._metrics.count_request(counted, status, time.perf_counter() - start)
            if self._tracing is not None and span is not None:
                route = getattr(scope.get("route"), "path", None)
                self._tracing.end(
                    span,
                    method=scope["method"],
                    route=route,
                    status=status,
                    request_id=request_id,
                )


def counted_route(path: str) -> str | None:
    """The route's name in the metrics; None for probes, pages and what is not there."""
    route = COUNTED_ROUTES.get(path)
    return route or ("infer" if _INFER.fullmatch(path) else None)


def _identify(scope: Scope) -> tuple[str, TraceContext]:
    """The client's ids where they are well formed, else new ones."""
    request_id = None
    traceparents: list[str] = []
    states: list[str] = []
    for name, value in scope["headers"]:
        if name == _ID_NAME:
            text: str = value.decode("latin-1")
            if REQUEST_ID.fullmatch(text):
                request_id = text
        elif name == _TRACE_NAME:
            traceparents.append(value.decode("latin-1"))
        elif name == _STATE_NAME:
            states.append(value.decode("latin-1"))
    # Two of them are as good as none: nothing says which is meant.
    trace = continue_trace(traceparents[0] if len(traceparents) == 1 else None, states)
    return request_id or random_id(32), trace
