"""Workers: they take keys from the queue, bound each pass in time, and keep one from hurting others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from housing_operator.metrics.reconciliation import MODELS, QUEUE_DEPTH, QUEUE_WAIT_SECONDS
from housing_operator.observation import Key
from housing_operator.reconciliation.workqueue import WorkQueue

log = logging.getLogger(__name__)

WORKERS = 8
PASS_SECONDS = 120.0
"""Every call of a pass has a timeout of its own; this one is for all of them together."""

STALE_SECONDS = 300.0
"""A key that is due and finds no worker for so long means that the workers hang."""

SAMPLE_SECONDS = 5.0


class StalledError(Exception):
    """The workers take no keys any more; a restart may help."""


Reconcile = Callable[[Key], Awaitable[float | None]]


async def work(queue: WorkQueue[Key], reconcile: Reconcile) -> None:
    """Reconcile keys until cancelled."""
    while True:
        key = await queue.get()
        try:
            async with asyncio.timeout(PASS_SECONDS):
                again_in = await reconcile(key)
        except Exception as error:
            # Whatever is wrong with one model, the others go on.
            wait = queue.failed(key)
            log.warning(
                "%s/%s: pass failed, next one in %.0f s: %s: %s",
                *(*key, wait, type(error).__name__, error),
                exc_info=log.isEnabledFor(logging.DEBUG),
            )
        else:
            queue.done(key, again_in)


def check_alive(queue: WorkQueue[Key]) -> float:
    """Seconds that the key which is due for the longest time has waited for a worker.

    Raises:
        StalledError: when that is too long for a queue whose workers live.

    """
    waited = queue.longest_wait()
    if waited > STALE_SECONDS:
        raise StalledError(f"a HousingModel waits for a worker for {waited:.0f} s")
    return waited


async def sample(queue: WorkQueue[Key]) -> None:
    """Keep the metrics of the queue current until cancelled."""
    while True:
        QUEUE_DEPTH.set(queue.depth())
        QUEUE_WAIT_SECONDS.set(queue.longest_wait())
        MODELS.set(len(queue))
        await asyncio.sleep(SAMPLE_SECONDS)
