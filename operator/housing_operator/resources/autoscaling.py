"""Scaling of a track by load, and who sets the number of its pods meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from housing_core.api import ServingTrack
from housing_core.api.spec import REQUESTS_PER_SECOND_METRIC, Autoscaling
from housing_operator.resources.labels import OPERATOR


def autoscaler(metadata: dict[str, Any], scaling: Autoscaling) -> dict[str, Any]:
    """The HorizontalPodAutoscaler of the Deployment that has the same metadata."""
    metrics: list[dict[str, Any]] = []
    if scaling.target_cpu_utilization_percentage is not None:
        target = {
            "type": "Utilization",
            "averageUtilization": scaling.target_cpu_utilization_percentage,
        }
        metrics.append({"type": "Resource", "resource": {"name": "cpu", "target": target}})
    if scaling.target_requests_per_second is not None:
        target = {"type": "AverageValue", "averageValue": str(scaling.target_requests_per_second)}
        metric = {"name": REQUESTS_PER_SECOND_METRIC}
        metrics.append({"type": "Pods", "pods": {"metric": metric, "target": target}})
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata,
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": metadata["name"],
            },
            "minReplicas": scaling.min_replicas,
            "maxReplicas": scaling.max_replicas,
            "metrics": metrics,
        },
    }


def replicas_to_apply(block: ServingTrack, live: Mapping[str, Any] | None) -> int | None:
    """The `replicas` that the operator applies; None for a number that it leaves to another.

    A field that only we apply goes back to its default, 1, when we leave it out. So an autoscaled
    Deployment keeps the number that it has until the autoscaler has written one of its own.

    Args:
        block: of the spec.
        live: the Deployment as it is, with its managedFields; None when there is none.

    """
    scaling = block.autoscaling
    if scaling is None:
        return block.replicas
    start = min(max(block.replicas, scaling.min_replicas), scaling.max_replicas)
    if live is None:
        return start
    if any(_sets_replicas(entry) for entry in live["metadata"].get("managedFields", [])):
        return None
    present: int = live["spec"].get("replicas", start)
    return present


def _sets_replicas(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of managedFields is another writer's, and has the number of pods in it."""
    ours = (entry.get("manager"), entry.get("operation")) == (OPERATOR, "Apply")
    return not ours and "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})
