"""`python -m housing_training.worker`: helps a training that runs in another pod, until it ends."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import tempfile
from pathlib import Path

from housing_core import logs
from housing_core.tasks import TaskError, WorkerTask

FIRST_SECONDS = 600
"""How long a training is waited for that nothing has been seen of yet: its pod may have to wait
for room, or for its image."""

AGAIN_SECONDS = 120
"""The same once it has been seen: longer than a Job waits before it makes its next pod."""

NO_TRAINING_EXIT_CODE = 69
"""EX_UNAVAILABLE of sysexits.h: no training was found."""

TERMINATED_EXIT_CODE = 128 + signal.SIGTERM
"""Not 0: a worker that is evicted has not done its part, and is replaced."""

logger = logging.getLogger("housing_training.worker")


def main() -> int:
    """Work for the training until it is gone; the exit code says whether there ever was one."""
    logs.configure()
    try:
        task = WorkerTask.from_environment()
    except TaskError as error:
        logger.error(error)
        return 1
    return asyncio.run(work(task))


async def work(task: WorkerTask, first: float = FIRST_SECONDS, again: float = AGAIN_SECONDS) -> int:
    """Join the training, again after each of its pods that ends.

    Args:
        task: which training.
        first: seconds that it is waited for.
        again: the same once it was there.

    Returns:
        0 when it was there and is gone.

    """
    # As the first process of its container it would not heed the signal for half a minute.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, os._exit, TERMINATED_EXIT_CODE)
    # What this process does needs them sooner or later, and now nobody waits for it.
    import housing_training.models.forest  # noqa: F401, PLC0415 - see above
    from housing_training.workers.dask_crew import worker_of  # noqa: PLC0415 - Dask takes a second

    found = False
    while True:
        with tempfile.TemporaryDirectory() as folder:
            wait = again if found else first
            worker = worker_of(task.scheduler, Path(task.tls_folder), wait, Path(folder))
            try:
                await worker
            except TimeoutError:
                logger.info("no training at %s for %d seconds", task.scheduler, wait)
                return 0 if found else NO_TRAINING_EXIT_CODE
            found = True
            logger.info("working for the training at %s", task.scheduler)
            await worker.finished()
            logger.info("the training's pod is gone")


if __name__ == "__main__":
    sys.exit(main())
