"""What every request gets: an id, an entry in the metrics, and a closed connection while draining."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from housing_serving.metrics import Metrics

REQUEST_ID_HEADER = "x-request-id"
PREDICT_PATH = "/predict"

_SANE_ID = re.compile(r"[A-Za-z0-9._:+/=@-]{1,128}")


class RequestContext:
    """ASGI middleware, outermost, so that errors made further inside are seen too."""

    def __init__(self, app: ASGIApp, metrics: Metrics, draining: Callable[[], bool]) -> None:
        self._app = app
        self._metrics = metrics
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (REQUEST_ID_HEADER.encode(), request_id.encode()),
                    # A client that keeps its connection would keep a pod that is going away.
                    *([(b"connection", b"close")] if self._draining() else ()),
                ]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            if scope["path"] == PREDICT_PATH:
                self._metrics.count_request(status, time.perf_counter() - start)


def _request_id(scope: Scope) -> str:
    """The client's id when it is short and plain, else a new one."""
    wanted = REQUEST_ID_HEADER.encode()
    for name, value in scope["headers"]:
        if name == wanted:
            text: str = value.decode("latin-1")
            if _SANE_ID.fullmatch(text):
                return text
    return uuid.uuid4().hex
