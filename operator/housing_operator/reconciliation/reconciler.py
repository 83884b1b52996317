"""One pass for one HousingModel: observe → plan → status → act → events."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Any

from pydantic import ValidationError

from housing_core.api import API_VERSION, KIND, HousingModelStatus
from housing_core.api.status import Condition
from housing_core.registry import RegistryError, RegistryUnavailableError
from housing_operator.clients.kube import (
    AlreadyExistsError,
    Body,
    ConflictError,
    Kube,
    KubeError,
    KubeUnavailableError,
)
from housing_operator.clients.registry import RegistryClient, steady
from housing_operator.decisions.planner import plan as decide
from housing_operator.decisions.status import Verdict, with_verdict
from housing_operator.metrics.reconciliation import (
    RECONCILE_SECONDS,
    RECONCILES,
    REGISTRY_UP,
    WRITES,
)
from housing_operator.observation import Key, Model
from housing_operator.observing.observer import Observer, Seen, model_of
from housing_operator.plan import Action, DeleteJob, Plan, StartTraining
from housing_operator.reconciliation import events
from housing_operator.reconciliation.certificates import shared_certificate
from housing_operator.resources.blueprint import Blueprint
from housing_operator.resources.changes import changes
from housing_operator.resources.children import children
from housing_operator.resources.labels import HAS_WORKERS
from housing_operator.resources.ownership import is_owned_by
from housing_operator.resources.training_job import training_job
from housing_operator.resources.training_workers import certificate_secret, worker_job
from housing_operator.settings import Settings

log = logging.getLogger(__name__)

RECONCILE_ERROR = "ReconcileError"
"""Reason of Degraded when the operator itself could not do what it planned."""

CONFLICT_SECONDS = 0.2
REGISTRY_SECONDS = 10.0


class ReconcileError(Exception):
    """What could not be written in a pass; the message says each object and why."""


class Reconciler:
    """Brings HousingModels to what they ask for, one pass at a time."""

    def __init__(
        self,
        kube: Kube,
        observer: Observer,
        registry: RegistryClient,
        settings: Settings,
        clock: Callable[[], datetime],
    ) -> None:
        """Nothing is sent yet.

        Args:
            kube: the API server.
            observer: looks at a model.
            registry: MLflow.
            settings: the operator's.
            clock: now, with a time zone.

        """
        self._kube = kube
        self._observer = observer
        self._registry = registry
        self._settings = settings
        self._clock = clock

    async def reconcile(self, key: Key) -> float | None:
        """Make one pass.

        Returns:
            Seconds until the next one is due; None when the model is gone or going.

        Raises:
            Exception: whatever kept the pass from its end; the model's condition Degraded says it.

        """
        try:
            with RECONCILE_SECONDS.time():
                wait = await self._pass(key)
        except ConflictError as error:
            # Somebody wrote in between: what was decided is about what is no more.
            RECONCILES.labels("conflict").inc()
            log.info("%s/%s: observed again: %s", *key, error)
            return CONFLICT_SECONDS
        except Exception as error:
            RECONCILES.labels("error").inc()
            await self._report(key, error)
            raise
        RECONCILES.labels("gone" if wait is None else "ok").inc()
        return wait

    async def _pass(self, key: Key) -> float | None:
        now = self._clock()
        seen = await self._observer.observe(*key, now)
        if seen is None or seen.observation.model.deleting:
            return None
        model = seen.observation.model
        REGISTRY_UP.set(seen.observation.registry is not None)
        plan = decide(seen.observation, now)
        failed = _reconcile_error(model.status)
        held = _with_condition(plan.status, failed) if failed else plan.status
        # Status first: who comes after us, if we end here, knows what we meant to do.
        version = await self._write_status(model, held, model.resource_version)
        try:
            wait = await self._carry_out(seen, plan)
        finally:
            await self._tell(model, plan, now)
        if failed is not None:
            await self._write_status(model, plan.status, version)
        return wait

    async def _write_status(self, model: Model, status: HousingModelStatus, version: str) -> str:
        """Apply all of status but `drift`, if it is new; returns the resourceVersion by then.

        Raises:
            ConflictError: when the model is no longer at `version`.

        """
        wanted = {key: value for key, value in status.to_json().items() if key != "drift"}
        if wanted == {key: value for key, value in model.status.items() if key != "drift"}:
            return version
        metadata = {"namespace": model.namespace, "name": model.name, "resourceVersion": version}
        body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "status": wanted}
        written = await self._kube.apply(body, status=True)
        WRITES.labels(KIND, "apply").inc()
        return str(written["metadata"]["resourceVersion"])

    async def _carry_out(self, seen: Seen, plan: Plan) -> float:
        """Children and then actions; one that fails does not keep the others from being done."""
        problems: list[str] = []
        wait = plan.requeue_after.total_seconds()
        steps: list[Callable[[], Awaitable[None]]] = []
        model = seen.observation.model
        if plan.spec is not None:
            live = seen.observation.children
            deployments = {
                name: body for (kind, name), body in live.items() if kind == "Deployment"
            }
            blueprint = Blueprint(model, plan.spec, self._settings, seen.many_nodes, deployments)
            todo = changes(children(blueprint, plan), live, model.uid)
            steps += [partial(self._apply, model, live, body) for body in todo.apply]
            steps += [partial(self._delete, model, body) for body in todo.delete]
            steps += [partial(self._act, blueprint, action) for action in plan.actions]
        for step in steps:
            try:
                await step()
            except (KubeUnavailableError, ConflictError):
                raise
            except RegistryUnavailableError as error:
                # The next look at MLflow says so in the conditions.
                log.info("%s/%s: %s", model.namespace, model.name, error)
                wait = min(wait, REGISTRY_SECONDS)
            except (KubeError, RegistryError) as error:
                problems.append(str(error))
        if problems:
            raise ReconcileError("; ".join(problems))
        return wait

    async def _apply(self, model: Model, live: dict[tuple[str, str], Body], body: Body) -> None:
        kind, name = body["kind"], body["metadata"]["name"]
        # One that lost its labels is not among the children, and neither is somebody else's.
        found = live.get((kind, name)) or await self._kube.get(kind, model.namespace, name)
        if found is not None and not is_owned_by(found, model.uid):
            raise KubeError(
                f"{kind} {model.namespace}/{name} is there and does not belong to this "
                "HousingModel: delete it, or name the HousingModel otherwise"
            )
        if kind == "Deployment" and found is not None:
            # What an autoscaler has written since is not undone.
            version = found["metadata"]["resourceVersion"]
            body = {**body, "metadata": {**body["metadata"], "resourceVersion": version}}
        await self._kube.apply(body)
        WRITES.labels(kind, "apply").inc()

    async def _delete(self, model: Model, body: Body) -> None:
        metadata = body["metadata"]
        await self._kube.delete(body["kind"], model.namespace, metadata["name"], metadata["uid"])
        WRITES.labels(body["kind"], "delete").inc()

    async def _act(self, blueprint: Blueprint, action: Action) -> None:
        model = blueprint.model
        match action:
            case StartTraining():
                await self._start(blueprint, action)
            case DeleteJob(name):
                await self._kube.delete("Job", model.namespace, name)
                WRITES.labels("Job", "delete").inc()
            case _:
                await self._registry.act(model.registered_name, action)

    async def _start(self, blueprint: Blueprint, start: StartTraining) -> None:
        """Make the Job, and what it needs to work with others; what is there already stays.

        Names of Jobs are of this very attempt: an operator before us made them.
        """
        job = training_job(blueprint, start)
        if blueprint.spec.training.distributed is None:
            await self._create(job)
            return
        certificate = shared_certificate(blueprint.name, self._clock())
        await self._create(certificate_secret(blueprint, certificate))
        await self._create(job)
        made = await self._kube.get("Job", blueprint.model.namespace, start.job_name)
        if made is not None and HAS_WORKERS in made["metadata"]["labels"]:
            uid = made["metadata"]["uid"]
            await self._create(worker_job(blueprint, start.job_name, uid))

    async def _create(self, body: Body) -> None:
        try:
            await self._kube.create(body)
            WRITES.labels(body["kind"], "create").inc()
        except AlreadyExistsError:
            return

    async def _tell(self, model: Model, plan: Plan, now: datetime) -> None:
        """Also after an action that failed: the next pass does not say it again."""
        for event in plan.events:
            log.info(
                event.message,
                extra={"model": f"{model.namespace}/{model.name}", "reason": event.reason},
            )
            try:
                await events.post(self._kube, model, event, now)
            except KubeError as error:
                log.warning("%s/%s: Event not posted: %s", model.namespace, model.name, error)

    async def _report(self, key: Key, error: Exception) -> None:
        """Show in the condition Degraded why a pass has failed, where that can be written."""
        text = str(error) if isinstance(error, KubeError | ReconcileError | ValueError) else ""
        message = steady(text or f"{type(error).__name__}: {error}")
        try:
            body = await self._kube.get(KIND, *key)
            if body is None:
                return
            model = model_of(body)
            former = _reconcile_error(model.status)
            if former is not None and former.message == message:
                return
            status = HousingModelStatus.model_validate(model.status)
            verdict: Verdict = ("True", RECONCILE_ERROR, message)
            generation, now = model.generation, self._clock()
            changed = with_verdict(status, "Degraded", verdict, generation=generation, now=now)
            await self._write_status(model, changed, model.resource_version)
        except (KubeError, ValidationError) as second:
            log.warning("%s/%s: condition not written: %s", *key, second)


def _reconcile_error(status: dict[str, Any]) -> Condition | None:
    """The condition that a failed pass left; None when the last one was good."""
    for condition in status.get("conditions", []):
        if (condition["type"], condition["reason"]) == ("Degraded", RECONCILE_ERROR):
            return Condition.model_validate(condition)
    return None


def _with_condition(status: HousingModelStatus, kept: Condition) -> HousingModelStatus:
    conditions = [kept if found.type == kept.type else found for found in status.conditions]
    return status.model_copy(update={"conditions": conditions})
