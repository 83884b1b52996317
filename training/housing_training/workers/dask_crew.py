"""A training on several pods, by Dask: the scheduler and a first worker live in the Job's own pod.

So there is always a worker, and one that holds the data: other pods may come late, be killed in
the middle or never come, and the training only takes longer. Importing this imports Dask.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from typing import Any, Self, TypeVar
from weakref import finalize

import dask
import joblib

from housing_core.tasks import ADDRESS_VARIABLE, Crewing

dask.config.set(
    {
        # A training whose pods are killed again and again still has its own.
        "distributed.scheduler.allowed-failures": 1_000,
        # A task that nobody can do is an error, and no reason to wait for ever.
        "distributed.scheduler.no-workers-timeout": "2m",
        # Dask tries again after up to a third of this: a worker that waits for its training would
        # come many seconds late.
        "distributed.comm.timeouts.connect": "5s",
        # How long a worker may be silent, on a connection that nothing has closed.
        "distributed.scheduler.worker-ttl": "2m",
        # What was sent to a worker is needed there again.
        "distributed.scheduler.active-memory-manager.start": False,
        "distributed.worker.profile.enabled": False,
        # Its web servers answer nothing: they ask nobody for a certificate.
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
        # Dask's own handlers would write lines that are no JSON.
        "logging": {"version": 1, "incremental": True},
    }
)
from distributed import Client, Future, Scheduler, SpecCluster, Worker  # noqa: E402 - see above
from distributed.security import Security  # noqa: E402 - see above

# A worker that is gone is no error, and a line of ours says so.
logging.getLogger("distributed").setLevel(logging.ERROR)

OWN = "job"
"""Name of the worker in the Job's own pod."""

WHOLE = "whole-worker"
"""Of which each worker has one: a call that fills a worker takes it."""

LOOK_SECONDS = 10.0
"""How often whoever waits for a result looks whether it can still come."""

Argument = TypeVar("Argument")
Result = TypeVar("Result")

_held: dict[str, Any] = {}


def security(folder: Path) -> Security:
    """Both sides show the one certificate that they trust: who has its key belongs to the training."""
    certificate, key = str(folder / "tls.crt"), str(folder / "tls.key")
    return Security(
        require_encryption=True,
        tls_ca_file=certificate,
        **{
            f"tls_{role}_{part}": path
            for role in ("scheduler", "worker", "client")
            for part, path in (("cert", certificate), ("key", key))
        },
    )


def _server_options(tls: Security) -> dict[str, Any]:
    return {
        "security": tls,
        "protocol": "tls://",
        # Dask's own guess, where there is no pod.
        "host": os.environ.get(ADDRESS_VARIABLE),
        "dashboard": False,
        "dashboard_address": "127.0.0.1:0",
    }


def _worker_options(tls: Security) -> dict[str, Any]:
    return {
        **_server_options(tls),
        "nthreads": joblib.cpu_count(),  # heeds the container's CPU limit
        "resources": {WHOLE: 1},
        # The kernel ends a pod that is too large; Dask would stop working long before.
        "memory_limit": None,
    }


def worker_of(scheduler: str, tls_folder: Path, seconds: float, folder: Path) -> Worker:
    """A worker, to be awaited; that fails with TimeoutError when it has found no scheduler.

    Args:
        scheduler: address of the training.
        tls_folder: see `Crewing`.
        seconds: how long to look for it.
        folder: for temporary files.

    """
    options = _worker_options(security(tls_folder))
    return Worker(scheduler, death_timeout=seconds, local_directory=str(folder), **options)


class DaskCrew:
    """Implements `crew.Crew` on a Dask cluster that other pods join and leave as they like."""

    is_spread = True

    def __init__(self, crewing: Crewing, workers: int, say: Callable[[str], None]) -> None:
        """Listen for workers, and be one.

        Args:
            crewing: where.
            workers: other pods that may be expected.
            say: is told how many are there.

        Raises:
            OSError, RuntimeError: when certificate or port cannot be had.

        """
        tls = security(Path(crewing.tls_folder))
        self._workers, self._say, self._said = workers, say, -1
        self._cluster = SpecCluster(
            scheduler={
                "cls": Scheduler,
                "options": {"port": crewing.port, **_server_options(tls)},
            },
            workers={OWN: {"cls": Worker, "options": {"name": OWN, **_worker_options(tls)}}},
            security=tls,
            silence_logs=False,
        )
        self._tls = tls
        self._client = self._connected()
        self._own = self._cluster.workers[OWN].address

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        _close(self._client)
        self._cluster.close()

    def _connected(self) -> Client:
        """A client with a loop and connections of its own: it can be replaced by another."""
        # The scheduler is in this process, and answers as soon as it has the time.
        return Client(
            self._cluster.scheduler_address, timeout="1m", security=self._tls, set_as_default=False
        )

    @property
    def _threads(self) -> dict[str, int]:
        """Address of each worker that is there → its threads."""
        # A worker may go at this moment: of the sorted dictionary only the plain one is read at once.
        workers = list(dict.values(self._cluster.scheduler.workers))
        return {worker.address: worker.nthreads for worker in workers}

    def share(self, value: Any) -> Future:
        """See `Crew`; the value is not copied in this process."""
        key = f"share-{uuid.uuid4().hex}"
        _held[key] = value
        future = self._client.submit(_take, key, workers=[self._own], key=key)
        finalize(future, _held.pop, key, None)
        return future

    def map(
        self,
        function: Callable[[Any, Argument], Result],
        shared: Any,
        arguments: Sequence[Argument],
        *,
        fills_a_worker: bool = False,
    ) -> Iterator[Result]:
        """See `Crew`; all calls begin at once, and are given up when nobody asks for their results.

        A call that fails is made once more, here, and raises what it raises here: whatever happens
        to workers and connections, it costs time and not the training.
        """
        value, left = _held[shared.key], deque(arguments)
        futures: deque[Future] = deque()
        try:
            while left:
                if not futures:
                    if shared.client is not self._client or shared.cancelled():
                        shared = self.share(value)
                    futures = self._submit(function, shared, left, fills_a_worker=fills_a_worker)
                self._tell()
                argument = left.popleft()
                try:
                    # What was handed over is kept by no worker.
                    result = self._result(futures.popleft())
                except Exception as error:  # noqa: BLE001 - Dask's own faults have no class
                    self._say(
                        f"a call that failed is made in this pod: {type(error).__name__}: {error}"
                    )
                    self._client.cancel(list(futures))
                    futures.clear()  # the connection may have been lost, and all that was sent
                    self._replace_a_lost_client()
                    result = function(value, argument)
                yield result
        finally:
            self._client.cancel(list(futures))

    def _result(self, future: Future) -> Any:
        while True:
            try:
                return future.result(timeout=LOOK_SECONDS)
            except TimeoutError:
                if future.done():
                    raise
                if self._client.status != "running":
                    raise ConnectionError("the connection to the scheduler is lost") from None

    def _replace_a_lost_client(self) -> None:
        """Connect anew, where Dask has not done so itself.

        It gives up, with no word to whoever waits, when results come while it connects again.
        """
        if self._client.status != "running":
            _close(self._client)
            self._client = self._connected()

    def _submit(
        self,
        function: Callable[[Any, Argument], Result],
        shared: Future,
        arguments: Collection[Argument],
        *,
        fills_a_worker: bool,
    ) -> deque[Future]:
        """The futures of the calls, in their order."""
        options: list[dict[str, Any]] = [{} for _ in arguments]
        # Dask spreads many calls evenly; few it would send to where the shared value is.
        threads = self._threads
        if fills_a_worker or len(arguments) <= 2 * sum(threads.values()):
            places = cycle(sorted(threads) if fills_a_worker else _places(threads))
            for option, place in zip(options, places, strict=False):
                option |= {"workers": [place], "allow_other_workers": True}
        if fills_a_worker:
            for option in options:
                option["resources"] = {WHOLE: 1}
        group = f"{function.__name__}-{uuid.uuid4().hex}"
        return deque(
            self._client.submit(function, shared, argument, key=(group, number), **option)
            for number, (argument, option) in enumerate(zip(arguments, options, strict=True))
        )

    def _tell(self) -> None:
        """Say how many pods there are, whenever that has changed."""
        threads = self._threads
        if len(threads) == self._said:
            return
        self._said = len(threads)
        self._say(
            f"{len(threads) - 1} of {self._workers} workers are there: the training goes on with "
            f"them and its own pod, {sum(threads.values())} threads"
            if len(threads) > 1
            else f"none of {self._workers} workers is there: the training goes on in its own pod"
        )


def _close(client: Client) -> None:
    """Close it; one whose connection was lost may raise what it met when that happened."""
    with suppress(Exception):
        client.close()


def _take(key: str) -> Any:
    """What `share` holds; runs in the process that holds it."""
    return _held[key]


def _places(threads: dict[str, int]) -> list[str]:
    """Each worker once for each of its threads, the workers by turns."""
    return [
        address
        for turn in range(max(threads.values()))
        for address in sorted(threads)
        if turn < threads[address]
    ]
