"""Small requests that come in together are classified together.

One call of the graph has a price whatever the number of rows, and rows of one call share what the
processor has in its cache: of 32 requests, each takes less than half the time that it takes alone.
Nobody is kept waiting for it: what is there when the event loop has read every connection makes
a batch.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sized
from dataclasses import dataclass

from housing_serving.http.problems import Problem, queue_full
from housing_serving.metrics import Metrics
from housing_serving.predictor import Predictor, Question

SMALL_ROWS = 32
"""Listings of one request that are answered on the event loop: handing over to a thread costs more
than a few do."""

BATCH_ROWS = 64
"""In one call of the graph."""

TURN_ROWS = 512
"""In one turn of the event loop, so that it goes on reading and sending after some milliseconds.
Smaller turns would be spent on refusing when there is too much to do: each reads what has come."""

WAITING_REQUESTS = 256
"""About 20 ms of work on a present-day core. More would only wait longer for the same answers."""

WAITING_ROWS = 2_048
"""The same, where each has many."""


@dataclass(slots=True)
class _Waiting:
    question: Question
    answer: asyncio.Future[bytes]


class Batcher:
    """The small requests that wait for the model; for use on the event loop only.

    Attributes:
        under_way: requests that the server has begun to answer, once there is one that tells.

    """

    def __init__(self, predictor: Predictor, metrics: Metrics) -> None:
        self._predictor = predictor
        self._metrics = metrics
        self.under_way: Sized = ()
        self._waiting: deque[_Waiting] = deque()
        self._rows = 0
        self._shown = 0

    @property
    def is_full(self) -> bool:
        """Whether the next request would be sent away."""
        return len(self._waiting) >= WAITING_REQUESTS or self._rows >= WAITING_ROWS

    def refuse(self) -> Problem:
        """What a request is told that finds it full; counted."""
        self._metrics.count_rejected("queue_full")
        return queue_full()

    async def answer(self, question: Question) -> bytes:
        """Classify the listings of one request with those of others.

        Raises:
            Problem: 503 when too many wait or no model is loaded, 422 for a bad value.

        """
        if len(self.under_way) == 1 and not self._waiting:
            return self._predictor.answer(question)  # there is nobody to be classified with
        if self.is_full:
            raise self.refuse()
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._work, loop)
        waiting = _Waiting(question, loop.create_future())
        self._waiting.append(waiting)
        self._rows += len(question.rows)
        return await waiting.answer

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer a turn's batches; the rest has its turn when the loop has been round."""
        rows = 0
        while self._waiting and rows < TURN_ROWS:
            rows += self._answer_batch()
        self._show_waiting()
        if self._waiting:
            loop.call_soon(self._work, loop)

    def _answer_batch(self) -> int:
        """Answer those that wait longest; returns their rows."""
        batch: list[_Waiting] = []
        rows = 0
        while self._waiting:
            more = len(self._waiting[0].question.rows)
            if batch and rows + more > BATCH_ROWS:
                break
            rows += more
            batch.append(self._waiting.popleft())
        self._rows -= rows
        # Who has gone away meanwhile is not answered, and not logged as answered.
        self._answer([waiting for waiting in batch if not waiting.answer.done()])
        return rows

    def _show_waiting(self) -> None:
        if len(self._waiting) != self._shown:
            self._metrics.queued.inc(len(self._waiting) - self._shown)
            self._shown = len(self._waiting)

    def _answer(self, batch: list[_Waiting]) -> None:
        if not batch:
            return
        try:
            answers = self._predictor.answer_all([waiting.question for waiting in batch])
        except Exception as error:  # noqa: BLE001 - it is for those who wait
            for waiting in batch:
                waiting.answer.set_exception(error)
            return
        for waiting, answer in zip(batch, answers, strict=True):
            if isinstance(answer, Problem):
                waiting.answer.set_exception(answer)
            else:
                waiting.answer.set_result(answer)
