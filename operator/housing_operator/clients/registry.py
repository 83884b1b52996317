"""The door to MLflow: calls in a thread pool, with one pause for all models when it does not answer."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from housing_core.registry import Registry, RegistryUnavailableError
from housing_operator.plan import AcceptVersion, MoveAlias, RejectVersion

THREADS = 4

RETRY_SECONDS = 0.5
"""A call that MLflow did not answer is made once more after so long: one lost connection is no outage."""

PAUSE_SECONDS = 10.0
"""After MLflow did not answer, no model asks again for so long: all would wait for the same answer."""

RegistryAction = MoveAlias | RejectVersion | AcceptVersion
T = TypeVar("T")


class RegistryClient:
    """One MLflow server, shared by all models. Every method that asks it raises RegistryError."""

    def __init__(self, registry: Registry, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is sent yet.

        Args:
            registry: whose calls block.
            clock: seconds that only rise.

        """
        self._registry = registry
        self._clock = clock
        self._threads = ThreadPoolExecutor(THREADS, "mlflow")
        self._silent_until = 0.0
        self._error = ""

    def close(self) -> None:
        """Let calls under way end, and take no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def ask(self, call: Callable[[Registry], T]) -> T:
        """What a call of the registry returns.

        Raises:
            RegistryUnavailableError: when MLflow does not answer, or did not a moment ago.

        """
        if self._clock() < self._silent_until:
            raise RegistryUnavailableError(self._error)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, call, self._registry)
        except RegistryUnavailableError:
            await asyncio.sleep(RETRY_SECONDS)
        try:
            return await loop.run_in_executor(self._threads, call, self._registry)
        except RegistryUnavailableError as error:
            self._silent_until = self._clock() + PAUSE_SECONDS
            self._error = str(error)
            raise

    async def act(self, model: str, action: RegistryAction) -> None:
        """Change the registered model."""
        match action:
            case MoveAlias(alias, None):
                await self.ask(lambda registry: registry.delete_alias(model, alias))
            case MoveAlias(alias, str(version)):
                await self.ask(lambda registry: registry.set_alias(model, alias, version))
            case RejectVersion(version, reason):
                await self.ask(lambda registry: registry.reject(model, version, reason))
            case AcceptVersion(version):
                await self.ask(lambda registry: registry.accept(model, version))


def steady(message: str) -> str:
    """A message without what differs each time, such as an address in memory.

    A message in status that is new at every pass would wake the model at every pass.
    """
    return re.sub(r"0x[0-9a-f]+", "0x…", " ".join(message.split()))[:1000]
