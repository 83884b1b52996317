"""Scaling by load, and who sets the number of pods."""

from dataclasses import replace

import pytest

from housing_core.api import ServingTrack
from housing_operator.resources.autoscaling import replicas_to_apply
from housing_operator.resources.children import children
from tests.unit.operator.blueprints import blueprint, only, serving

SCALING = {"minReplicas": 2, "maxReplicas": 5, "targetRequestsPerSecond": 1500}
CPU = {"requests": {"cpu": "1"}}


def track(**fields):
    return ServingTrack.model_validate(fields)


def entry(manager, operation, *fields, subresource=""):
    owned = {f"f:{field}": {} for field in fields}
    return {
        "manager": manager,
        "operation": operation,
        "subresource": subresource,
        "fieldsV1": {"f:spec": owned},
    }


OURS = entry("housing-operator", "Apply", "replicas", "template")
OURS_RELEASED = entry("housing-operator", "Apply", "template")
AUTOSCALER = entry("kube-controller-manager", "Update", "replicas", subresource="scale")
CONTROLLER = {
    "manager": "kube-controller-manager",
    "operation": "Update",
    "fieldsV1": {"f:status": {"f:replicas": {}}},
}


def live(replicas, *entries):
    return {"metadata": {"managedFields": list(entries)}, "spec": {"replicas": replicas}}


@pytest.mark.parametrize(
    ("block", "found", "expected"),
    [
        pytest.param({"replicas": 3}, None, 3, id="fixed, new"),
        pytest.param({"replicas": 3}, live(5, OURS), 3, id="fixed, edited"),
        pytest.param(
            {"replicas": 3}, live(5, OURS_RELEASED, AUTOSCALER), 3, id="no longer autoscaled"
        ),
        pytest.param({"autoscaling": SCALING}, None, 2, id="new: starts within the bounds"),
        pytest.param({"autoscaling": SCALING, "replicas": 4}, None, 4, id="new: starts as asked"),
        pytest.param(
            {"autoscaling": SCALING, "replicas": 9}, None, 5, id="new: not above the most"
        ),
        pytest.param(
            {"autoscaling": SCALING}, live(3, OURS, CONTROLLER), 3, id="held until it is owned"
        ),
        pytest.param(
            {"autoscaling": SCALING}, live(4, OURS_RELEASED, AUTOSCALER), None, id="released"
        ),
        pytest.param({"autoscaling": SCALING}, live(4, OURS, AUTOSCALER), None, id="owned by both"),
        pytest.param(
            {"autoscaling": SCALING},
            live(4, entry("kubectl", "Update", "replicas", subresource="scale")),
            None,
            id="scaled by a person meanwhile",
        ),
    ],
)
def test_replicas_are_released_once_another_owns_them(block, found, expected):
    assert replicas_to_apply(track(**block), found) == expected


def test_the_autoscaler_scales_the_deployment_of_its_track_within_the_specs_bounds():
    bodies = children(blueprint(serving={"production": {"autoscaling": SCALING}}), serving())
    (found,) = [b for b in bodies if b["kind"] == "HorizontalPodAutoscaler"]
    assert found["metadata"]["name"] == "istanbul-production"
    spec = found["spec"]
    assert spec["scaleTargetRef"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "istanbul-production",
    }
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 5)
    (metric,) = spec["metrics"]
    assert metric["pods"] == {
        "metric": {"name": "housing_requests_per_second"},
        "target": {"type": "AverageValue", "averageValue": "1500"},
    }


def test_both_targets_are_two_metrics():
    scaling = SCALING | {"targetCPUUtilizationPercentage": 70}
    block = {"autoscaling": scaling, "resources": CPU}
    bodies = children(blueprint(serving={"production": block}), serving())
    metrics = only(bodies, "HorizontalPodAutoscaler", "istanbul-production")["spec"]["metrics"]
    assert [metric["type"] for metric in metrics] == ["Resource", "Pods"]
    assert metrics[0]["resource"]["target"]["averageUtilization"] == 70


def test_a_released_deployment_is_applied_without_replicas():
    of = blueprint(serving={"production": {"autoscaling": SCALING}})
    of = replace(of, deployments={"istanbul-production": live(4, OURS_RELEASED, AUTOSCALER)})
    deployment = only(children(of, serving()), "Deployment", "istanbul-production")
    assert "replicas" not in deployment["spec"]


def test_a_track_of_a_fixed_size_has_no_autoscaler():
    kinds = {body["kind"] for body in children(blueprint(), serving())}
    assert "HorizontalPodAutoscaler" not in kinds
