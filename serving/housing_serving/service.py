"""The parts of one serving process, put together; what starts and ends with its server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

from fastapi import FastAPI

from housing_core.tasks import ServingTask
from housing_serving.http.request_bodies import RequestBodies
from housing_serving.http.tracing import Tracing
from housing_serving.inference.model import Model
from housing_serving.log.feedback import FeedbackMetrics, feedback_tables
from housing_serving.log.writer import PredictionLog
from housing_serving.metrics import Metrics
from housing_serving.predictor import Predictor, Question
from housing_serving.scheduling.batching import SMALL_ROWS, Batcher
from housing_serving.scheduling.work_queue import WorkQueue
from housing_serving.versions.loader import ModelLoader
from housing_serving.versions.model_cache import ModelCache
from housing_serving.versions.policy import PolicyFile
from housing_serving.versions.readiness import Readiness, readiness
from housing_serving.versions.source import ModelSource

CALLS_CLOSE_SECONDS = 2.0
LOG_CLOSE_SECONDS = 8.0
"""At the end; with `server.DRAIN_SECONDS` and `FINISH_SECONDS` this stays below what the supervisor of
several workers waits, and that below the 30 s that a pod has by default."""

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
