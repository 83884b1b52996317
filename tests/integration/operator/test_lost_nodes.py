"""A training on a node that is lost: its pod never ends, and Kubernetes alone waits for it for ever."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster_client import Cluster, Manifest, condition_of, wait_until
from tests.integration.operator.models import Models

GIVEN_UP_SECONDS = 420
"""Five minutes, and what the operator takes to look."""


@pytest.fixture
def lost_node(cluster: Cluster, name: str) -> Iterator[str]:
    """A node that pods are sent to, and of which nobody ever hears."""
    taint = {"key": "housing-operator.dev/tests", "value": "lost", "effect": "NoSchedule"}
    room = {"cpu": "8", "memory": "32Gi", "pods": "20"}
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"housing-operator.dev/tests": name}},
            "spec": {"taints": [taint]},
        }
    )
    cluster.patch("node", name, "", {"status": {"allocatable": room, "capacity": room}}, "status")
    yield name
    cluster.delete("node", name, "", wait=False)


def pods_of(models: Models, job: str) -> list[Manifest]:
    return models.cluster.select("pod", models.namespace, f"batch.kubernetes.io/job-name={job}")


def evict(models: Models, job: str) -> None:
    """Let the Job's pod end, once it is on its node, as those of a lost node are."""

    def look() -> tuple[bool, Manifest | None]:
        pod = next(iter(pods_of(models, job)), None)
        return pod is not None and "nodeName" in pod["spec"], pod

    pod = wait_until(look, what=f"a pod of {job} on a node", timeout=120)
    assert pod is not None
    models.cluster.kubectl(
        *("delete", "pod", pod["metadata"]["name"], "-n", models.namespace),
        *("--grace-period=1", "--wait=false"),
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_training_goes_on_although_its_node_is_lost(
    models: Models, lost_node: str, name: str
) -> None:
    there = {
        "nodeSelector": {"housing-operator.dev/tests": lost_node},
        "tolerations": [{"operator": "Exists"}],
    }
    brief = f"{name}-brief"
    models.apply(name, training=there)
    models.apply(brief, training={**there, "timeout": "90s", "maxAttempts": 1})
    job, brief_job = models.training(name)["jobName"], models.training(brief)["jobName"]
    uid = models.wait_there("job", job)["metadata"]["uid"]
    evict(models, job)
    evict(models, brief_job)

    # One that may run on is made again.
    models.cluster.wait_for(
        *("job", job, models.namespace),
        lambda found: found["metadata"]["uid"] != uid,
        what="to be made again",
        timeout=GIVEN_UP_SECONDS,
    )
    wait_until(
        lambda: (
            {"deletionTimestamp" in pod["metadata"] for pod in pods_of(models, job)}
            == {True, False},
            None,
        ),
        what="another pod beside the lost one",
        timeout=60,
    )
    assert models.get(name)["status"]["training"]["attempt"] == 1
    replaced = [
        event["message"]
        for event in models.cluster.events(models.namespace, name)
        if event["reason"] == "TrainingReplaced"
    ]
    assert len(replaced) == 1
    assert f"kubectl delete node {lost_node}" in replaced[0]

    # One whose time is over has failed, though its Job does not say so.
    found = models.cluster.wait_for_condition(
        *("housingmodel", brief, models.namespace, "Trained"),
        status="False",
        reason="Failed",
        timeout=GIVEN_UP_SECONDS,
    )
    assert f"node {lost_node} has not said that it did" in condition_of(found, "Trained")["message"]
    unfinished = models.cluster.get("job", brief_job, models.namespace)
    assert condition_of(unfinished, "FailureTarget")["reason"] == "DeadlineExceeded"
    assert condition_of(unfinished, "Failed") == {}
