"""The answer to the liveness probe."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from housing_core.listening import listen_everywhere
from housing_operator.observation import Key
from housing_operator.reconciliation.worker import StalledError, check_alive
from housing_operator.reconciliation.workqueue import WorkQueue


@asynccontextmanager
async def answering_probes(queue: WorkQueue[Key], port: int) -> AsyncIterator[None]:
    """Answer `/healthz` inside: that the event loop turns, and workers take keys from the queue.

    kopf's own endpoint listens on one address, which is of IPv4 or of IPv6.

    Raises:
        OSError: on entering, when the port is taken.

    """

    async def healthz(_request: web.Request) -> web.Response:
        try:
            return web.json_response({"longestWaitSeconds": check_alive(queue)})
        except StalledError as error:
            return web.json_response({"stalled": str(error)}, status=503)

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz)])
    runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.SockSite(runner, listen_everywhere(port)).start()
        yield
    finally:
        await runner.cleanup()
