"""The objects of a track."""

import json
from dataclasses import replace

import pytest

from housing_core.tasks import ServingTask
from housing_operator.resources.children import children
from housing_serving import server
from housing_serving.service import LOG_CLOSE_SECONDS
from tests.unit.operator.blueprints import (
    blueprint,
    container_of,
    environment_of,
    only,
    pod_of,
    serving,
)

S3 = {"uri": "s3://bucket/log"}


def built(plan=None, **blocks):
    return children(blueprint(**blocks), plan or serving())


def task_of(body):
    return ServingTask.model_validate_json(environment_of(body)["HOUSING_TASK"])


def test_the_pod_template_pins_the_number_of_the_version():
    deployment = only(built(), "Deployment", "istanbul-production")
    assert task_of(deployment).version == "3"
    assert task_of(deployment).track == "production"
    assert pod_of(deployment)["metadata"]["labels"]["housing-operator.dev/version"] == "3"
    assert task_of(only(built(), "Deployment", "istanbul-staging")).version == "4"


def test_no_old_pod_goes_before_a_new_one_is_ready():
    deployment = only(built(), "Deployment", "istanbul-production")
    assert deployment["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
    }
    container = container_of(deployment)
    assert container["readinessProbe"]["httpGet"] == {"path": "/health/ready", "port": "http"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/health/live", "port": "http"}
    assert container["startupProbe"]["httpGet"] == {"path": "/health/live", "port": "http"}
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert 0 < pause < pod_of(deployment)["spec"]["terminationGracePeriodSeconds"]


def test_a_pod_has_the_time_that_serving_needs_to_end_well():
    deployment = only(built(), "Deployment", "istanbul-production")
    pause = container_of(deployment)["lifecycle"]["preStop"]["sleep"]["seconds"]
    needed = pause + server.DRAIN_SECONDS + server.FINISH_SECONDS + LOG_CLOSE_SECONDS
    assert needed < pod_of(deployment)["spec"]["terminationGracePeriodSeconds"]


def test_the_selectors_meet_the_pods_of_their_track_and_no_others():
    bodies = built()
    for track, other in (("production", "staging"), ("staging", "production")):
        deployment = only(bodies, "Deployment", f"istanbul-{track}")
        selector = only(bodies, "Service", f"istanbul-{track}")["spec"]["selector"]
        assert deployment["spec"]["selector"]["matchLabels"] == selector
        assert selector.items() <= pod_of(deployment)["metadata"]["labels"].items()
        others = pod_of(only(bodies, "Deployment", f"istanbul-{other}"))["metadata"]["labels"]
        assert not selector.items() <= others.items()
        assert "housing-operator.dev/version" not in selector


def test_the_service_answers_on_8080():
    service = only(built(), "Service", "istanbul-production")
    assert [port["port"] for port in service["spec"]["ports"]] == [8080]


def test_the_policy_is_a_mounted_folder_that_can_change_without_new_pods():
    status = {
        "rejectedVersions": [
            {"version": number, "reason": "r", "time": "2026-01-01T00:00:00Z"}
            for number in ("10", "2")
        ]
    }
    before, after = built(), built(serving(status=status))
    policy = only(after, "ConfigMap", "istanbul-serving-policy-production")["data"]["policy.json"]
    assert json.loads(policy) == {"confirmed_version": "3", "rejected_versions": ["2", "10"]}
    deployment = only(after, "Deployment", "istanbul-production")
    assert deployment == only(before, "Deployment", "istanbul-production")
    (mount,) = [m for m in container_of(deployment)["volumeMounts"] if m["name"] == "policy"]
    assert "subPath" not in mount
    assert task_of(deployment).policy_file == f"{mount['mountPath']}/policy.json"


def test_an_unconfirmed_rollout_has_no_confirmed_version_in_its_policy():
    policy = only(built(), "ConfigMap", "istanbul-serving-policy-staging")["data"]["policy.json"]
    assert json.loads(policy)["confirmed_version"] is None


def test_without_a_place_for_the_log_the_operator_makes_a_claim_for_log_and_copies():
    bodies = built()
    claim = only(bodies, "PersistentVolumeClaim", "istanbul-serving")
    assert claim["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "5Gi"}},
    }
    task = task_of(only(bodies, "Deployment", "istanbul-production"))
    assert task.log_uri == "pvc://istanbul-serving/predictions-log"
    assert task.model_cache == "/mnt/claims/istanbul-serving/models"


def test_the_claim_is_as_the_spec_says():
    log = {"size": "50Gi", "storageClassName": "efs", "accessMode": "ReadWriteMany"}
    bodies = built(serving={"predictionLog": log})
    claim = only(bodies, "PersistentVolumeClaim", "istanbul-serving")["spec"]
    assert claim["accessModes"] == ["ReadWriteMany"]
    assert claim["storageClassName"] == "efs"
    assert claim["resources"]["requests"]["storage"] == "50Gi"
    assert "affinity" not in pod_of(only(bodies, "Deployment", "istanbul-production"))["spec"]


def test_a_log_in_s3_needs_no_claim_and_the_copies_live_with_the_pod():
    bodies = built(serving={"predictionLog": {"uri": "s3://bucket/log"}})
    assert not [b for b in bodies if b["kind"] == "PersistentVolumeClaim"]
    deployment = only(bodies, "Deployment", "istanbul-production")
    assert {"name": "cache", "emptyDir": {}} in pod_of(deployment)["spec"]["volumes"]
    assert {"name": "cache", "mountPath": task_of(deployment).model_cache} in container_of(
        deployment
    )["volumeMounts"]
    assert "affinity" not in pod_of(deployment)["spec"]


def test_a_log_on_the_users_claim_leaves_everything_else_of_it_alone():
    bodies = built(serving={"predictionLog": {"uri": "pvc://shared/log"}})
    assert not [b for b in bodies if b["kind"] == "PersistentVolumeClaim"]
    deployment = only(bodies, "Deployment", "istanbul-production")
    assert task_of(deployment).log_uri == "pvc://shared/log"
    assert not task_of(deployment).model_cache.startswith("/mnt/claims")
    assert "affinity" in pod_of(deployment)["spec"]


def test_the_task_says_nothing_of_what_has_its_default():
    """A field that a later operator adds must not start every pod anew."""
    deployment = only(built(), "Deployment", "istanbul-production")
    text = environment_of(deployment)["HOUSING_TASK"]
    assert set(json.loads(text)) == {
        *("namespace", "name", "track", "version", "policy_file", "log_uri", "model_cache")
    }


def test_each_track_has_its_own_workers():
    bodies = built(serving={"production": {"workers": 4}})
    assert task_of(only(bodies, "Deployment", "istanbul-production")).workers == 4
    assert task_of(only(bodies, "Deployment", "istanbul-staging")).workers == 1


def test_more_workers_have_more_to_live_on_where_the_spec_does_not_say():
    bodies = built(serving={"production": {"workers": 4}})
    one = container_of(only(bodies, "Deployment", "istanbul-staging"))["resources"]
    assert one == {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1024Mi"}}
    four = container_of(only(bodies, "Deployment", "istanbul-production"))["resources"]
    assert four == {"requests": {"cpu": "400m", "memory": "640Mi"}, "limits": {"memory": "2560Mi"}}


def test_the_feedback_token_is_a_mounted_folder_and_pods_start_without_it():
    assert task_of(only(built(), "Deployment", "istanbul-production")).feedback_token_file is None
    secret = {"name": "istanbul-feedback", "key": "secret.txt"}
    bodies = built(serving={"feedback": {"tokenSecretRef": secret}})
    deployment = only(bodies, "Deployment", "istanbul-production")
    (mount,) = [m for m in container_of(deployment)["volumeMounts"] if m["name"] == "feedback"]
    assert "subPath" not in mount
    assert task_of(deployment).feedback_token_file == f"{mount['mountPath']}/token"
    (volume,) = [v for v in pod_of(deployment)["spec"]["volumes"] if v["name"] == "feedback"]
    assert volume["secret"] == {
        "secretName": "istanbul-feedback",
        "items": [{"key": "secret.txt", "path": "token"}],
        "optional": True,
    }


@pytest.mark.parametrize("replicas", [1, 3])
def test_a_drain_takes_one_pod_at_a_time_and_never_waits_for_ever(replicas):
    bodies = built(serving={"production": {"replicas": replicas}, "predictionLog": S3})
    assert only(bodies, "Deployment", "istanbul-production")["spec"]["replicas"] == replicas
    budget = only(bodies, "PodDisruptionBudget", "istanbul-production")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_pods_that_have_to_be_on_one_node_have_no_budget_that_would_keep_them_there():
    bodies = built(serving={"production": {"replicas": 3}})
    assert not [b for b in bodies if b["kind"] == "PodDisruptionBudget"]
    pod = pod_of(only(bodies, "Deployment", "istanbul-production"))["spec"]
    assert "topologySpreadConstraints" not in pod


def test_pods_spread_over_nodes_and_zones_where_there_are_several():
    deployment = only(built(serving={"predictionLog": S3}), "Deployment", "istanbul-production")
    constraints = pod_of(deployment)["spec"]["topologySpreadConstraints"]
    assert [c["topologyKey"] for c in constraints] == [
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    ]
    for constraint in constraints:
        assert constraint["whenUnsatisfiable"] == "ScheduleAnyway"
        assert constraint["labelSelector"] == deployment["spec"]["selector"]


def test_a_track_without_a_version_has_nothing():
    bodies = built(serving(staging=None))
    assert not [b for b in bodies if "staging" in b["metadata"]["name"]]


def test_pods_are_marked_for_scrapers_when_asked_for_and_the_users_own_marks_win():
    plumbing = {"production": {"annotations": {"prometheus.io/path": "/other", "a": "b"}}}
    plain = blueprint(serving=plumbing)
    marked = replace(plain, settings=replace(plain.settings, scrape_annotations=True))
    found = [
        pod_of(only(children(one, serving()), "Deployment", "istanbul-production"))["metadata"]
        for one in (plain, marked)
    ]
    assert [one["annotations"] for one in found] == [
        {"prometheus.io/path": "/other", "a": "b"},
        {
            "prometheus.io/scrape": "true",
            "prometheus.io/port": "8080",
            "prometheus.io/path": "/other",
            "a": "b",
        },
    ]
