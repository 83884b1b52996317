"""The work queue: which key is due when, told with a clock that the test moves."""

import asyncio

import pytest

from housing_operator.reconciliation.workqueue import Backoff, WorkQueue


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def queue(clock):
    return WorkQueue(clock, Backoff(first=1, limit=60, hurry=5, jitter=0), chance=lambda: 0.0)


def take(queue):
    """The key that is due now; it is the worker's from here on."""
    key, _ = queue.next_due()
    if key is not None:
        taken = asyncio.run(queue.get())
        assert taken == key
    return key


def test_a_key_that_is_put_often_is_taken_once(queue):
    for _ in range(5):
        queue.put("a")
    assert take(queue) == "a"
    assert take(queue) is None


@pytest.mark.parametrize(
    ("delays", "due_in"),
    [([3], 3), ([3, 1], 1), ([1, 3], 1), ([0, 30], 0), ([30, 30], 30)],
)
def test_the_earliest_date_counts(queue, delays, due_in):
    for delay in delays:
        queue.put("a", delay)
    key, wait = queue.next_due()
    assert (key, wait) == (("a", 0.0) if due_in == 0 else (None, due_in))


def test_keys_come_in_the_order_of_their_dates(queue, clock):
    queue.put("late", 2)
    queue.put("early", 1)
    clock.now += 5
    assert [take(queue), take(queue)] == ["early", "late"]


def test_a_key_has_one_worker_at_a_time_and_comes_back_when_it_was_put_meanwhile(queue):
    queue.put("a")
    assert take(queue) == "a"
    queue.put("a")
    assert take(queue) is None
    queue.done("a", None)
    assert take(queue) == "a"


def test_a_key_that_is_done_for_good_does_not_come_back(queue, clock):
    queue.put("a")
    take(queue)
    queue.done("a", None)
    clock.now += 10_000
    assert take(queue) is None
    assert len(queue) == 0


def test_a_key_comes_back_when_its_pass_said_so(queue, clock):
    queue.put("a")
    take(queue)
    queue.done("a", 30)
    clock.now += 29
    assert take(queue) is None
    clock.now += 1
    assert take(queue) == "a"


def test_failures_double_the_wait_up_to_the_limit_and_a_good_pass_forgets_them(queue, clock):
    waits = []
    queue.put("a")
    for _ in range(8):
        clock.now += 10_000
        assert take(queue) == "a"
        waits.append(queue.failed("a"))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    clock.now += 60
    take(queue)
    queue.done("a", 0)
    take(queue)
    assert queue.failed("a") == 1


def test_an_event_cuts_a_backoff_short_but_not_below_its_least(queue, clock):
    queue.put("a")
    for _ in range(6):
        clock.now += 100
        take(queue)
        queue.failed("a")
    queue.put("a")
    assert queue.next_due() == (None, 5)


def test_an_event_during_a_pass_that_fails_does_not_bring_the_key_back_at_once(queue, clock):
    queue.put("a")
    take(queue)
    queue.put("a")
    queue.failed("a")
    assert queue.next_due() == (None, 1)


def test_the_jitter_only_adds(clock):
    backoff = Backoff(first=10, limit=10, jitter=0.5)
    assert [backoff.wait(1, chance) for chance in (0, 0.5, 1)] == [10, 12.5, 15]
    queue = WorkQueue(clock, backoff, chance=lambda: 1.0)
    queue.put("a")
    take(queue)
    queue.done("a", 20)
    assert queue.next_due() == (None, 30)


def test_depth_and_longest_wait_count_only_what_is_due_and_has_no_worker(queue, clock):
    queue.put("worked on")
    take(queue)
    queue.put("due")
    queue.put("later", 60)
    clock.now += 7
    assert queue.depth() == 1
    assert queue.longest_wait() == 7
    assert len(queue) == 3


def test_a_waiting_worker_wakes_for_a_key_that_is_put():
    async def story():
        queue = WorkQueue(asyncio.get_running_loop().time)
        queue.put("later", 60)
        waiting = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        queue.put("now")
        async with asyncio.timeout(5):
            assert await waiting == "now"

    asyncio.run(story())


def test_many_workers_share_many_keys_and_never_one_key():
    async def story():
        queue = WorkQueue(asyncio.get_running_loop().time)
        seen, busy = [], set()

        async def work():
            while True:
                key = await queue.get()
                assert key not in busy
                busy.add(key)
                await asyncio.sleep(0)
                queue.put(key, 0.01)
                busy.discard(key)
                seen.append(key)
                queue.done(key, None)

        for key in range(50):
            queue.put(key)
        workers = [asyncio.create_task(work()) for _ in range(8)]
        async with asyncio.timeout(10):
            while len(seen) < 500:
                await asyncio.sleep(0.01)
        for worker in workers:
            worker.cancel()
        assert set(seen) == set(range(50))

    asyncio.run(story())
