"""`POST /predict`: listings in, classes out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from housing_serving.listings import check_content_type
from housing_serving.log_tables import Received
from housing_serving.request_bodies import SMALL_BYTES
from housing_serving.request_context import PREDICT_PATH

if TYPE_CHECKING:
    from housing_serving.app import Service

SMALL_ROWS = 32
"""Listings that are answered on the event loop: handing over to a thread costs more than a few do."""

_JSON = (b"content-type", b"application/json")

Respond = Callable[[Request], Awaitable[bytes]]


def responder(service: Service) -> Respond:
    """What answers a request to `/predict` with JSON; it may raise `Problem`."""
    predictor = service.predictor

    def answer(body: bytes, received: Received) -> bytes:
        return predictor.answer(predictor.question(body, received))

    async def respond(request: Request) -> bytes:
        now = datetime.now(UTC)
        check_content_type(request.headers.get("content-type"))
        async with service.bodies.read(request) as body:
            received = Received(request.scope["state"]["request_id"], now, len(body))
            if len(body) > SMALL_BYTES:
                return await service.run(answer, body, received)
            question = predictor.question(body, received)
            if len(question.rows) > SMALL_ROWS:
                return await service.run(predictor.answer, question)
            return await service.batcher.answer(question)

    return respond


def predict_routes(respond: Respond) -> APIRouter:
    """The route as FastAPI knows and describes it."""
    router = APIRouter(tags=["predictions"])

    @router.post(PREDICT_PATH, summary="Classify one listing or many")
    async def predict(request: Request) -> Response:
        return Response(await respond(request), media_type="application/json")

    return router


class Shortcut:
    """Takes predictions past FastAPI, whose way to the same function takes as long as the model."""

    def __init__(
        self,
        app: ASGIApp,
        respond: Respond,
        explain_error: Callable[[Request, Exception], Awaitable[Response]],
        route: BaseRoute,
    ) -> None:
        """Take what is needed.

        Args:
            app: answers everything else.
            explain_error: makes the answer of what `respond` raises.
            route: the one that is cut short; spans are named by it.

        """
        self._app = app
        self._route = route
        self._respond = respond
        self._explain_error = explain_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        is_http = scope["type"] == "http"
        if not (is_http and scope["path"] == PREDICT_PATH and scope["method"] == "POST"):
            await self._app(scope, receive, send)
            return
        scope["route"] = self._route
        request = Request(scope, receive)
        try:
            content = await self._respond(request)
        except Exception as error:  # noqa: BLE001 - none leaves without an answer
            response = await self._explain_error(request, error)
            await response(scope, receive, send)
            return
        # What a Response would send, without the work of making one.
        headers = [_JSON, (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})
