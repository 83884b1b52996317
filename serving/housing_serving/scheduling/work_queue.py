"""Threads for what takes longer than a few rows do, with a bounded queue and a limit of time."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, ParamSpec, TypeVar

from housing_serving.http.problems import queue_full, too_slow
from housing_serving.metrics import Metrics

THREADS = 2
WAITING_CALLS = 16
"""Beyond those that run: a large request takes up to a second, and one more would come too late."""

ANSWER_SECONDS = 30.0

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class WorkQueue:
    """Runs calls from the event loop in threads of its own."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="predict")
        self._calls = 0
        self._running: set[Future[Any]] = set()

    async def run(
        self,
        function: Callable[Parameters, Result],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        """Wait for a call in a thread.

        Raises:
            Problem: 503 when too many wait already, or when the result is not there in time; the
                thread then still ends what it does, and its place in the queue is taken until it has.

        """
        if self._calls >= THREADS + WAITING_CALLS:
            self._metrics.count_rejected("queue_full")
            raise queue_full()
        return await self.run_accepted(function, *args, **kwargs)

    async def run_accepted(
        self,
        function: Callable[Parameters, Result],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        """Wait for a part of an answer that has begun: it has its turn however many wait.

        Who calls this bounds how many such answers there are at a time.

        Raises:
            Problem: 503 when the result is not there in time, as above.

        """
        context = contextvars.copy_context()  # what is logged there names the request
        call = functools.partial(context.run, function, *args, **kwargs)
        loop = asyncio.get_running_loop()
        self._count(1)
        running = self._pool.submit(call)
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        running.add_done_callback(lambda _: loop.call_soon_threadsafe(self._count, -1))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await asyncio.wrap_future(running)
        except TimeoutError as error:
            if running.done() and not running.cancelled():
                raise  # the call's own
            self._metrics.count_rejected("timeout")
            raise too_slow(ANSWER_SECONDS) from error
        finally:
            # It holds the call's error, whose traceback holds this frame and with it the body: a
            # circle that would wait for the garbage collector.
            del running

    def shutdown(self, timeout: float) -> None:
        """Begin no more calls, and wait for those that run; nobody waits for their answers any more.

        Args:
            timeout: seconds.

        """
        self._pool.shutdown(wait=False, cancel_futures=True)
        wait(list(self._running), timeout)

    def _count(self, change: int) -> None:
        before = max(0, self._calls - THREADS)
        self._calls += change
        self._metrics.queued.inc(max(0, self._calls - THREADS) - before)
