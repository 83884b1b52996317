"""The program: kopf's watches put keys into the work queue, workers take them out."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import time
from datetime import UTC, datetime
from typing import Any

import aiohttp
import kopf
import prometheus_client

from housing_core import __version__, logs
from housing_core.api import GROUP, KIND, PLURAL
from housing_core.listening import every_address
from housing_core.registry import Registry
from housing_operator.clients.kube import (
    RESOURCES,
    Kube,
    KubeError,
    KubeUnavailableError,
    NotFoundError,
)
from housing_operator.clients.login import login
from housing_operator.clients.registry import RegistryClient
from housing_operator.metrics.models import ModelMetrics
from housing_operator.observation import Key
from housing_operator.observing.observer import Observer
from housing_operator.observing.registry_view import RegistryView
from housing_operator.reconciliation.health import answering_probes
from housing_operator.reconciliation.reconciler import Reconciler
from housing_operator.reconciliation.worker import WORKERS, sample, work
from housing_operator.reconciliation.workqueue import WorkQueue
from housing_operator.resources.children import CHILD_KINDS
from housing_operator.resources.labels import INSTANCE, MANAGED
from housing_operator.settings import Settings, SettingsError

log = logging.getLogger(__name__)

METRICS_PORT = 8080
HEALTH_PORT = 8081

DEBOUNCE_SECONDS = 0.3
"""Events come in bursts: one pass answers what comes in so short a time."""

API_SERVER_SECONDS = 60.0
"""How long an API server that does not answer is waited for at the start."""

OWNED = tuple(RESOURCES[kind] for kind in ("Job", "Pod", *CHILD_KINDS))
"""Whose changes wake the HousingModel that they belong to."""


def watches(queue: WorkQueue[Key], models: ModelMetrics) -> kopf.OperatorRegistry:
    """Kopf's handlers: each puts a key into the queue; a HousingModel's metrics follow its events.

    Event handlers alone, since kopf puts finalizers or annotations on an object for any other kind.
    """

    async def model_event(namespace: str, name: str, event: kopf.RawEvent, **_: Any) -> None:
        if event["type"] == "DELETED":
            models.forget((namespace, name))
        else:
            models.see(event["object"])
        queue.put((namespace, name), DEBOUNCE_SECONDS)

    async def owned_event(namespace: str, labels: kopf.Labels, **_: Any) -> None:
        if owner := labels.get(INSTANCE):
            queue.put((namespace, owner), DEBOUNCE_SECONDS)

    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(login)
    kopf.on.event(*RESOURCES[KIND], registry=registry)(model_event)
    for resource in OWNED:
        kopf.on.event(*resource, registry=registry)(owned_event)
    return registry


def kopf_settings() -> kopf.OperatorSettings:
    """Kopf's settings where its defaults do not fit."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    # Namespaces are named or all, and the CRD is checked at the start.
    settings.scanning.disabled = True
    settings.networking.connect_timeout = 10
    settings.networking.request_timeout = 60
    settings.watching.connect_timeout = 10
    settings.watching.server_timeout = 600
    settings.watching.client_timeout = 630
    settings.watching.chunk_size = 500
    for resource in OWNED:
        settings.watching.label_selectors[resource] = MANAGED
    settings.queueing.worker_limit = 100
    settings.queueing.idle_timeout = 1.0
    settings.process.ultimate_exiting_timeout = 30
    return settings


async def operate(settings: Settings, health_port: int) -> None:
    """Run until a signal ends it.

    Raises:
        KubeError: when there is no API server to work with, or no CRD.

    """
    kube = Kube.connect()
    registry = RegistryClient(Registry(settings.tracking_uri))
    queue: WorkQueue[Key] = WorkQueue(time.monotonic)
    models = ModelMetrics()
    prometheus_client.REGISTRY.register(models)
    try:
        await check_installed(kube, settings.watched_namespaces)
        watched = ", ".join(settings.watched_namespaces) or "all namespaces"
        log.info("%s: watching the HousingModels of %s", __version__, watched)
        connector = aiohttp.TCPConnector(force_close=True)
        async with aiohttp.ClientSession(connector=connector) as http:
            observer = Observer(kube, RegistryView(registry), http)
            reconciler = Reconciler(kube, observer, registry, settings, lambda: datetime.now(UTC))

            async def reconcile(key: Key) -> float | None:
                wait = await reconciler.reconcile(key)
                if wait is None:
                    # Also one whose end no event told: the watch was away.
                    models.forget(key)
                return wait

            async with answering_probes(queue, health_port), asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(sample(queue)),
                    *(group.create_task(work(queue, reconcile)) for _ in range(WORKERS)),
                ]
                await kopf.operator(
                    registry=watches(queue, models),
                    settings=kopf_settings(),
                    # kopf would ask for the user's name, which an id without a passwd entry has not.
                    identity="housing-operator",
                    clusterwide=not settings.watched_namespaces,
                    namespaces=settings.watched_namespaces,
                )
                for task in tasks:
                    task.cancel()
    finally:
        kube.close()
        registry.close()


async def check_installed(kube: Kube, namespaces: tuple[str, ...]) -> None:
    """Make sure that HousingModels can be read before anything is watched.

    Raises:
        KubeError: when they cannot; the message says what to do.

    """
    deadline = time.monotonic() + API_SERVER_SECONDS
    for namespace in namespaces or (None,):
        while True:
            try:
                await kube.list(KIND, namespace, limit=1)
                break
            except NotFoundError as error:
                raise KubeError(
                    f"the CustomResourceDefinition {PLURAL}.{GROUP} is not installed: install the "
                    "chart with crds.enabled=true, or apply manifests/crd.yaml"
                ) from error
            except KubeUnavailableError as error:
                if time.monotonic() > deadline:
                    raise
                log.info("waiting for the API server: %s", error)
                await asyncio.sleep(2)


def main() -> int:
    """Run the program; 1 when it cannot work, with the reason on standard error."""
    parser = argparse.ArgumentParser(
        prog="housing_operator",
        description="Keeps HousingModels trained, served, watched and retrained. The environment "
        "says what to work with: MLFLOW_TRACKING_URI, HOUSING_TRAINING_IMAGE, "
        "HOUSING_SERVING_IMAGE and HOUSING_MONITORING_IMAGE; and, where the defaults do not fit, "
        "HOUSING_IMAGE_PULL_POLICY, HOUSING_WATCH_NAMESPACES (names with commas; all "
        "namespaces when empty) and HOUSING_SCRAPE_ANNOTATIONS (true or false). Outside a cluster it uses KUBECONFIG.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument(
        "--metrics-port", type=int, default=METRICS_PORT, help="of /metrics (default: %(default)s)"
    )
    parser.add_argument(
        "--health-port", type=int, default=HEALTH_PORT, help="of /healthz (default: %(default)s)"
    )
    arguments = parser.parse_args()
    logs.configure()
    # What kopf tells of every event is of no use here; which signal ends it is.
    logging.getLogger("kopf").setLevel(logging.WARNING)
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.INFO)
    try:
        settings = Settings.from_environment(os.environ)
        prometheus_client.start_http_server(arguments.metrics_port, every_address())
        asyncio.run(operate(settings, arguments.health_port))
    except (SettingsError, KubeError, OSError) as error:
        sys.stderr.write(f"housing_operator: {error}\n")
        return 1
    except ExceptionGroup:
        log.exception("the operator ends: a part that it cannot do without has failed")
        return 1
    return 0
