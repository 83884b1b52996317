"""What a training on several pods has besides its Job: a name, a certificate, and a Job of workers.

All of it belongs to the training's Job and goes with it. Workers end by themselves when the
training is gone, too; the operator deletes them as soon as its Job has ended.
"""

from __future__ import annotations

from typing import Any

from housing_core.api.base import parse_duration
from housing_core.tasks import SCHEDULER_PORT, WorkerTask
from housing_operator.resources.blueprint import Blueprint
from housing_operator.resources.labels import labels, selector
from housing_operator.resources.names import component_name, worker_job_name
from housing_operator.resources.pods import Program, pod_template
from housing_operator.resources.training_job import (
    DISRUPTIONS_DO_NOT_COUNT,
    POD_RETRIES,
    RESOURCES,
    TLS_FOLDER,
    tls_volume,
)


def crew_objects(
    blueprint: Blueprint, job_name: str, job_uid: str, certificate: dict[str, str]
) -> list[dict[str, Any]]:
    """Objects of a training's Job in the order in which they are made, the workers last.

    Args:
        blueprint: of the model; its spec has `training.distributed`.
        job_name: of the training's Job.
        job_uid: of the same.
        certificate: data of the Secret.

    """
    owner = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": job_name,
        "uid": job_uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
    bodies = [
        _secret(job_name, certificate),
        _service(blueprint, job_name),
        _worker_job(blueprint, job_name),
    ]
    for body in bodies:
        body["metadata"] |= {
            "namespace": blueprint.model.namespace,
            "labels": labels(blueprint.name, "training-worker"),
            "ownerReferences": [owner],
        }
    return bodies


def _secret(job_name: str, certificate: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": job_name},
        "type": "kubernetes.io/tls",
        "immutable": True,
        "stringData": certificate,
    }


def _service(blueprint: Blueprint, job_name: str) -> dict[str, Any]:
    """The address of the Job's pod, whichever pod that is."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": job_name},
        "spec": {
            "clusterIP": "None",
            "selector": {
                **selector(blueprint.name, "training"),
                "batch.kubernetes.io/job-name": job_name,
            },
            "ports": [{"name": "scheduler", "port": SCHEDULER_PORT}],
        },
    }


def _worker_job(blueprint: Blueprint, job_name: str) -> dict[str, Any]:
    training = blueprint.spec.training
    workers = training.distributed.workers if training.distributed else 0
    task = WorkerTask(
        namespace=blueprint.model.namespace,
        name=blueprint.name,
        scheduler=f"tls://{job_name}:{SCHEDULER_PORT}",
        tls_folder=TLS_FOLDER,
    )
    program = Program(
        component="training-worker",
        image=blueprint.settings.training_image,
        task=task.to_environment(),
        default_resources=RESOURCES,
        own_address=True,
        volumes=[tls_volume(job_name)],
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
        "metadata": {"name": worker_job_name(job_name)},
        "spec": {
            "parallelism": workers,
            "completions": workers,
            "backoffLimit": POD_RETRIES * workers,
            "activeDeadlineSeconds": int(parse_duration(training.timeout).total_seconds()),
            "podFailurePolicy": {"rules": [DISRUPTIONS_DO_NOT_COUNT]},
            "template": pod_template(blueprint, program, training),
        },
    }
