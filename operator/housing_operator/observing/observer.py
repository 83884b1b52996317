"""Looks at one HousingModel: the API server, the serving pods' own answers, and MLflow."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import aiohttp
from pydantic import ValidationError

from housing_core.api import KIND
from housing_core.tasks import ServingHealth
from housing_operator.clients.kube import Body, Kube
from housing_operator.observation import Model, Observation
from housing_operator.observing.registry_view import RegistryView
from housing_operator.observing.workloads import (
    answers_for,
    is_serving,
    is_waiting,
    job_state,
    track_state,
)
from housing_operator.resources.children import CHILD_KINDS
from housing_operator.resources.labels import COMPONENT, owned_selector
from housing_operator.resources.names import SERVING_PORT, TRACKS, track_name
from housing_operator.resources.pods import claim_of
from housing_operator.schedules import newest_due

HEALTH_SECONDS = 2.0

PATIENCE = timedelta(seconds=20)
"""A Job or pod that has not begun for so long is asked after among the Events."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look has found.

    Attributes:
        many_nodes: claims that the spec names and that several nodes can mount at a time.

    """

    observation: Observation
    many_nodes: frozenset[str]


class Observer:
    """Looks at HousingModels, one at a time or several at once."""

    def __init__(self, kube: Kube, registry: RegistryView, http: aiohttp.ClientSession) -> None:
        """Nothing is sent yet.

        Args:
            kube: the API server.
            registry: MLflow.
            http: for the serving pods.

        """
        self._kube = kube
        self._registry = registry
        self._http = http

    async def observe(self, namespace: str, name: str, now: datetime) -> Seen | None:
        """Everything that a pass decides on; None when there is no such model.

        Raises:
            KubeError: when the API server does not answer, or refuses.
            ScheduleError: when the spec's schedule is none.

        """
        body = await self._kube.get(KIND, namespace, name)
        if body is None:
            return None
        model = model_of(body)
        schedule = model.spec.get("training", {}).get("schedule")
        created = datetime.fromisoformat(body["metadata"]["creationTimestamp"])
        due = newest_due("spec.training.schedule", schedule, created, now) if schedule else None
        selector = owned_selector(name)
        jobs, *found = await asyncio.gather(
            *(
                self._kube.list(kind, namespace, label_selector=selector)
                for kind in ("Job", *CHILD_KINDS)
            )
        )
        # After the Jobs: a Job that is seen as finished must be seen with what its pod left.
        pods, many_nodes, (registry, registry_error) = await asyncio.gather(
            self._kube.list("Pod", namespace, label_selector=selector),
            self._many_nodes(model),
            self._look_at_registry(model),
        )
        children = {
            (kind, child["metadata"]["name"]): child
            for kind, items in zip(CHILD_KINDS, found, strict=True)
            for child in items
        }
        trainings = [job for job in jobs if job["metadata"]["labels"].get(COMPONENT) == "training"]
        warnings, healths = await asyncio.gather(
            self._warnings([*trainings, *pods], pods, now),
            self._healths(model, pods),
        )
        tracks = {
            track: track_state(
                children.get(("Deployment", track_name(name, track))),
                [pod for pod in pods if is_serving(pod, track)],
                healths,
                warnings,
                children.get(("HorizontalPodAutoscaler", track_name(name, track))),
            )
            for track in TRACKS
        }
        observation = Observation(
            model=model,
            jobs={
                job["metadata"]["name"]: job_state(job, pods, now, warnings, jobs)
                for job in trainings
            },
            production=tracks["production"],
            staging=tracks["staging"],
            registry=registry,
            registry_error=registry_error,
            children=children,
            schedule_due=due,
        )
        return Seen(observation, many_nodes)

    async def _look_at_registry(self, model: Model) -> Any:
        status = model.status
        tracked = [(status.get(part) or {}).get("version") for part in ("candidate", *TRACKS)]
        training = status.get("training") or {}
        return await self._registry.observe(
            model.registered_name,
            [*tracked, training.get("version")],
            training.get("key"),
            under_way="finishedAt" not in training,
        )

    async def _many_nodes(self, model: Model) -> frozenset[str]:
        """Claims of the user's that are not bound to one node."""
        log = model.spec.get("serving", {}).get("predictionLog", {})
        uris = (model.spec.get("dataset", {}).get("uri"), log.get("uri"))
        names = {name for uri in uris if (name := claim_of(uri))}
        claims = await asyncio.gather(
            *(self._kube.get("PersistentVolumeClaim", model.namespace, name) for name in names)
        )
        return frozenset(
            claim["metadata"]["name"]
            for claim in claims
            if claim is not None
            and {"ReadWriteMany", "ReadOnlyMany"} & set(claim["spec"]["accessModes"])
        )

    async def _healths(self, model: Model, pods: Sequence[Body]) -> dict[str, ServingHealth]:
        """What running serving pods say of themselves, by the pod's name."""
        asked = [
            pod
            for pod in pods
            if any(is_serving(pod, track) for track in TRACKS)
            and pod["status"].get("phase") == "Running"
            and pod["status"].get("podIP")
        ]
        answers = await asyncio.gather(*(self._health(pod["status"]["podIP"]) for pod in asked))
        return {
            pod["metadata"]["name"]: health
            for pod, health in zip(asked, answers, strict=True)
            if health is not None and answers_for(pod, health, model.registered_name)
        }

    async def _health(self, address: str) -> ServingHealth | None:
        host = f"[{address}]" if ":" in address else address
        timeout = aiohttp.ClientTimeout(total=HEALTH_SECONDS)
        try:
            url = f"http://{host}:{SERVING_PORT}/health"
            async with self._http.get(url, timeout=timeout) as response:
                # 503 has a body too: it says what is missing.
                return ServingHealth.model_validate_json(await response.read())
        except (aiohttp.ClientError, TimeoutError, ValidationError):
            return None

    async def _warnings(
        self, bodies: Sequence[Body], pods: Sequence[Body], now: datetime
    ) -> dict[str, str]:
        """The newest Warning about each Job and pod that has not begun for long, by its name."""
        late = [
            body
            for body in bodies
            if now - datetime.fromisoformat(body["metadata"]["creationTimestamp"]) > PATIENCE
            and is_waiting(body, pods)
        ]
        found = await asyncio.gather(
            *(
                self._kube.list(
                    "Event",
                    body["metadata"]["namespace"],
                    field_selector=f"involvedObject.uid={body['metadata']['uid']},type=Warning",
                )
                for body in late
            )
        )
        return {
            body["metadata"]["name"]: f"{newest['reason']}: {newest.get('message', '')}"
            for body, events in zip(late, found, strict=True)
            if (newest := max(events, key=_last_seen, default=None)) is not None
        }


def model_of(body: Body) -> Model:
    """A HousingModel as the API server holds it."""
    metadata = body["metadata"]
    return Model(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata["generation"],
        resource_version=metadata["resourceVersion"],
        annotations=metadata.get("annotations", {}),
        spec=body.get("spec", {}),
        status=body.get("status", {}),
        deleting="deletionTimestamp" in metadata,
    )


def _last_seen(event: Body) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")
