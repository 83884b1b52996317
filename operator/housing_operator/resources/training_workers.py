"""What a training on several pods has besides its Job: an address, a certificate, and a Job of workers.

The workers belong to the training's Job and go with it. They end by themselves when the training is
gone, too; the operator deletes them as soon as the Job has ended. Address and certificate are the
model's: they are there before a pod asks for them, whichever Job comes after which.
"""

from __future__ import annotations

from typing import Any

from housing_core.api.base import parse_duration
from housing_core.tasks import SCHEDULER_PORT, WorkerTask
from housing_operator.resources.blueprint import Blueprint
from housing_operator.resources.labels import labels, selector
from housing_operator.resources.names import component_name, worker_job_name
from housing_operator.resources.ownership import owned
from housing_operator.resources.pods import Program, pod_template
from housing_operator.resources.training_job import (
    DISRUPTIONS_DO_NOT_COUNT,
    POD_RETRIES,
    RESOURCES,
    TLS_FOLDER,
    tls_volume,
)


def certificate_secret(blueprint: Blueprint, certificate: dict[str, str]) -> dict[str, Any]:
    """The Secret by which the pods of the model's trainings know each other."""
    return owned(
        blueprint.model,
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": component_name(blueprint.name, "training-worker"),
                "labels": labels(blueprint.name, "training-worker"),
            },
            "type": "kubernetes.io/tls",
            "immutable": True,
            "stringData": certificate,
        },
    )


def training_service(blueprint: Blueprint) -> dict[str, Any]:
    """The address of the training's pod, whichever pod that is."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": component_name(blueprint.name, "training"),
            "labels": labels(blueprint.name, "training"),
        },
        "spec": {
            "clusterIP": "None",
            "selector": selector(blueprint.name, "training"),
            "ports": [{"name": "scheduler", "port": SCHEDULER_PORT}],
        },
    }


def worker_job(blueprint: Blueprint, job_name: str, job_uid: str) -> dict[str, Any]:
    """The workers of a training's Job, as many as the spec names.

    Args:
        blueprint: of the model; its spec has `training.distributed`.
        job_name: of the training's Job.
        job_uid: of the same.

    """
    training = blueprint.spec.training
    workers = training.distributed.workers if training.distributed else 0
    task = WorkerTask(
        namespace=blueprint.model.namespace,
        name=blueprint.name,
        scheduler=f"tls://{component_name(blueprint.name, 'training')}:{SCHEDULER_PORT}",
        tls_folder=TLS_FOLDER,
    )
    program = Program(
        component="training-worker",
        image=blueprint.settings.training_image,
        task=task.to_environment(),
        default_resources=RESOURCES,
        own_address=True,
        volumes=[tls_volume(blueprint.name)],
        container={"command": ["python3", "-m", "housing_training.worker"]},
        pod={
            "restartPolicy": "Never",
            "serviceAccountName": (
                training.service_account_name or component_name(blueprint.name, "training")
            ),
            "topologySpreadConstraints": [
                {
                    "maxSkew": 1,
                    "topologyKey": "kubernetes.io/hostname",
                    "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": {"matchLabels": selector(blueprint.name, "training-worker")},
                }
            ],
        },
    )
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "namespace": blueprint.model.namespace,
            "name": worker_job_name(job_name),
            "labels": labels(blueprint.name, "training-worker"),
            "ownerReferences": [
                {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "name": job_name,
                    "uid": job_uid,
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "spec": {
            "parallelism": workers,
            "completions": workers,
            "backoffLimit": POD_RETRIES * workers,
            "activeDeadlineSeconds": int(parse_duration(training.timeout).total_seconds()),
            "podFailurePolicy": {"rules": [DISRUPTIONS_DO_NOT_COUNT]},
            "template": pod_template(blueprint, program, training),
        },
    }
