"""The Job of one attempt of a training."""

from __future__ import annotations

from typing import Any

from housing_core.api.base import parse_duration
from housing_core.tasks import IMAGE_VARIABLE, INVALID_DATA_EXIT_CODE, Crewing
from housing_operator.plan import StartTraining
from housing_operator.resources.blueprint import Blueprint
from housing_operator.resources.labels import HAS_WORKERS, labels
from housing_operator.resources.means import MEANS, means
from housing_operator.resources.names import component_name
from housing_operator.resources.ownership import owned
from housing_operator.resources.pods import Program, claims_of, each_once, pod_template
from housing_operator.resources.serving import log_claims, log_uri

POD_RETRIES = 3
"""Pods that the Job controller starts anew by itself; each goes on from the last checkpoint."""

RESOURCES = {
    "requests": {"cpu": "500m", "memory": "1Gi"},
    "limits": {"memory": "4Gi"},
}

DISRUPTIONS_DO_NOT_COUNT = {
    "action": "Ignore",
    "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
}
"""A drained node or an eviction says nothing about the training."""

TLS_FOLDER = "/mnt/tls"


def tls_volume(model: str) -> tuple[dict[str, Any], str]:
    """The certificate of trainings on several pods, and where their pods have it."""
    secret = {"secretName": component_name(model, "training-worker"), "defaultMode": 0o440}
    return {"name": "tls", "secret": secret}, TLS_FOLDER


def training_job(blueprint: Blueprint, start: StartTraining) -> dict[str, Any]:
    """The Job that a plan asks for: its plumbing is the spec's, what it trains the action's."""
    spec, task = blueprint.spec, start.task
    if task.training.distributed is not None:
        task = task.model_copy(update={"crewing": Crewing(tls_folder=TLS_FOLDER)})
    claims = claims_of(blueprint, spec.dataset.uri, read_only=True)
    if spec.dataset.feedback == "Join":
        task = task.model_copy(update={"log_uri": log_uri(blueprint)})
        claims = each_once(*claims, *log_claims(blueprint, read_only=True))
    program = Program(
        component="training",
        image=blueprint.settings.training_image,
        task=task.to_environment(),
        default_resources=RESOURCES,
        secret=blueprint.dataset_secret,
        claims=claims,
        own_address=task.crewing is not None,
        environment={IMAGE_VARIABLE: blueprint.settings.training_image},
        volumes=[tls_volume(blueprint.name)] if task.crewing else (),
        container={"terminationMessagePolicy": "File"},
        pod={"restartPolicy": "Never"},
    )
    marks = labels(blueprint.name, "training")
    if task.crewing:
        marks[HAS_WORKERS] = "true"
    return owned(
        blueprint.model,
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": start.job_name,
                "labels": marks,
                "annotations": {MEANS: means(spec)},
            },
            "spec": {
                "backoffLimit": POD_RETRIES,
                "activeDeadlineSeconds": int(parse_duration(spec.training.timeout).total_seconds()),
                "podFailurePolicy": {
                    "rules": [
                        # Data that cannot be trained on is no better in the next pod.
                        {
                            "action": "FailJob",
                            "onExitCodes": {
                                "containerName": "training",
                                "operator": "In",
                                "values": [INVALID_DATA_EXIT_CODE],
                            },
                        },
                        DISRUPTIONS_DO_NOT_COUNT,
                    ]
                },
                "template": pod_template(blueprint, program, spec.training),
            },
        },
    )
