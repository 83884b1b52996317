"""Small requests that come in together are classified together.

One call of the graph has a price whatever the number of rows, and rows of one call share what the
processor has in its cache: of 32 requests, each takes less than half the time that it takes alone.
Nobody is kept waiting for it: what is there when the event loop has read every connection makes
a batch.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from housing_serving.encoding import BadListingsError
from housing_serving.metrics import Metrics
from housing_serving.predictor import Predictor, Question
from housing_serving.problems import queue_full

BATCH_ROWS = 64
"""At a time, so that the loop goes on reading and sending after a few milliseconds."""

WAITING_REQUESTS = 256
"""About 20 ms of work on a present-day core. More would only wait longer for the same answers."""


@dataclass(slots=True)
class _Waiting:
    question: Question
    answer: asyncio.Future[bytes]


class Batcher:
    """The small requests that wait for the model; for use on the event loop only."""

    def __init__(self, predictor: Predictor, metrics: Metrics) -> None:
        self._predictor = predictor
        self._metrics = metrics
        self._waiting: list[_Waiting] = []
        self._shown = 0

    async def answer(self, question: Question) -> bytes:
        """Classify the listings of one request with those of others.

        Raises:
            Problem: 503 when too many wait or no model is loaded, 422 for a bad value.

        """
        if len(self._waiting) >= WAITING_REQUESTS:
            self._metrics.count_rejected("queue_full")
            raise queue_full()
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._work, loop)
        waiting = _Waiting(question, loop.create_future())
        self._waiting.append(waiting)
        return await waiting.answer

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer a batch; the rest has its turn when the loop has been round."""
        batch: list[_Waiting] = []
        rows = 0
        for waiting in self._waiting:
            rows += len(waiting.question.rows)
            if batch and rows > BATCH_ROWS:
                break
            batch.append(waiting)
        del self._waiting[: len(batch)]
        self._show_waiting()
        if self._waiting:
            loop.call_soon(self._work, loop)
        # Who has gone away meanwhile is not answered, and not logged as answered.
        self._answer([waiting for waiting in batch if not waiting.answer.done()])

    def _show_waiting(self) -> None:
        if len(self._waiting) != self._shown:
            self._metrics.queued.inc(len(self._waiting) - self._shown)
            self._shown = len(self._waiting)

    def _answer(self, batch: list[_Waiting]) -> None:
        try:
            answers = self._predictor.answer_all([waiting.question for waiting in batch])
        except BadListingsError:
            # One of them is bad: alone, each gets its own answer or error.
            for waiting in batch:
                try:
                    waiting.answer.set_result(self._predictor.answer(waiting.question))
                except Exception as error:  # noqa: BLE001 - it is for who waits
                    waiting.answer.set_exception(error)
        except Exception as error:  # noqa: BLE001 - it is for those who wait
            for waiting in batch:
                waiting.answer.set_exception(error)
        else:
            for waiting, answer in zip(batch, answers, strict=True):
                waiting.answer.set_result(answer)
