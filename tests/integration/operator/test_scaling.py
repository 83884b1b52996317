"""A Deployment that others write too: the real autoscaler, and people with kubectl."""

import json

import pytest

from tests.bundles import register_bundle, tiny_bundle
from tests.cluster_client import condition_of
from tests.integration.operator.models import NOWHERE

SCALING = {"minReplicas": 2, "maxReplicas": 6, "targetRequestsPerSecond": 1000}


@pytest.fixture
def in_staging(models, name, registry, tmp_path):
    """Applies a model with these fields of its staging track, once it has a version there."""

    def apply(**fields):
        models.apply(name, serving={"staging": {**NOWHERE, **fields}})

    apply(replicas=3)
    registered = f"{models.namespace}.{name}"
    folder = tiny_bundle(tmp_path / "bundle", model_name=registered)
    register_bundle(registry, registered, folder, key=models.training(name)["key"])
    models.wake(name, 1)
    models.wait_there("deployment", f"{name}-staging")
    return apply


def annotated(deployment):
    """A template without any annotation has no such key."""
    return "example.com/a" in deployment["spec"]["template"]["metadata"].get("annotations", {})


def owners(deployment):
    """Managers of the field `replicas`."""
    return {
        entry["manager"]
        for entry in deployment["metadata"]["managedFields"]
        if "f:replicas" in entry["fieldsV1"].get("f:spec", {})
    }


def test_replicas_go_to_the_autoscaler_and_come_back_without_a_fall_in_between(
    models, name, in_staging
):
    cluster, where = models.cluster, ("deployment", f"{name}-staging", models.namespace)

    def deployment():
        kind, *rest = where
        return json.loads(
            cluster.kubectl(
                *("get", kind, rest[0], "-n", rest[1], "-o", "json", "--show-managed-fields")
            )
        )

    def replicas(number):
        return lambda found: found["spec"]["replicas"] == number

    assert deployment()["spec"]["replicas"] == 3
    # The autoscaler has no reason to write a number: three is within its bounds.
    in_staging(autoscaling=SCALING)
    models.wait_there("horizontalpodautoscaler", f"{name}-staging")
    models.wake(name, 2)
    assert (deployment()["spec"]["replicas"], owners(deployment())) == (3, {"housing-operator"})

    # Here it has one, and it needs no metrics for it.
    in_staging(autoscaling={**SCALING, "minReplicas": 4})
    cluster.wait_for(*where, replicas(4), what="four replicas", timeout=90)
    models.wake(name, 2)
    assert owners(deployment()) == {"kube-controller-manager"}
    in_staging(autoscaling={**SCALING, "minReplicas": 4}, annotations={"example.com/a": "b"})
    changed = cluster.wait_for(
        *where,
        annotated,
        what="the new annotation",
    )
    assert changed["spec"]["replicas"] == 4
    generation = changed["metadata"]["generation"]
    models.wake(name, 3)
    assert deployment()["metadata"]["generation"] == generation

    in_staging(replicas=5, annotations={"example.com/a": "b"})
    cluster.wait_for(*where, replicas(5), what="five replicas")
    models.wake(name, 2)
    assert cluster.find("horizontalpodautoscaler", f"{name}-staging", models.namespace) is None
    assert owners(deployment()) == {"housing-operator"}


def test_a_restart_by_kubectl_is_left_to_run_its_course(models, name, in_staging):
    where = ("deployment", f"{name}-staging", models.namespace)
    kubectl(models, name, "restart")
    before = models.cluster.get(*where)
    marks = before["spec"]["template"]["metadata"]["annotations"]
    assert "kubectl.kubernetes.io/restartedAt" in marks
    models.wake(name, 3)
    after = models.cluster.get(*where)
    assert after["metadata"]["generation"] == before["metadata"]["generation"]

    in_staging(replicas=3, annotations={"example.com/a": "b"})
    changed = models.cluster.wait_for(
        *where,
        annotated,
        what="the new annotation",
    )
    assert changed["spec"]["template"]["metadata"]["annotations"].items() >= marks.items()


def test_an_undo_by_kubectl_is_repaired(models, name, in_staging):
    where = ("deployment", f"{name}-staging", models.namespace)
    in_staging(replicas=3, annotations={"example.com/a": "b"})
    wanted = models.cluster.wait_for(
        *where,
        annotated,
        what="the new annotation",
    )[
        "spec"
    ]["template"]
    # The controller has to have seen the second revision, for there to be a first.
    models.cluster.wait_for(
        *where,
        lambda found: found["status"].get("observedGeneration") == found["metadata"]["generation"]
        and found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2",
        what="a second revision",
    )
    generation = models.cluster.get(*where)["metadata"]["generation"]
    kubectl(models, name, "undo")
    models.cluster.wait_for(
        *where,
        lambda found: found["metadata"]["generation"] > generation
        and found["spec"]["template"] == wanted,
        what="the template of the spec",
    )


def test_a_pause_by_kubectl_is_said_and_not_undone(models, name, in_staging):
    where = ("deployment", f"{name}-staging", models.namespace)
    kubectl(models, name, "pause")
    found = models.cluster.wait_for(
        *("housingmodel", name, models.namespace),
        lambda found: "rollout resume deployment/" in condition_of(found, "Ready")["message"],
        what="how to resume it",
    )
    assert f"deployment/{name}-staging" in condition_of(found, "Ready")["message"]
    models.wake(name, 2)
    assert models.cluster.get(*where)["spec"]["paused"] is True
    kubectl(models, name, "resume")


def kubectl(models, name, verb):
    models.cluster.kubectl(*("rollout", verb, f"deployment/{name}-staging", "-n", models.namespace))
