"""Workers: one key that fails, or hangs, leaves the others alone."""

import asyncio

import pytest

from housing_operator.reconciliation import worker
from housing_operator.reconciliation.worker import STALE_SECONDS, StalledError, check_alive, work
from housing_operator.reconciliation.workqueue import Backoff, WorkQueue


def run_until(reconcile, keys, enough):
    """Let two workers reconcile keys until `enough()`."""

    async def story():
        queue = WorkQueue(asyncio.get_running_loop().time, Backoff(first=0.01, hurry=0.01))
        for key in keys:
            queue.put(key)
        tasks = [asyncio.create_task(work(queue, reconcile)) for _ in range(2)]
        async with asyncio.timeout(10):
            while not enough():
                await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        return queue

    return asyncio.run(story())


def test_a_key_that_always_fails_is_tried_again_and_its_neighbour_goes_on():
    passes = []

    async def reconcile(key):
        passes.append(key)
        if key == ("ns", "bad"):
            raise RuntimeError("no")
        return 0.01

    run_until(
        reconcile,
        [("ns", "bad"), ("ns", "good")],
        lambda: passes.count(("ns", "bad")) >= 3 and passes.count(("ns", "good")) >= 10,
    )


def test_a_pass_that_hangs_is_cut_short(monkeypatch):
    monkeypatch.setattr(worker, "PASS_SECONDS", 0.05)
    ends = []

    async def reconcile(key):
        try:
            await asyncio.sleep(60)
        finally:
            ends.append(key)

    run_until(reconcile, [("ns", "hangs")], lambda: len(ends) >= 2)


def test_a_model_that_is_gone_is_forgotten():
    passes = []

    async def reconcile(key):
        passes.append(key)

    queue = run_until(reconcile, [("ns", "gone")], lambda: bool(passes))
    assert len(queue) == 0


def test_a_queue_whose_workers_hang_is_stalled_and_one_that_is_backed_off_is_not():
    now = [0.0]
    queue = WorkQueue(lambda: now[0], chance=lambda: 0.0)
    queue.put("later", STALE_SECONDS * 2)
    now[0] += STALE_SECONDS + 1
    assert check_alive(queue) == 0
    queue.put("due")
    now[0] += STALE_SECONDS
    assert check_alive(queue) == STALE_SECONDS
    now[0] += 1
    with pytest.raises(StalledError, match="waits for a worker for 301 s"):
        check_alive(queue)
