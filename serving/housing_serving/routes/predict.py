"""`POST /predict`: listings in, classes out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from housing_serving.formats.listings import check_content_type
from housing_serving.http.request_bodies import SMALL_BYTES
from housing_serving.http.request_context import PREDICT_PATH, counted_route
from housing_serving.log.tables import Received
from housing_serving.scheduling.batching import Batcher
from housing_serving.service import Service

_JSON = (b"content-type", b"application/json")

_BATCHED = ("predict", "infer")

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
            return await service.classify(predictor.question(body, received))

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
        batcher: Batcher,
    ) -> None:
        """Take what is needed.

        Args:
            app: answers everything else.
            explain_error: makes the answer of what `respond` raises.
            route: the one that is cut short; spans are named by it.
            batcher: when it is full, predictions are refused.

        """
        self._app = app
        self._batcher = batcher
        self._route = route
        self._respond = respond
        self._explain_error = explain_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        is_post = scope["type"] == "http" and scope["method"] == "POST"
        if is_post and self._batcher.is_full and counted_route(scope["path"]) in _BATCHED:
            # Before anything is read: refusing must not cost what answering does.
            await self._refuse(scope, receive, send)
            return
        if not (is_post and scope["path"] == PREDICT_PATH):
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

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = self._batcher.refuse()
        problem.extensions = {"error": problem.detail}  # the Open Inference Protocol's member
        response = problem.to_response(scope["state"]["request_id"])
        await response(scope, receive, send)
