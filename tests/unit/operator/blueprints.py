"""Blueprints and plans for the builders' tests."""

from __future__ import annotations

from typing import Any

from housing_core.api import HousingModelSpec, HousingModelStatus
from housing_core.tasks import TrainingTask
from housing_operator.observation import Model
from housing_operator.plan import Plan, ServingPlan, StartTraining
from housing_operator.resources.blueprint import Blueprint
from housing_operator.resources.names import training_job_name
from housing_operator.settings import Settings

LONGEST_NAME = "n" * 40
DATASET = {"uri": "pvc://listings/istanbul", "target": {"column": "price"}}
SETTINGS = Settings(
    tracking_uri="http://release-mlflow.mlops.svc:5000",
    training_image="example.com/training:1",
    serving_image="example.com/serving:1",
    monitoring_image="example.com/monitoring:1",
)


def blueprint(
    name: str = "istanbul",
    settings: Settings = SETTINGS,
    many_nodes: frozenset[str] = frozenset(),
    **blocks: Any,
) -> Blueprint:
    """A model with the smallest spec, and blocks laid over it."""
    spec = {"dataset": DATASET, **blocks}
    model = Model(
        namespace="homes",
        name=name,
        uid="0b5a-uid",
        generation=1,
        resource_version="7",
        annotations={},
        spec=spec,
        status={},
    )
    return Blueprint(model, HousingModelSpec.model_validate(spec), settings, many_nodes)


def serving(production: str | None = "3", staging: str | None = "4", **fields: Any) -> Plan:
    """A plan that serves these versions."""
    return Plan(
        status=HousingModelStatus.model_validate(fields.pop("status", {})),
        production=ServingPlan(production, production),
        staging=ServingPlan(staging, None),
        monitoring=fields.pop("monitoring", True),
        **fields,
    )


def start(of: Blueprint, key: str = "0123456789abcdef", attempt: int = 1) -> StartTraining:
    """The action that starts an attempt."""
    task = TrainingTask(
        namespace=of.model.namespace,
        name=of.name,
        key=key,
        attempt=attempt,
        trigger="Spec",
        token="generation-1",
        dataset=of.spec.dataset,
        training=of.spec.training,
    )
    return StartTraining(training_job_name(of.name, key, attempt), task)


def only(bodies: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    """The one object of this kind and name."""
    (found,) = [b for b in bodies if (b["kind"], b["metadata"]["name"]) == (kind, name)]
    return found


def pod_of(body: dict[str, Any]) -> dict[str, Any]:
    """The pod template of a Job, CronJob or Deployment."""
    spec = body["spec"]
    if body["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    template: dict[str, Any] = spec["template"]
    return template


def container_of(body: dict[str, Any]) -> dict[str, Any]:
    """The one container of its pod."""
    (container,) = pod_of(body)["spec"]["containers"]
    found: dict[str, Any] = container
    return found


def environment_of(body: dict[str, Any]) -> dict[str, Any]:
    """Name → value as the kubelet gives it to the program, or where the value comes from."""
    return {
        variable["name"]: (
            variable["value"].replace("$$", "$") if "value" in variable else variable["valueFrom"]
        )
        for variable in container_of(body)["env"]
    }
