"""A training on several pods: what its Job gets besides, and when that is made and deleted."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from housing_core.tasks import TrainingTask, WorkerTask
from housing_operator.observation import JobState
from housing_operator.observing.workloads import job_state
from housing_operator.plan import DeleteJob, StartTraining
from housing_operator.reconciliation.certificates import shared_certificate
from housing_operator.resources.children import children
from housing_operator.resources.labels import HAS_WORKERS
from housing_operator.resources.names import worker_job_name
from housing_operator.resources.ownership import is_owned_by
from housing_operator.resources.training_job import training_job
from housing_operator.resources.training_workers import certificate_secret, worker_job
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
from tests.unit.operator.world import World

NAME = "istanbul-train-01234567-1"
PAIR = {"tls.crt": "certificate", "tls.key": "key"}
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def distributed(name="istanbul", workers=3, **training):
    return blueprint(name, training={"distributed": {"workers": workers}, **training})


def workers(of=None):
    of = of or distributed()
    return worker_job(of, start(of).job_name, "job-uid")


def job(of=None):
    of = of or distributed()
    return training_job(of, start(of))


def test_a_training_of_one_pod_has_nothing_of_it():
    body = job(blueprint())
    assert "HOUSING_POD_ADDRESS" not in environment_of(body)
    assert HAS_WORKERS not in body["metadata"]["labels"]
    assert "tls" not in [volume["name"] for volume in pod_of(body)["spec"]["volumes"]]
    assert TrainingTask.model_validate_json(environment_of(body)["HOUSING_TASK"]).crewing is None


def test_the_training_listens_where_its_workers_look_for_it():
    task = TrainingTask.model_validate_json(environment_of(job())["HOUSING_TASK"])
    worker = WorkerTask.model_validate_json(environment_of(workers())["HOUSING_TASK"])
    service = only(children(distributed(), serving()), "Service", "istanbul-training")
    assert task.crewing is not None
    assert worker.scheduler == f"tls://istanbul-training:{task.crewing.port}"
    assert [port["port"] for port in service["spec"]["ports"]] == [task.crewing.port]
    # The Job controller puts its Job's name on each pod.
    labels = pod_of(job())["metadata"]["labels"] | {"batch.kubernetes.io/job-name": NAME}
    assert service["spec"]["selector"].items() <= labels.items()
    assert (
        not service["spec"]["selector"].items() <= pod_of(workers())["metadata"]["labels"].items()
    )


@pytest.mark.parametrize("body", [job(), workers()], ids=["training", "worker"])
def test_both_sides_have_the_certificate_and_know_their_address(body):
    (volume,) = [v for v in pod_of(body)["spec"]["volumes"] if v["name"] == "tls"]
    assert volume["secret"] == {"secretName": "istanbul-training-worker", "defaultMode": 0o440}
    (mount,) = [m for m in container_of(body)["volumeMounts"] if m["name"] == "tls"]
    assert mount["mountPath"] == "/mnt/tls"
    address = environment_of(body)["HOUSING_POD_ADDRESS"]
    assert address == {"fieldRef": {"fieldPath": "status.podIP"}}
    assert '"tls_folder":"/mnt/tls"' in environment_of(body)["HOUSING_TASK"]


def test_workers_belong_to_the_job_and_go_with_it():
    metadata = workers()["metadata"]
    assert metadata["name"] == f"{NAME}-w"
    assert metadata["namespace"] == "homes"
    assert is_owned_by(workers(), "job-uid")
    assert metadata["labels"]["app.kubernetes.io/instance"] == "istanbul"
    assert metadata["labels"]["app.kubernetes.io/component"] == "training-worker"


def test_the_certificate_belongs_to_the_model_whichever_job_comes_after_which():
    secret = certificate_secret(distributed(), PAIR)
    assert secret["metadata"]["name"] == "istanbul-training-worker"
    assert is_owned_by(secret, "0b5a-uid")
    assert secret["stringData"] == PAIR
    # An object that the operator applies on every pass would have to be read.
    assert "Secret" not in {body["kind"] for body in children(distributed(), serving())}


def test_as_many_workers_as_the_spec_names_each_with_the_plumbing_of_training():
    given = {
        "resources": {"limits": {"cpu": "2", "memory": "8Gi"}},
        "nodeSelector": {"disk": "ssd"},
        "env": [{"name": "A", "value": "b"}],
    }
    body = workers(distributed(workers=5, **given))
    assert (body["spec"]["parallelism"], body["spec"]["completions"]) == (5, 5)
    # Quantities are written as the types write them.
    assert container_of(body)["resources"] == container_of(job(distributed(**given)))["resources"]
    assert container_of(body)["resources"]["limits"] == {"cpu": "2", "memory": "8Gi"}
    assert pod_of(body)["spec"]["nodeSelector"] == {"disk": "ssd"}
    assert environment_of(body)["A"] == "b"
    assert container_of(body)["image"] == container_of(job())["image"]


def test_a_worker_reads_no_data_and_has_the_trainings_account():
    dataset = {
        "uri": "pvc://listings",
        "target": {"column": "price"},
        "credentials": {"secretRef": {"name": "aws"}},
    }
    of = blueprint(dataset=dataset, training={"distributed": {"workers": 1}})
    assert "envFrom" not in container_of(workers(of))
    assert [v["name"] for v in pod_of(workers(of))["spec"]["volumes"]] == ["tmp", "tls"]
    assert pod_of(workers())["spec"]["serviceAccountName"] == "istanbul-training"
    theirs = distributed(serviceAccountName="trainer")
    assert pod_of(workers(theirs))["spec"]["serviceAccountName"] == "trainer"


def test_no_worker_outlives_the_time_of_a_training():
    spec = workers(distributed(timeout="1h"))["spec"]
    assert spec["activeDeadlineSeconds"] == 3600
    assert spec["backoffLimit"] == 9
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


def test_names_of_the_longest_model_fit_a_label():
    name = start(blueprint(LONGEST_NAME), attempt=10).job_name
    assert len(worker_job_name(name)) <= 63


def policies(of):
    bodies = children(of, serving())
    return {b["metadata"]["name"]: b["spec"] for b in bodies if b["kind"] == "NetworkPolicy"}


def test_only_the_pods_of_a_training_reach_each_other():
    found = policies(distributed())
    both = [
        {
            "podSelector": {
                "matchLabels": {
                    "app.kubernetes.io/instance": "istanbul",
                    "app.kubernetes.io/component": component,
                    "app.kubernetes.io/managed-by": "housing-operator",
                }
            }
        }
        for component in ("training", "training-worker")
    ]
    for name in ("istanbul-training", "istanbul-training-worker"):
        assert found[name]["ingress"] == [{"from": both}]
        assert found[name]["egress"][-1] == {"to": both}
    # Besides each other, workers reach nothing but names.
    dns, _ = found["istanbul-training-worker"]["egress"]
    assert {port["port"] for port in dns["ports"]} == {53}
    selected = found["istanbul-training-worker"]["podSelector"]["matchLabels"]
    assert selected.items() <= pod_of(workers())["metadata"]["labels"].items()


def test_other_models_have_what_they_had():
    assert "istanbul-training-worker" not in policies(blueprint())
    assert "istanbul-training" not in {
        body["metadata"]["name"]
        for body in children(blueprint(), serving())
        if body["kind"] == "Service"
    }
    assert policies(blueprint())["istanbul-training"]["ingress"] == []


def test_the_certificate_is_good_for_years_and_is_never_made_twice():
    made = shared_certificate("n" * 70, NOW)
    certificate = x509.load_pem_x509_certificate(made["tls.crt"].encode())
    key = load_pem_private_key(made["tls.key"].encode(), None)
    assert certificate.public_key() == key.public_key()
    assert certificate.not_valid_before_utc < NOW
    assert certificate.not_valid_after_utc >= NOW + timedelta(days=3650)
    assert shared_certificate("n", NOW) != shared_certificate("n", NOW)


def live(body, uid):
    return {**body, "metadata": {**body["metadata"], "uid": uid}, "status": {}}


def test_workers_are_seen_by_who_owns_them():
    own, others = live(job(), "job-uid"), live(job(), "another")
    there = live(workers(), "workers-uid")
    going = live(workers(), "workers-uid")
    going["metadata"]["deletionTimestamp"] = "2026-11-29T12:00:00Z"
    assert job_state(own, [], NOW, jobs=[own, there]).has_workers
    assert job_state(own, [], NOW, jobs=[own, there]).expects_workers
    assert not job_state(others, [], NOW, jobs=[own, there]).has_workers
    assert not job_state(own, [], NOW, jobs=[own, going]).has_workers
    assert not job_state(live(job(blueprint()), "job-uid"), [], NOW).expects_workers


def world(**state):
    """A training under way, its Job as given."""
    found = World()
    found.spec = found.spec | {"training": {"distributed": {"workers": 2}}}
    found.step()
    (name,) = found.jobs
    found.jobs[name] = JobState(name, expects_workers=True, **state)
    return found, name


def test_workers_that_an_operator_did_not_come_to_make_are_made_by_the_next():
    found, name = world(has_workers=False)
    (action,) = found.step().actions
    assert isinstance(action, StartTraining)
    assert action.job_name == name


def test_a_training_with_its_workers_is_left_alone():
    found, _ = world(has_workers=True)
    assert found.step().actions == ()


def test_workers_that_the_spec_no_longer_names_are_not_made():
    found, _ = world(has_workers=False)
    found.spec = found.spec | {"training": {}}
    assert found.step().actions == ()


@pytest.mark.parametrize("succeeded", [True, False])
def test_the_workers_of_a_job_that_has_ended_are_deleted(succeeded):
    found, name = world(has_workers=True, finished=True, succeeded=succeeded)
    assert DeleteJob(worker_job_name(name)) in found.step().actions
    found.jobs[name] = JobState(name, expects_workers=True, finished=True, succeeded=succeeded)
    assert DeleteJob(worker_job_name(name)) not in found.step().actions


def test_the_number_of_workers_trains_nothing_anew():
    found = World().in_production()
    found.spec = found.spec | {"training": {"distributed": {"workers": 2}}}
    found.generation = 2
    found.settle()
    assert len(found.tasks) == 1
