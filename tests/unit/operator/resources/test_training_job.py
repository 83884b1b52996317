"""The Job of one attempt."""

from dataclasses import replace

import pytest

from housing_core.tasks import TrainingTask
from housing_operator.plan import ServingPlan
from housing_operator.resources.children import children
from housing_operator.resources.means import means
from housing_operator.resources.training_job import training_job
from housing_operator.resources.training_workers import worker_job
from tests.unit.operator.blueprints import (
    DATASET,
    blueprint,
    container_of,
    environment_of,
    only,
    pod_of,
    serving,
    start,
)

JOINED = {**DATASET, "feedback": "Join"}
NOTHING_SERVED = replace(serving(), production=ServingPlan(), staging=ServingPlan())


def job(**blocks):
    of = blueprint(**blocks)
    return training_job(of, start(of))


def test_bad_data_ends_the_job_and_a_disruption_does_not_count():
    spec = job()["spec"]
    assert spec["backoffLimit"] == 3
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    by_action = {rule["action"]: rule for rule in spec["podFailurePolicy"]["rules"]}
    codes = by_action["FailJob"]["onExitCodes"]
    assert codes == {"containerName": "training", "operator": "In", "values": [65]}
    assert by_action["Ignore"]["onPodConditions"] == [
        {"type": "DisruptionTarget", "status": "True"}
    ]


def test_the_timeout_of_the_spec_ends_the_job():
    assert job()["spec"]["activeDeadlineSeconds"] == 7200
    assert job(training={"timeout": "1h30m"})["spec"]["activeDeadlineSeconds"] == 5400


def test_the_termination_message_is_the_programs_own():
    assert container_of(job())["terminationMessagePolicy"] == "File"


def test_the_training_is_told_its_image():
    container = container_of(job())
    assert {"name": "HOUSING_IMAGE", "value": container["image"]} in container["env"]


def test_defaults_fit_the_seeds_recipe_on_the_real_listings():
    assert container_of(job())["resources"] == {
        "requests": {"cpu": "500m", "memory": "1Gi"},
        "limits": {"memory": "4Gi"},
    }


def test_the_secret_of_the_dataset_becomes_variables():
    dataset = {
        "uri": "s3://bucket/listings",
        "target": {"column": "price"},
        "credentials": {"secretRef": {"name": "aws"}},
    }
    assert container_of(job(dataset=dataset))["envFrom"] == [{"secretRef": {"name": "aws"}}]
    assert "envFrom" not in container_of(job())


@pytest.mark.parametrize("uri", ["s3://bucket/a", "https://example.com/a.csv", "/data/a.csv"])
def test_a_dataset_that_is_on_no_claim_mounts_none_and_may_run_on_any_node(uri):
    body = job(dataset={"uri": uri, "target": {"column": "price"}})
    pod = pod_of(body)["spec"]
    assert [volume["name"] for volume in pod["volumes"]] == ["tmp"]
    assert "affinity" not in pod


def test_the_claim_of_the_dataset_is_mounted_read_only():
    mounts = container_of(job())["volumeMounts"]
    assert {"name": "claim-0", "mountPath": "/mnt/claims/listings", "readOnly": True} in mounts
    claims = [v["persistentVolumeClaim"] for v in pod_of(job())["spec"]["volumes"][1:]]
    assert claims == [{"claimName": "listings"}]


def test_a_pod_with_a_claim_of_one_node_stays_with_its_models_others():
    template = pod_of(job())
    (term,) = template["spec"]["affinity"]["podAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    # The scheduler lets the first pod choose only when its own labels match its own term.
    assert term["labelSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()


def test_a_claim_that_many_nodes_can_mount_binds_to_none():
    of = blueprint(many_nodes=frozenset({"listings"}))
    template = pod_of(training_job(of, start(of)))
    assert "affinity" not in template["spec"]
    assert "housing-operator.dev/one-node" not in template["metadata"]["labels"]


def mounts_of(body):
    """Path → whether it is mounted read-only."""
    return {m["mountPath"]: m.get("readOnly", False) for m in container_of(body)["volumeMounts"]}


def log_uri_of(body):
    return TrainingTask.model_validate_json(environment_of(body)["HOUSING_TASK"]).log_uri


@pytest.mark.parametrize(
    ("log", "uri", "claims"),
    [
        ({}, "pvc://istanbul-serving/predictions-log", {"listings", "istanbul-serving"}),
        ({"uri": "pvc://logs/a"}, "pvc://logs/a", {"listings", "logs"}),
        ({"uri": "pvc://listings/log"}, "pvc://listings/log", {"listings"}),
        ({"uri": "s3://bucket/log"}, "s3://bucket/log", {"listings"}),
    ],
)
def test_feedback_that_joins_is_read_from_the_log_and_never_written(log, uri, claims):
    body = job(dataset=JOINED, serving={"predictionLog": log})
    assert log_uri_of(body) == uri
    mounts = mounts_of(body)
    assert {path for path in mounts if path != "/tmp"} == {f"/mnt/claims/{c}" for c in claims}
    assert all(read_only for path, read_only in mounts.items() if path != "/tmp")


def test_feedback_that_is_ignored_leaves_the_log_alone():
    body = job()
    assert log_uri_of(body) is None
    assert set(mounts_of(body)) == {"/tmp", "/mnt/claims/listings"}


def test_a_log_that_many_nodes_can_mount_binds_the_training_to_none():
    log = {"predictionLog": {"accessMode": "ReadWriteMany"}}
    of = blueprint(many_nodes=frozenset({"listings"}), dataset=JOINED, serving=log)
    assert "affinity" not in pod_of(training_job(of, start(of)))["spec"]
    of = blueprint(many_nodes=frozenset({"listings"}), dataset=JOINED)
    assert "affinity" in pod_of(training_job(of, start(of)))["spec"]


def test_workers_do_not_read_the_log():
    of = blueprint(dataset=JOINED, training={"distributed": {"workers": 2}})
    assert "/mnt/claims/istanbul-serving" not in mounts_of(worker_job(of, "job", "uid"))


def test_the_logs_claim_is_there_before_the_first_training_mounts_it():
    claim = "PersistentVolumeClaim", "istanbul-serving"
    assert only(children(blueprint(dataset=JOINED), NOTHING_SERVED), *claim)
    kinds = [body["kind"] for body in children(blueprint(), NOTHING_SERVED)]
    assert "PersistentVolumeClaim" not in kinds


def test_another_place_of_the_log_lets_a_failed_training_go_on_only_where_it_is_read():
    elsewhere = {"predictionLog": {"uri": "s3://bucket/log"}}
    for dataset, other in ((JOINED, True), (DATASET, False)):
        here, there = (means(blueprint(dataset=dataset, serving=s).spec) for s in ({}, elsewhere))
        assert (here != there) == other
