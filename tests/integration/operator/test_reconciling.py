"""A HousingModel on a real API server and a real MLflow: what the operator makes, repairs and says."""

from __future__ import annotations

import time

import pytest

from tests.bundles import register_bundle, tiny_bundle
from tests.cluster_client import condition_of, wait_until

OWNED_KINDS = "job,serviceaccount,role,rolebinding,networkpolicy,deployment,service,configmap,cronjob"


def owned(cluster, namespace, name, kinds=OWNED_KINDS):
    return cluster.select(kinds, namespace, f"app.kubernetes.io/instance={name}")


def passes(operator):
    return operator.metric("housing_operator_reconciles_total")


def wait_for_passes(operator, enough=2):
    """Return once so many further passes were made."""
    before = passes(operator)
    wait_until(
        lambda: (passes(operator) >= before + enough, None), what="further passes", timeout=120
    )


def jobs(cluster, namespace, name):
    return cluster.select("job", namespace, f"app.kubernetes.io/instance={name}")


def test_a_model_gets_its_training_job_and_says_so(
    cluster, namespace, operator, apply, training, model
):
    applied = apply(model)
    status = training(model)
    (job,) = jobs(cluster, namespace, model)
    assert job["metadata"]["name"] == status["training"]["jobName"]
    assert job["metadata"]["ownerReferences"][0]["uid"] == applied["metadata"]["uid"]
    found = cluster.wait_for_condition(
        *("housingmodel", model, namespace, "Ready"), status="False", reason="Training"
    )
    assert found["status"]["observedGeneration"] == 1
    events = {event["reason"]: event for event in cluster.events(namespace, model)}
    assert events["TrainingStarted"]["source"]["component"] == "housing-operator"


def test_nothing_is_put_on_the_users_object(cluster, namespace, operator, apply, training, model):
    before = apply(model)
    training(model)
    wait_for_passes(operator)
    after = cluster.get("housingmodel", model, namespace)
    assert "finalizers" not in after["metadata"]
    assert after["metadata"].get("annotations") == before["metadata"].get("annotations")
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert after["spec"] == before["spec"]


def test_a_pass_that_finds_everything_as_it_should_be_writes_nothing(
    cluster, namespace, operator, apply, training, model
):
    apply(model)
    training(model)
    wait_for_passes(operator, 4)
    versions = {
        (b["kind"], b["metadata"]["name"]): b["metadata"]["resourceVersion"]
        for b in owned(cluster, namespace, model, f"{OWNED_KINDS},housingmodel")
    }
    # Waking it makes passes; what it has made wakes it.
    label = [f"serviceaccount/{model}-serving", "-n", namespace, "--overwrite"]
    for number in range(3):
        cluster.kubectl("annotate", *label, f"tests/wake={number}")
        wait_for_passes(operator, 1)
    versions.pop(("ServiceAccount", f"{model}-serving"))
    for body in owned(cluster, namespace, model, f"{OWNED_KINDS},housingmodel"):
        key = body["kind"], body["metadata"]["name"]
        if key in versions:
            assert body["metadata"]["resourceVersion"] == versions[key], key


def test_an_operator_that_is_killed_after_making_the_job_makes_no_second(
    cluster, namespace, operator, apply, model
):
    apply(model)
    found = wait_until(
        lambda: (bool(made := jobs(cluster, namespace, model)), made[0] if made else None),
        what="the Job",
        timeout=60,
        interval=0.05,
    )
    operator.kill()
    operator.start()
    wait_for_passes(operator, 3)
    assert [job["metadata"]["uid"] for job in jobs(cluster, namespace, model)] == [
        found["metadata"]["uid"]
    ]
    status = cluster.get("housingmodel", model, namespace)["status"]
    assert status["training"]["jobName"] == found["metadata"]["name"]
    assert status["training"]["attempt"] == 1


def test_an_operator_that_is_killed_before_making_the_job_makes_the_one_that_status_names(
    cluster, namespace, operator, apply, training, model
):
    apply(model)
    name = training(model)["training"]["jobName"]
    operator.kill()
    cluster.delete("job", name, namespace)
    operator.start()
    cluster.wait_for("job", name, namespace, lambda _: True, what="to be there again")
    assert len(jobs(cluster, namespace, model)) == 1


def test_owned_objects_are_repaired(cluster, namespace, operator, apply, training, model):
    apply(model)
    training(model)
    monitor = f"{model}-monitoring"
    uid = cluster.get("role", monitor, namespace)["metadata"]["uid"]
    cluster.delete("role", monitor, namespace)
    everything = {"ingress": [{}], "policyTypes": ["Ingress"]}
    cluster.patch("networkpolicy", f"{model}-training", namespace, {"spec": everything})
    marks = {"app.kubernetes.io/managed-by": None, "app.kubernetes.io/instance": None}
    cluster.patch("serviceaccount", f"{model}-serving", namespace, {"metadata": {"labels": marks}})
    cluster.wait_for(
        *("role", monitor, namespace),
        lambda found: found["metadata"]["uid"] != uid,
        what="is made again",
    )
    cluster.wait_for(
        *("networkpolicy", f"{model}-training", namespace),
        lambda found: found["spec"]["policyTypes"] == ["Ingress", "Egress"]
        and not found["spec"].get("ingress"),
        what="is as before",
    )
    cluster.wait_for(
        *("serviceaccount", f"{model}-serving", namespace),
        lambda found: found["metadata"]["labels"].get("app.kubernetes.io/instance") == model,
        what="has its labels again",
    )


def test_an_object_of_somebody_else_is_left_alone_and_said(
    cluster, namespace, operator, apply, training, condition, model
):
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": f"{model}-serving"},
        "spec": {"podSelector": {"matchLabels": {"app": "somebody"}}},
    }
    cluster.apply(policy, namespace=namespace)
    apply(model)
    # Everything else is done all the same.
    training(model)
    cluster.wait_for_condition(
        "housingmodel", model, namespace, "Degraded", reason="ReconcileError"
    )
    message = condition(model, "Degraded")["message"]
    assert f"NetworkPolicy {namespace}/{model}-serving is there and does not belong" in message
    found = cluster.get("networkpolicy", f"{model}-serving", namespace)
    assert found["spec"]["podSelector"] == policy["spec"]["podSelector"]
    transition = condition(model, "Degraded")["lastTransitionTime"]
    wait_for_passes(operator, 2)
    assert condition(model, "Degraded")["lastTransitionTime"] == transition

    cluster.delete("networkpolicy", f"{model}-serving", namespace)
    cluster.wait_for_condition("housingmodel", model, namespace, "Degraded", status="False")
    assert cluster.get("networkpolicy", f"{model}-serving", namespace)["metadata"]["labels"]


def test_a_broken_spec_is_said_and_its_neighbour_goes_on(
    cluster, namespace, operator, apply, training, condition, model
):
    apply(f"{model}-bad", training={"schedule": "99 * * * *"})
    cluster.wait_for_condition(
        "housingmodel", f"{model}-bad", namespace, "Degraded", reason="ReconcileError"
    )
    message = condition(f"{model}-bad", "Degraded")["message"]
    assert "spec.training.schedule is '99 * * * *', which is not a schedule" in message
    apply(model)
    training(model)
    assert not jobs(cluster, namespace, f"{model}-bad")

    apply(f"{model}-bad", training={"schedule": "0 3 * * *"})
    training(f"{model}-bad")
    cluster.wait_for_condition(
        "housingmodel", f"{model}-bad", namespace, "Degraded", status="False"
    )


def test_a_job_that_gets_no_pod_says_why(cluster, namespace, operator, apply, condition, model):
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "no-pods"},
        "spec": {"hard": {"pods": "0"}},
    }
    cluster.apply(quota, namespace=namespace)
    try:
        apply(model)
        cluster.wait_for(
            *("housingmodel", model, namespace),
            lambda found: "exceeded quota: no-pods"
            in condition_of(found, "Trained").get("message", ""),
            what="the quota in Trained",
        )
    finally:
        cluster.delete("resourcequota", "no-pods", namespace)


def test_the_monitors_report_is_kept_and_wakes_the_model(
    cluster, namespace, operator, apply, training, model
):
    apply(model)
    training(model)
    drift = {
        "reportId": "r1",
        "modelVersion": "1",
        "time": "2026-01-01T00:00:00Z",
        "verdict": "Stable",
        "samples": 1000,
    }
    cluster.kubectl(
        *("apply", "--server-side", "--subresource=status", "--field-manager=monitor"),
        *("--force-conflicts", "-n", namespace, "-f", "-"),
        stdin=f'{{"apiVersion": "housing-operator.dev/v1alpha1", "kind": "HousingModel", '
        f'"metadata": {{"name": "{model}"}}, "status": {{"drift": {_json(drift)}}}}}',
    )
    found = cluster.wait_for(
        *("housingmodel", model, namespace),
        lambda found: "r1" in condition_of(found, "DriftDetected").get("message", ""),
        what="the report in DriftDetected",
    )
    assert found["status"]["drift"] == drift
    assert found["status"]["training"]["jobName"]


def test_a_registered_version_goes_to_staging(
    cluster, namespace, operator, registry, apply, training, model, tmp_path
):
    apply(model)
    key = training(model)["training"]["key"]
    registered = f"{namespace}.{model}"
    folder = tiny_bundle(tmp_path / "bundle", model_name=registered)
    version = register_bundle(registry, registered, folder, key=key)
    found = cluster.wait_for(
        *("housingmodel", model, namespace),
        lambda found: found["status"].get("candidate", {}).get("step") == "Staging",
        what="a candidate in staging",
    )
    inputs = found["status"]["inputs"]
    assert [column["name"] for column in inputs["columns"]] == ["area", "rooms", "ilçe"]
    assert [b["price"] for b in inputs["boundaries"]] == [2_500_000, 6_000_000]

    deployment = cluster.wait_for(
        *("deployment", f"{model}-staging", namespace), lambda _: True, what="to be there"
    )
    marks = deployment["spec"]["template"]["metadata"]["labels"]
    assert marks["housing-operator.dev/version"] == version
    assert cluster.get("service", f"{model}-staging", namespace)
    assert cluster.get("persistentvolumeclaim", f"{model}-serving", namespace)
    wait_until(
        lambda: (registry.aliases(registered) == {"staging": version}, None),
        what="alias staging in MLflow",
        timeout=60,
    )
    pods = cluster.wait_for_condition(
        "housingmodel", model, namespace, "StagingAvailable", status="False", reason="PodsNotReady"
    )
    assert "Unschedulable" in condition_of(pods, "StagingAvailable")["message"]


def test_the_access_mode_of_the_datasets_claim_decides_whether_pods_share_a_node(
    cluster, namespace, operator, apply, training, model
):
    dataset = {"uri": f"pvc://{model}/a", "target": {"column": "price"}}
    for mode in ("ReadWriteOnce", "ReadWriteMany"):
        name = f"{model}-{mode[-4:].lower()}"
        claim = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name},
            "spec": {
                "storageClassName": "none",
                "accessModes": [mode],
                "resources": {"requests": {"storage": "1Gi"}},
            },
        }
        cluster.apply(claim, namespace=namespace)
        apply(name, dataset={**dataset, "uri": f"pvc://{name}/a"})
        job = cluster.get("job", training(name)["training"]["jobName"], namespace)
        pod = job["spec"]["template"]["spec"]
        assert ("affinity" in pod) == (mode == "ReadWriteOnce")
        assert pod["containers"][0]["volumeMounts"][1]["readOnly"] is True


def test_a_deleted_model_leaves_nothing_also_while_the_operator_is_away(
    cluster, namespace, operator, apply, training, model
):
    apply(model)
    training(model)
    wait_for_passes(operator)
    operator.stop()
    try:
        cluster.delete("housingmodel", model, namespace)
        wait_until(
            lambda: (not owned(cluster, namespace, model), None),
            what="everything to be gone",
            timeout=120,
        )
    finally:
        operator.start()
    time.sleep(3)
    assert not owned(cluster, namespace, model)


def test_probe_and_metrics_answer(operator, apply, training, model):
    apply(model)
    training(model)
    assert "longestWaitSeconds" in operator.health()
    wait_until(
        lambda: (operator.metric("housing_operator_models") >= 1, None),
        what="the number of models",
        timeout=30,
    )
    assert operator.metric("housing_operator_registry_up") == 1
    assert operator.metric("housing_operator_reconcile_duration_seconds_count") >= 1


def test_a_signal_ends_it_well(operator):
    assert operator.stop() == 0
    operator.start()


def _json(value):
    import json

    return json.dumps(value)


@pytest.fixture(autouse=True)
def _log_of_the_operator(operator, request):
    """Show the operator's log beside a test that fails."""
    yield
    print(operator.tail())
