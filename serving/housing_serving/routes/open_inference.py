"""The Open Inference Protocol V2 over REST: `/v2`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse, Response

from housing_core import __version__
from housing_core.tasks import ServingTask
from housing_serving.formats.listings import check_content_type
from housing_serving.formats.open_inference import (
    JSON_LENGTH_HEADER,
    InferenceRequest,
    model_metadata,
    parse_request,
    write_response,
)
from housing_serving.http.problems import DOCUMENTED, Problem, documented
from housing_serving.http.request_bodies import SMALL_BYTES
from housing_serving.inference.graphs import Predictions
from housing_serving.inference.model import Model
from housing_serving.log.tables import Received
from housing_serving.predictor import Question
from housing_serving.service import Service
from housing_serving.versions.readiness import Serving

SERVER_NAME = "housing-operator"
EXTENSIONS = ["binary_tensor_data"]

_MODEL = "/v2/models/{name}"
_VERSION = "/v2/models/{name}/versions/{version}"
_TENSOR = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "datatype": {"type": "string"},
        "parameters": {"type": ["object", "null"]},
        "data": {},
    },
}
_INFERENCE = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "id": {"type": ["string", "null"]},
        "parameters": {"type": ["object", "null"]},
        "inputs": {"type": "array", "items": _TENSOR, "minItems": 1},
        "outputs": {"type": ["array", "null"], "items": {"type": "object"}},
    },
}
_INFERRED = {
    "type": "object",
    "required": ["model_name", "model_version", "id", "outputs"],
    "properties": {
        "model_name": {"type": "string"},
        "model_version": {"type": "string"},
        "id": {"type": "string"},
        "parameters": {"type": "object"},
        "outputs": {"type": "array", "items": _TENSOR},
    },
}


class _ErrorRoute(APIRoute):
    """Puts the protocol's member `error` into problems, beside those of RFC 9457."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler."""
        handle = super().get_route_handler()

        async def handle_errors(request: Request) -> Response:
            try:
                return await handle(request)
            except Problem as problem:
                problem.extensions = {**problem.extensions, "error": problem.detail}
                raise

        return handle_errors


def open_inference_routes(service: Service) -> APIRouter:
    """All routes of the protocol."""
    router = APIRouter(tags=["open inference protocol"], route_class=_ErrorRoute)
    task = service.task

    def find(name: str, version: str | None) -> Model:
        """What answers, if it is the model that is meant.

        Raises:
            Problem: 404 for another name or version, 503 when no model is loaded.

        """
        if name != task.model_name:
            detail = f"there is no model {name!r} here: this pod serves {task.model_name!r}"
            raise Problem(404, "no-such-model", detail)
        _, model = service.predictor.model()
        _check_version(model, version)
        return model

    @router.get("/v2", summary="What this server is", responses=DOCUMENTED)
    async def server() -> Response:
        return JSONResponse({"name": SERVER_NAME, "version": __version__, "extensions": EXTENSIONS})

    @router.get("/v2/health/live", summary="Whether the process works", responses=DOCUMENTED)
    async def live() -> Response:
        return JSONResponse({"live": True})

    @router.get("/v2/health/ready", summary="Whether requests should come", responses=DOCUMENTED)
    async def ready() -> Response:
        found = service.readiness()
        return JSONResponse({"ready": found.ready}, 200 if found.ready else 503)

    @router.get(_MODEL, summary="Inputs and outputs of the model", responses=DOCUMENTED)
    async def describe(name: str) -> Response:
        return _json(model_metadata(task.model_name, find(name, None)))

    @router.get(_VERSION, summary="Inputs and outputs of a version", responses=DOCUMENTED)
    async def describe_version(name: str, version: str) -> Response:
        return _json(model_metadata(task.model_name, find(name, version)))

    @router.get(f"{_MODEL}/ready", summary="Whether the model answers", responses=DOCUMENTED)
    async def model_ready(name: str) -> Response:
        find(name, None)
        return _json({"name": task.model_name, "ready": True})

    @router.get(f"{_VERSION}/ready", summary="Whether a version answers", responses=DOCUMENTED)
    async def version_ready(name: str, version: str) -> Response:
        find(name, version)
        return _json({"name": task.model_name, "ready": True})

    inference: dict[str, Any] = {
        "summary": "Classify listings, one tensor for each column",
        "responses": {
            200: {
                "description": "Class and probabilities.",
                "content": {"application/json": {"schema": _INFERRED}},
            },
            **documented(
                {
                    400: "The request is none of the protocol.",
                    404: "Another model or version is asked for.",
                    422: "A value that its column cannot take.",
                    503: "No model is loaded, or too many requests wait.",
                }
            ),
        },
        "openapi_extra": {
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": _INFERENCE}},
            }
        },
    }

    @router.post(f"{_MODEL}/infer", **inference)
    async def infer(request: Request, name: str) -> Response:
        return await answer(request, name, None)

    @router.post(f"{_VERSION}/infer", **inference)
    async def infer_version(request: Request, name: str, version: str) -> Response:
        return await answer(request, name, version)

    async def answer(request: Request, name: str, version: str | None) -> Response:
        received = datetime.now(UTC)
        model = find(name, version)
        json_length = request.headers.get(JSON_LENGTH_HEADER)
        if json_length is None:
            check_content_type(request.headers.get("content-type"))
        async with service.bodies.read(request) as body:
            context = Received(request.state.request_id, received, len(body))
            inference = _Inference(body, json_length, version, task)
            if len(body) > SMALL_BYTES:
                content = await service.run(
                    lambda: service.predictor.answer(inference.question(model, context))
                )
            else:
                question = inference.question(model, context)
                content = await service.classify(question)
        if inference.json_length is None:
            return Response(content, media_type="application/json")
        headers = {JSON_LENGTH_HEADER: str(inference.json_length)}
        return Response(content, headers=headers, media_type="application/octet-stream")

    return router


class _Inference:
    """One request: read for the model that is there when it comes, answered by the one that is there then.

    Attributes:
        json_length: of the answer that was written, where binary data follows.

    """

    def __init__(
        self, body: bytes, json_length: str | None, version: str | None, task: ServingTask
    ) -> None:
        self._body = body
        self._given_length = json_length
        self._version = version
        self._task = task
        self.json_length: int | None = None

    def question(self, model: Model, received: Received) -> Question:
        """The listings, to be answered as the protocol says.

        Raises:
            Problem: for whatever is wrong with the body.

        """
        request = self._read(model)
        # The id in the answer is the one that is logged: feedback comes back by it.
        received = replace(received, request_id=request.request_id or received.request_id)

        def write(serving: Serving, found: Model, predictions: Predictions) -> bytes:
            if found is not model:  # its classes may have other names
                _check_version(found, self._version)
                return self._write(self._read(found), received, serving, found, predictions)
            return self._write(request, received, serving, found, predictions)

        return Question(request.rows, received, write)

    def _read(self, model: Model) -> InferenceRequest:
        return parse_request(self._body, self._given_length, self._task.max_rows, model.schema)

    def _write(
        self,
        request: InferenceRequest,
        received: Received,
        serving: Serving,
        model: Model,
        predictions: Predictions,
    ) -> bytes:
        ignored = model.encoder.ignored_fields(request.rows)
        content, self.json_length = write_response(
            request,
            request_id=received.request_id,
            model_name=self._task.model_name,
            model=model,
            predictions=predictions,
            parameters={
                "track": self._task.track,
                "serving_from": serving.level,
                **({"ignored_inputs": orjson.dumps(ignored).decode()} if ignored else {}),
            },
        )
        return content


def _check_version(model: Model, version: str | None) -> None:
    if version is not None and version != model.version:
        detail = f"version {version!r} does not answer here: version {model.version} does"
        raise Problem(404, "no-such-model", detail)


def _json(content: object) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
