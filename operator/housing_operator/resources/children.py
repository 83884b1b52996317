"""Everything that a HousingModel owns besides its training Jobs, as one pass wants it."""

from __future__ import annotations

from typing import Any

from housing_operator.plan import Plan
from housing_operator.resources.blueprint import Blueprint
from housing_operator.resources.labels import labels
from housing_operator.resources.monitoring import cron_job, rights
from housing_operator.resources.names import TRACKS, component_name
from housing_operator.resources.network import network_policies
from housing_operator.resources.ownership import owned
from housing_operator.resources.serving import serving_claim, track_objects
from housing_operator.resources.training_workers import training_service

CHILD_KINDS = (
    *("ServiceAccount", "Role", "RoleBinding", "NetworkPolicy", "PersistentVolumeClaim"),
    *("ConfigMap", "Service", "Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget"),
    "CronJob",
)
"""What `children` makes, and so what is looked for to repair and to delete."""


def children(blueprint: Blueprint, plan: Plan) -> list[dict[str, Any]]:
    """The objects in the order in which they are made, each with owner, labels and digest."""
    bodies = [
        *_service_accounts(blueprint),
        *rights(blueprint.model, blueprint.spec),
        *network_policies(blueprint),
    ]
    if blueprint.spec.training.distributed is not None:
        bodies.append(training_service(blueprint))
    rejected = [entry.version for entry in plan.status.rejected_versions]
    tracks = [
        body
        for track in TRACKS
        for body in track_objects(blueprint, track, getattr(plan, track), rejected)
    ]
    if tracks or blueprint.spec.dataset.feedback == "Join":
        # A training that reads the log mounts its claim, also before anything is served.
        bodies += serving_claim(blueprint)
    bodies += tracks
    watched = plan.production.confirmed_version or plan.production.version
    if watched is not None:
        bodies.append(cron_job(blueprint, watched, running=plan.monitoring))
    return [owned(blueprint.model, body) for body in bodies]


def _service_accounts(blueprint: Blueprint) -> list[dict[str, Any]]:
    """One without rights for each component whose pods run under none of the user's."""
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {
                "name": component_name(blueprint.name, component),
                "labels": labels(blueprint.name, component),
            },
            "automountServiceAccountToken": False,
        }
        for component, blocks in blueprint.plumbing.items()
        if not all(block.service_account_name for block in blocks)
    ]
