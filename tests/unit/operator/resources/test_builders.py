"""What every object and every pod has in common."""

import json

import pytest

from housing_core.tasks import MonitoringTask, ServingTask, TrainingTask
from housing_operator.resources.children import children
from housing_operator.resources.names import COMPONENTS
from housing_operator.resources.ownership import DIGEST_ANNOTATION, digest_of, is_owned_by
from housing_operator.resources.training_job import training_job
from tests.unit.operator.blueprints import (
    LONGEST_NAME,
    blueprint,
    container_of,
    environment_of,
    only,
    pod_of,
    serving,
    start,
)

NAME_LIMITS = {"CronJob": 52, "Service": 63, "Job": 63}
DEFAULT_LIMIT = 253


def everything(of=None, plan=None):
    of = of or blueprint()
    return [*children(of, plan or serving()), training_job(of, start(of))]


def pods(of=None, plan=None):
    return [b for b in everything(of, plan) if b["kind"] in ("Job", "CronJob", "Deployment")]


def test_all_components_have_their_objects():
    made = {(b["kind"], b["metadata"]["name"]) for b in everything()}
    assert made == {
        ("ServiceAccount", "istanbul-training"),
        ("ServiceAccount", "istanbul-serving"),
        ("ServiceAccount", "istanbul-monitoring"),
        ("Role", "istanbul-monitoring"),
        ("RoleBinding", "istanbul-monitoring"),
        ("NetworkPolicy", "istanbul-training"),
        ("NetworkPolicy", "istanbul-serving"),
        ("NetworkPolicy", "istanbul-monitoring"),
        ("PersistentVolumeClaim", "istanbul-serving"),
        ("ConfigMap", "istanbul-serving-policy-production"),
        ("ConfigMap", "istanbul-serving-policy-staging"),
        ("Service", "istanbul-production"),
        ("Service", "istanbul-staging"),
        ("Deployment", "istanbul-production"),
        ("Deployment", "istanbul-staging"),
        ("CronJob", "istanbul-monitoring"),
        ("Job", "istanbul-train-01234567-1"),
    }


def test_before_the_first_version_nothing_serves_and_nothing_watches():
    kinds = {b["kind"] for b in children(blueprint(), serving(None, None))}
    assert kinds == {"ServiceAccount", "Role", "RoleBinding", "NetworkPolicy"}


def test_names_and_labels_of_the_longest_model_name_are_within_the_limits_of_kubernetes():
    for body in everything(blueprint(LONGEST_NAME)):
        name = body["metadata"]["name"]
        assert len(name) <= NAME_LIMITS.get(body["kind"], DEFAULT_LIMIT), (body["kind"], name)
        labelled = dict(body["metadata"]["labels"])
        if body["kind"] in ("Job", "CronJob", "Deployment"):
            labelled |= pod_of(body)["metadata"]["labels"]
        assert all(len(value) <= 63 for value in labelled.values())


def test_the_last_attempt_of_the_longest_name_fits_a_label():
    of = blueprint(LONGEST_NAME)
    assert len(start(of, attempt=10).job_name) <= NAME_LIMITS["Job"]


def test_every_object_carries_the_labels_and_goes_with_its_model():
    for body in everything():
        metadata = body["metadata"]
        assert metadata["namespace"] == "homes"
        assert metadata["labels"]["app.kubernetes.io/name"] == "housing-model"
        assert metadata["labels"]["app.kubernetes.io/instance"] == "istanbul"
        assert metadata["labels"]["app.kubernetes.io/part-of"] == "housing-operator"
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "housing-operator"
        assert metadata["labels"]["app.kubernetes.io/component"] in COMPONENTS
        assert metadata["ownerReferences"] == [
            {
                "apiVersion": "housing-operator.dev/v1alpha1",
                "kind": "HousingModel",
                "name": "istanbul",
                "uid": "0b5a-uid",
                "controller": True,
                "blockOwnerDeletion": False,
            }
        ]
        assert is_owned_by(body, "0b5a-uid")
        assert not is_owned_by(body, "another")


def test_the_same_blueprint_and_plan_give_the_same_objects():
    assert json.dumps(everything()) == json.dumps(everything())


def test_the_digest_changes_with_the_content_and_with_nothing_else():
    first, second = everything(), everything(plan=serving(production="5"))
    for before, after in zip(first, second, strict=True):
        content = [
            json.dumps(body).replace(body["metadata"]["annotations"][DIGEST_ANNOTATION], "")
            for body in (before, after)
        ]
        assert (digest_of(before) == digest_of(after)) == (content[0] == content[1])


@pytest.mark.parametrize(
    "body", pods(), ids=lambda body: f"{body['kind']}-{body['metadata']['name']}"
)
def test_pods_pass_the_restricted_level_and_write_nowhere_but_on_volumes(body):
    pod, container = pod_of(body)["spec"], container_of(body)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["runAsGroup"] == 10001
    assert pod["securityContext"]["fsGroup"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]
    assert {"name": "tmp", "emptyDir": {}} in pod["volumes"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert all(
        set(volume) - {"name"} <= {"emptyDir", "configMap", "persistentVolumeClaim"}
        for volume in pod["volumes"]
    )
    assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in pod["volumes"]}


def test_only_the_monitor_has_a_token():
    tokens = {b["kind"]: pod_of(b)["spec"]["automountServiceAccountToken"] for b in pods()}
    assert tokens == {"Job": False, "Deployment": False, "CronJob": True}
    accounts = [b for b in everything() if b["kind"] == "ServiceAccount"]
    assert all(b["automountServiceAccountToken"] is False for b in accounts)


def test_every_program_gets_its_task_and_mlflow():
    kinds = {"Job": TrainingTask, "Deployment": ServingTask, "CronJob": MonitoringTask}
    for body in pods():
        environment = environment_of(body)
        task = kinds[body["kind"]].model_validate_json(environment["HOUSING_TASK"])
        assert task.model_name == "homes.istanbul"
        assert environment["MLFLOW_TRACKING_URI"] == "http://release-mlflow.mlops.svc:5000"
        assert environment["HOME"] == "/tmp"


def test_a_column_that_looks_like_a_reference_to_a_variable_stays_as_it_is():
    column = "Price $(HOME) in $$"
    of = blueprint(dataset={"uri": "/data", "target": {"column": column}})
    job = training_job(of, start(of))
    (task,) = [v["value"] for v in container_of(job)["env"] if v["name"] == "HOUSING_TASK"]
    assert "Price $$(HOME) in $$$$" in task
    read = TrainingTask.model_validate_json(environment_of(job)["HOUSING_TASK"])
    assert read.dataset.target.column == column


PLUMBING = {
    "resources": {"requests": {"cpu": "2"}, "limits": {"memory": "8Gi"}},
    "serviceAccountName": "with-a-role",
    "annotations": {"example.com/a": "b"},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "imagePullSecrets": [{"name": "registry"}],
    "env": [
        {"name": "AWS_ENDPOINT_URL", "value": "http://minio:9000"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ],
}


@pytest.mark.parametrize(
    ("blocks", "kind", "name"),
    [
        ({"training": PLUMBING}, "Job", "istanbul-train-01234567-1"),
        ({"serving": {"production": PLUMBING}}, "Deployment", "istanbul-production"),
        ({"serving": {"staging": PLUMBING}}, "Deployment", "istanbul-staging"),
        ({"monitoring": PLUMBING}, "CronJob", "istanbul-monitoring"),
    ],
)
def test_the_plumbing_of_a_block_reaches_its_pods_and_no_others(blocks, kind, name):
    bodies = pods(blueprint(**blocks))
    given = only(bodies, kind, name)
    pod, container = pod_of(given)["spec"], container_of(given)
    assert container["resources"] == PLUMBING["resources"]
    assert pod["serviceAccountName"] == "with-a-role"
    assert pod["nodeSelector"] == {"disk": "ssd"}
    assert pod["tolerations"][0]["key"] == "gpu"
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert pod_of(given)["metadata"]["annotations"] == {"example.com/a": "b"}
    assert environment_of(given)["AWS_ENDPOINT_URL"] == "http://minio:9000"
    assert environment_of(given)["TOKEN"]["secretKeyRef"]["name"] == "s"
    for other in bodies:
        if other is not given:
            assert "nodeSelector" not in pod_of(other)["spec"]
            assert "AWS_ENDPOINT_URL" not in environment_of(other)


def test_a_variable_is_never_there_twice():
    of = blueprint(training={"env": [{"name": "MLFLOW_TRACKING_URI", "value": "http://other"}]})
    job = training_job(of, start(of))
    names = [variable["name"] for variable in container_of(job)["env"]]
    assert len(names) == len(set(names))
    assert environment_of(job)["MLFLOW_TRACKING_URI"] == "http://other"


def test_no_service_account_is_made_where_all_pods_run_under_the_users():
    own = {"serviceAccountName": "mine"}
    of = blueprint(training=own, monitoring=own, serving={"production": own})
    made = {b["metadata"]["name"] for b in everything(of) if b["kind"] == "ServiceAccount"}
    assert made == {"istanbul-serving"}
