"""The ASGI application: its routes, what is around them, and errors that nothing else has answered."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.telemetry import TelemetryConfig
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from housing_core import __version__
from housing_serving.http.problems import Problem, no_such_route, not_decoded
from housing_serving.http.request_context import RequestContext
from housing_serving.routes.batch import batch_routes
from housing_serving.routes.explain import explain_routes
from housing_serving.routes.feedback import feedback_routes
from housing_serving.routes.model import model_routes
from housing_serving.routes.open_inference import open_inference_routes
from housing_serving.routes.openapi import describe_api
from housing_serving.routes.predict import Shortcut, predict_routes, responder
from housing_serving.service import Service
from housing_serving.versions.readiness import health

NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
"""FastAPI's own, which begins where `RequestContext` has answered already and knows not its ids."""

logger = logging.getLogger(__name__)


def create_app(service: Service) -> ASGIApp:
    """The application, to be run by an ASGI server with lifespan."""
    task = service.task
    app: FastAPI = FastAPIOffline(
        title=f"Predictions of {task.model_name}",
        version=__version__,
        description="Classifies listings by price. Class boundaries are in money, in each answer.",
        docs_url="/docs",
        redoc_url=None,
        lifespan=service.lifespan,
        telemetry=NO_TELEMETRY,
    )
    respond = responder(service)
    predicting = predict_routes(respond)
    app.include_router(predicting)
    _add_routes(app, service)
    app.include_router(model_routes(task, lambda: service.loader.serving))
    app.include_router(batch_routes(service))
    app.include_router(explain_routes(service))
    app.include_router(feedback_routes(service))
    app.include_router(open_inference_routes(service))
    _add_error_handlers(app)
    _describe(app, service)
    shortcut = Shortcut(app, respond, _explain_error, predicting.routes[0], service.batcher)
    return RequestContext(shortcut, service.metrics, lambda: service.draining, service.tracing)


def _add_routes(app: FastAPI, service: Service) -> None:
    task, loader = service.task, service.loader

    @app.get("/health", summary="What answers, and from where", tags=["health"])
    async def report_health() -> Response:
        content = health(task, loader.serving).model_dump_json()
        return Response(content, media_type="application/json")

    @app.get("/health/live", summary="200 as long as the process works", tags=["health"])
    async def live() -> Response:
        return JSONResponse({"status": "live"})

    @app.get("/health/ready", summary="200 when requests should come", tags=["health"])
    async def ready() -> Response:
        found = service.readiness()
        return JSONResponse(
            {"ready": found.ready, "reason": found.reason}, 200 if found.ready else 503
        )

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(service.metrics.text(), headers={"content-type": CONTENT_TYPE_LATEST})


def _add_error_handlers(app: FastAPI) -> None:
    for kind in (Problem, HTTPException, Exception):
        app.add_exception_handler(kind, _explain_error)


async def _explain_error(request: Request, error: Exception) -> Response:
    """A problem document for whatever ended a request."""
    about = {"method": request.method, "path": request.url.path}
    if isinstance(error, Problem):
        problem = not_decoded(error, request.headers.get("content-encoding"))
        if problem.status < 500:  # under too much load, lines about it would add to it
            logger.info("refused: %s", problem.detail, extra={**about, "status": problem.status})
    elif isinstance(error, HTTPException):
        problem = no_such_route(request.method, request.url.path, error.status_code, error.headers)
    else:
        logger.error("a request failed", exc_info=error, extra=about)
        detail = "this is a fault of the server; its log has more under this request's id"
        problem = Problem(500, None, detail)
    return problem.to_response(request.state.request_id)


def _describe(app: FastAPI, service: Service) -> None:
    """Let `/openapi.json` follow the model that answers."""
    static = app.openapi
    described: dict[tuple[str | None, str], dict[str, Any]] = {}

    def openapi() -> dict[str, Any]:
        serving = service.loader.serving
        key = serving.version, serving.level
        if key not in described:
            app.openapi_schema = None
            document = static()
            describe_api(document, serving, service.task)
            described.clear()
            described[key] = document
        return described[key]

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it
