"""The HTTP API: routes, and what starts and ends with the server."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from fastapi import FastAPI, Request
from fastapi.telemetry import TelemetryConfig
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from housing_core import __version__
from housing_core.tasks import ServingTask
from housing_serving.batching import SMALL_ROWS, Batcher
from housing_serving.feedback import FeedbackMetrics, feedback_tables
from housing_serving.loader import ModelLoader
from housing_serving.log_writer import PredictionLog
from housing_serving.metrics import Metrics
from housing_serving.model import Model
from housing_serving.model_cache import ModelCache
from housing_serving.openapi import describe_api
from housing_serving.policy import PolicyFile
from housing_serving.predictor import Predictor, Question
from housing_serving.problems import Problem
from housing_serving.readiness import Readiness, health, readiness
from housing_serving.request_bodies import RequestBodies
from housing_serving.request_context import RequestContext
from housing_serving.routes.batch import batch_routes
from housing_serving.routes.explain import explain_routes
from housing_serving.routes.feedback import feedback_routes
from housing_serving.routes.model import model_routes
from housing_serving.routes.open_inference import open_inference_routes
from housing_serving.routes.predict import Shortcut, predict_routes, responder
from housing_serving.source import ModelSource
from housing_serving.tracing import Tracing
from housing_serving.work_queue import WorkQueue

CALLS_CLOSE_SECONDS = 2.0
LOG_CLOSE_SECONDS = 8.0
"""At the end; with `server.DRAIN_SECONDS` and `FINISH_SECONDS` this stays below what the supervisor of
several workers waits, and that below the 30 s that a pod has by default."""

NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
"""FastAPI's own, which begins where `RequestContext` has answered already and knows not its ids."""

logger = logging.getLogger(__name__)

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@dataclass(slots=True)
class Service:
    """The parts of one serving process.

    Attributes:
        draining: set when the process has been told to end.

    """

    task: ServingTask
    policy: PolicyFile
    metrics: Metrics
    loader: ModelLoader
    log: PredictionLog
    predictor: Predictor
    feedback: PredictionLog
    tracing: Tracing | None = None
    draining: bool = False
    bodies: RequestBodies = field(init=False)
    batcher: Batcher = field(init=False)
    queue: WorkQueue = field(init=False)

    def __post_init__(self) -> None:
        metrics = self.metrics
        self.bodies = RequestBodies(refused=lambda: metrics.count_rejected("bodies_full"))
        self.batcher = Batcher(self.predictor, self.metrics)
        self.queue = WorkQueue(self.metrics)

    @classmethod
    def for_task(cls, task: ServingTask, preloaded: Model | None = None) -> Service:
        """Put the parts together; nothing runs yet.

        Args:
            preloaded: the local copy of the pinned version, when it is in memory already.

        Raises:
            StorageError: when the prediction log's URI is not one that can be written to.
            TracingError: when the environment asks for traces that cannot be exported.

        """
        policy = PolicyFile(Path(task.policy_file))
        metrics = Metrics()
        loader = ModelLoader(
            task,
            policy,
            ModelCache(Path(task.model_cache), task.model_name),
            ModelSource(task.model_name),
            preloaded=preloaded,
            changed=metrics.show_serving,
        )
        log = PredictionLog(task.log_uri, task.model_name, metrics)
        predictor = Predictor(task, lambda: loader.serving, metrics, log.append)
        feedback = PredictionLog(
            task.log_uri, task.model_name, FeedbackMetrics(metrics.registry), feedback_tables
        )
        about = {"housing.model": task.model_name, "housing.track": task.track}
        tracing = Tracing.from_environment(os.environ, about)
        return cls(task, policy, metrics, loader, log, predictor, feedback, tracing)

    def readiness(self) -> Readiness:
        """Whether requests should come here now."""
        version, policy = self.loader.serving.version, self.policy.read()
        return readiness(self.task.version, version, policy, draining=self.draining)

    async def run(
        self,
        function: Callable[Parameters, Result],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        """Run what takes longer than a few rows do in a thread, so that others are answered.

        Raises:
            Problem: 503 when too many calls wait, or this one takes too long.

        """
        return await self.queue.run(function, *args, **kwargs)

    async def classify(self, question: Question) -> bytes:
        """Answer the listings of a small body: with those of others, or where they are many in a thread.

        Raises:
            Problem: 503 when too many requests wait, 422 for a value that its column cannot take.

        """
        if len(question.rows) > SMALL_ROWS:
            return await self.run(self.predictor.answer, question)
        return await self.batcher.answer(question)

    @asynccontextmanager
    async def lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        """Load and log in the background while the server runs; write the rest of the log at its end."""
        self.loader.start()
        self.log.start()
        self.feedback.start()
        yield
        self.loader.stop()
        await asyncio.to_thread(self.queue.shutdown, CALLS_CLOSE_SECONDS)
        ends = [
            asyncio.to_thread(log.close, LOG_CLOSE_SECONDS) for log in (self.log, self.feedback)
        ]
        if self.tracing is not None:
            ends.append(asyncio.to_thread(self.tracing.close))
        await asyncio.gather(*ends)


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
        problem = error
        if error.status < 500:  # under too much load, lines about it would add to it
            logger.info("refused: %s", error.detail, extra={**about, "status": error.status})
    elif isinstance(error, HTTPException):
        detail = f"{request.method} {request.url.path}: see /docs for what there is"
        problem = Problem(error.status_code, None, detail, headers=error.headers)
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
