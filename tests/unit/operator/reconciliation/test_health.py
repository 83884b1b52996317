"""The answer to the liveness probe."""

import asyncio

import aiohttp

from housing_operator.reconciliation.health import answering_probes
from housing_operator.reconciliation.worker import STALE_SECONDS
from housing_operator.reconciliation.workqueue import WorkQueue
from tests.loopback import loopback_hosts
from tests.mlflow_server import free_port


def test_a_probe_is_answered_on_every_address_and_fails_once_the_workers_hang():
    now = [0.0]
    queue = WorkQueue(lambda: now[0])
    queue.put(("ns", "due"))
    port = free_port()

    async def ask(http, host):
        async with http.get(f"http://{host}:{port}/healthz") as answer:
            return answer.status, await answer.json()

    async def ask_everywhere():
        async with answering_probes(queue, port), aiohttp.ClientSession() as http:
            alive = [await ask(http, host) for host in loopback_hosts()]
            now[0] += STALE_SECONDS + 1
            return alive, await ask(http, "127.0.0.1")

    alive, stalled = asyncio.run(ask_everywhere())
    assert alive == [(200, {"longestWaitSeconds": 0.0})] * len(loopback_hosts())
    assert stalled == (503, {"stalled": "a HousingModel waits for a worker for 301 s"})
