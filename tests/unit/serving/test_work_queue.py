"""Threads for what takes long."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from contextlib import suppress

import pytest

from housing_serving import server, service, workers
from housing_serving.http.problems import Problem
from housing_serving.metrics import Metrics
from housing_serving.scheduling import work_queue
from housing_serving.scheduling.work_queue import THREADS, WAITING_CALLS, WorkQueue


def _rejected(metrics: Metrics, reason: str) -> float | None:
    return metrics.registry.get_sample_value("housing_requests_rejected_total", {"reason": reason})


def test_beyond_its_bound_calls_are_refused_until_there_is_room_and_parts_of_answers_wait() -> None:
    metrics = Metrics()

    async def scenario() -> None:
        queue, go = WorkQueue(metrics), threading.Event()
        calls = [
            asyncio.create_task(queue.run(go.wait, 30)) for _ in range(THREADS + WAITING_CALLS)
        ]
        await asyncio.sleep(0)
        sample = metrics.registry.get_sample_value
        assert sample("housing_requests_queued") == WAITING_CALLS
        with pytest.raises(Problem) as refused:
            await queue.run(int)
        assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "5")
        part = asyncio.create_task(queue.run_accepted(int, "7"))
        go.set()
        assert all(await asyncio.gather(*calls))
        assert await part == 7
        assert await queue.run(int, "3") == 3
        assert sample("housing_requests_queued") == 0
        queue.shutdown(5)

    asyncio.run(scenario())
    assert _rejected(metrics, "queue_full") == 1


def test_a_call_that_takes_too_long_is_given_up_but_keeps_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(work_queue, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(work_queue, "WAITING_CALLS", 0)
    metrics = Metrics()

    async def scenario() -> None:
        queue, go = WorkQueue(metrics), threading.Event()
        slow = [asyncio.create_task(queue.run(go.wait, 30)) for _ in range(THREADS)]
        ended = await asyncio.gather(*slow, return_exceptions=True)
        assert all(isinstance(one, Problem) and one.status == 503 for one in ended)
        with pytest.raises(Problem, match="too many requests wait"):
            await queue.run(int)
        go.set()
        queue.shutdown(5)

    asyncio.run(scenario())
    assert _rejected(metrics, "timeout") == THREADS


def test_an_error_of_the_call_is_passed_on() -> None:
    async def scenario() -> None:
        queue = WorkQueue(Metrics())
        with pytest.raises(ValueError, match="nonsense"):
            await queue.run(int, "nonsense")
        queue.shutdown(5)

    asyncio.run(scenario())


def test_what_a_call_that_fails_was_given_is_let_go_without_the_garbage_collector() -> None:
    class Body:
        """Stands for megabytes."""

    def fail(body: Body) -> None:
        raise ValueError(body)

    async def scenario() -> weakref.ref[Body]:
        queue, body = WorkQueue(Metrics()), Body()
        held = weakref.ref(body)
        with suppress(ValueError):
            await queue.run(fail, body)
        queue.shutdown(5)
        return held

    gc.disable()
    try:
        held = asyncio.run(scenario())
        deadline = time.monotonic() + 5
        while held() is not None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert held() is None
    finally:
        gc.enable()


def test_the_end_waits_for_what_runs_but_not_for_ever_and_begins_nothing_new() -> None:
    begun = []

    async def scenario() -> float:
        queue, go = WorkQueue(Metrics()), threading.Event()

        def call() -> None:
            begun.append(None)
            go.wait(30)

        calls = [asyncio.create_task(queue.run(call)) for _ in range(THREADS + 3)]
        while len(begun) < THREADS:
            await asyncio.sleep(0.01)
        start = time.monotonic()
        await asyncio.to_thread(queue.shutdown, 0.2)
        took = time.monotonic() - start
        go.set()
        await asyncio.gather(*calls, return_exceptions=True)
        return took

    assert 0.2 <= asyncio.run(scenario()) < 5
    assert len(begun) == THREADS


def test_all_parts_of_the_end_fit_into_what_the_supervisor_and_a_pod_wait() -> None:
    parts = (
        *(server.DRAIN_SECONDS, server.FINISH_SECONDS),
        *(service.CALLS_CLOSE_SECONDS, service.LOG_CLOSE_SECONDS),
    )
    assert sum(parts) <= workers.STOP_SECONDS - 1
    assert workers.STOP_SECONDS <= 30 - 2
