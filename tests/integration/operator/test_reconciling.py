"""A HousingModel on a real API server and a real MLflow: what the operator makes, repairs and says."""

import json
import time

from tests.bundles import register_bundle, tiny_bundle
from tests.cluster_client import condition_of, wait_until
from tests.loopback import loopback_hosts


def test_a_model_gets_its_training_job_and_says_so(models, name):
    applied = models.apply(name)
    training = models.training(name)
    (job,) = models.owned(name, "job")
    assert job["metadata"]["name"] == training["jobName"]
    assert job["metadata"]["ownerReferences"][0]["uid"] == applied["metadata"]["uid"]
    models.wait_condition(name, "Ready", status="False", reason="Training")
    assert models.get(name)["status"]["observedGeneration"] == 1
    events = {e["reason"]: e for e in models.cluster.events(models.namespace, name)}
    assert events["TrainingStarted"]["source"]["component"] == "housing-operator"


def test_nothing_is_put_on_the_users_object(models, name):
    before = models.apply(name)
    models.training(name)
    models.wake(name, 2)
    after = models.get(name)
    assert "finalizers" not in after["metadata"]
    assert after["metadata"].get("annotations") == before["metadata"].get("annotations")
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert after["spec"] == before["spec"]


def test_a_pass_that_finds_everything_as_it_should_be_writes_nothing(models, name):
    def versions():
        bodies = [models.get(name), *models.owned(name)]
        return {
            (b["kind"], b["metadata"]["name"]): b["metadata"]["resourceVersion"]
            for b in bodies
            # This one is what wakes the model.
            if b["metadata"]["name"] != f"{name}-training" or b["kind"] != "ServiceAccount"
        }

    models.apply(name)
    models.training(name)
    models.wake(name, 3)
    before = versions()
    models.wake(name, 3)
    assert versions() == before


def test_an_operator_that_is_killed_after_making_the_job_makes_no_second(models, name):
    models.apply(name)
    made = wait_until(
        lambda: (bool(jobs := models.owned(name, "job")), jobs[0] if jobs else None),
        what="the Job",
        timeout=60,
        interval=0.05,
    )
    models.operator.kill()
    models.operator.start()
    models.wake(name, 2)
    uids = [job["metadata"]["uid"] for job in models.owned(name, "job")]
    assert uids == [made["metadata"]["uid"]]
    training = models.get(name)["status"]["training"]
    assert (training["jobName"], training["attempt"]) == (made["metadata"]["name"], 1)


def test_an_operator_that_is_killed_before_making_the_job_makes_the_one_in_status(models, name):
    models.apply(name)
    job = models.training(name)["jobName"]
    models.operator.kill()
    models.cluster.delete("job", job, models.namespace)
    models.operator.start()
    models.wait_there("job", job)
    assert len(models.owned(name, "job")) == 1


def test_owned_objects_are_repaired(models, name):
    cluster, namespace = models.cluster, models.namespace
    models.apply(name)
    models.training(name)
    monitor = f"{name}-monitoring"
    uid = cluster.get("role", monitor, namespace)["metadata"]["uid"]
    cluster.delete("role", monitor, namespace)
    everybody = {"ingress": [{}], "policyTypes": ["Ingress"]}
    cluster.patch("networkpolicy", f"{name}-training", namespace, {"spec": everybody})
    marks = {"app.kubernetes.io/managed-by": None, "app.kubernetes.io/instance": None}
    cluster.patch("serviceaccount", f"{name}-serving", namespace, {"metadata": {"labels": marks}})
    cluster.wait_for(
        *("role", monitor, namespace),
        lambda found: found["metadata"]["uid"] != uid,
        what="is made again",
    )
    cluster.wait_for(
        *("networkpolicy", f"{name}-training", namespace),
        lambda found: found["spec"]["policyTypes"] == ["Ingress", "Egress"]
        and not found["spec"].get("ingress"),
        what="is as before",
    )
    cluster.wait_for(
        *("serviceaccount", f"{name}-serving", namespace),
        lambda found: found["metadata"]["labels"].get("app.kubernetes.io/instance") == name,
        what="has its labels again",
    )


def test_an_object_of_somebody_else_is_left_alone_and_said(models, name):
    cluster, namespace, policy = models.cluster, models.namespace, f"{name}-serving"
    theirs = {"podSelector": {"matchLabels": {"app": "somebody"}}, "policyTypes": ["Ingress"]}
    cluster.apply(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": policy},
            "spec": theirs,
        },
        namespace=namespace,
    )
    models.apply(name)
    # Everything else is done all the same.
    models.training(name)
    message = models.wait_condition(name, "Degraded", reason="ReconcileError")
    assert f"NetworkPolicy {namespace}/{policy} is there and does not belong" in message
    assert cluster.get("networkpolicy", policy, namespace)["spec"] == theirs
    before = models.condition(name, "Degraded")
    models.wake(name, 2)
    assert models.condition(name, "Degraded") == before

    cluster.delete("networkpolicy", policy, namespace)
    models.wait_condition(name, "Degraded", status="False")
    assert cluster.get("networkpolicy", policy, namespace)["metadata"]["ownerReferences"]


def test_a_broken_spec_is_said_and_its_neighbour_goes_on(models, name):
    bad = f"{name}-bad"
    models.apply(bad, training={"schedule": "99 * * * *"})
    message = models.wait_condition(bad, "Degraded", reason="ReconcileError")
    assert "spec.training.schedule is '99 * * * *', which is not a schedule" in message
    models.apply(name)
    models.training(name)
    assert not models.owned(bad, "job")

    models.apply(bad, training={"schedule": "0 3 * * *"})
    models.training(bad)
    models.wait_condition(bad, "Degraded", status="False")


def test_a_job_that_gets_no_pod_says_why(models, name):
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "no-pods"},
        "spec": {"hard": {"pods": "0"}},
    }
    models.cluster.apply(quota, namespace=models.namespace)
    try:
        models.apply(name)
        models.cluster.wait_for(
            *("housingmodel", name, models.namespace),
            lambda found: "exceeded quota: no-pods"
            in condition_of(found, "Trained").get("message", ""),
            what="the quota in Trained",
        )
    finally:
        models.cluster.delete("resourcequota", "no-pods", models.namespace)


def test_the_monitors_report_is_kept_and_wakes_the_model(models, name):
    models.apply(name)
    models.training(name)
    drift = {
        "reportId": "r1",
        "modelVersion": "1",
        "time": "2026-01-01T00:00:00Z",
        "verdict": "Stable",
        "samples": 1000,
    }
    written = {
        "apiVersion": "housing-operator.dev/v1alpha1",
        "kind": "HousingModel",
        "metadata": {"name": name},
        "status": {"drift": drift},
    }
    models.cluster.kubectl(
        *("apply", "--server-side", "--subresource=status", "--field-manager=monitor"),
        *("--force-conflicts", "-n", models.namespace, "-f", "-"),
        stdin=json.dumps(written),
    )
    found = models.cluster.wait_for(
        *("housingmodel", name, models.namespace),
        lambda found: "r1" in condition_of(found, "DriftDetected").get("message", ""),
        what="the report in DriftDetected",
    )
    assert found["status"]["drift"] == drift
    assert found["status"]["training"]["jobName"]


def test_a_registered_version_goes_to_staging(models, name, registry, tmp_path):
    models.apply(name)
    registered = f"{models.namespace}.{name}"
    folder = tiny_bundle(tmp_path / "bundle", model_name=registered)
    version = register_bundle(registry, registered, folder, key=models.training(name)["key"])
    models.wake(name, 1)
    found = models.cluster.wait_for(
        *("housingmodel", name, models.namespace),
        lambda found: found["status"].get("candidate", {}).get("step") == "Staging",
        what="a candidate in staging",
    )
    inputs = found["status"]["inputs"]
    assert [column["name"] for column in inputs["columns"]] == ["area", "rooms", "ilçe"]
    assert [b["price"] for b in inputs["boundaries"]] == [2_500_000, 6_000_000]

    deployment = models.wait_there("deployment", f"{name}-staging")
    marks = deployment["spec"]["template"]["metadata"]["labels"]
    assert marks["housing-operator.dev/version"] == version
    models.wait_there("service", f"{name}-staging")
    models.wait_there("persistentvolumeclaim", f"{name}-serving")
    wait_until(
        lambda: (registry.aliases(registered) == {"staging": version}, None),
        what="alias staging in MLflow",
        timeout=60,
    )
    expected = {"status": "False", "reason": "PodsNotReady"}
    assert "Unschedulable" in models.wait_condition(name, "StagingAvailable", **expected)


def test_the_access_mode_of_the_datasets_claim_decides_whether_pods_share_a_node(models, name):
    for mode in ("ReadWriteOnce", "ReadWriteMany"):
        claim = f"{name}-{mode[-4:].lower()}"
        body = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": claim},
            "spec": {
                "storageClassName": "none",
                "accessModes": [mode],
                "resources": {"requests": {"storage": "1Gi"}},
            },
        }
        models.cluster.apply(body, namespace=models.namespace)
        models.apply(claim, dataset={"uri": f"pvc://{claim}/a", "target": {"column": "price"}})
        job = models.wait_there("job", models.training(claim)["jobName"])
        pod = job["spec"]["template"]["spec"]
        assert ("affinity" in pod) == (mode == "ReadWriteOnce")


def test_a_deleted_model_leaves_nothing_also_while_the_operator_is_away(models, name):
    models.apply(name)
    models.training(name)
    models.operator.stop()
    try:
        models.cluster.delete("housingmodel", name, models.namespace)
        wait_until(
            lambda: (not models.owned(name), None), what="everything to be gone", timeout=120
        )
    finally:
        models.operator.start()
    time.sleep(3)
    assert not models.owned(name)


def test_a_deleted_model_stays_deleted_while_the_operator_runs(models, name):
    models.apply(name)
    models.training(name)
    models.cluster.delete("housingmodel", name, models.namespace)
    wait_until(lambda: (not models.owned(name), None), what="everything to be gone", timeout=120)
    time.sleep(3)
    assert not models.owned(name)


def test_a_model_that_is_made_again_under_its_name_starts_anew(models, name):
    models.apply(name)
    former = models.training(name)["jobName"]
    models.cluster.delete("housingmodel", name, models.namespace)
    uid = models.apply(name)["metadata"]["uid"]
    assert models.training(name)["jobName"] != former
    wait_until(
        lambda: (
            len(bodies := models.owned(name)) == 9
            and all(b["metadata"]["ownerReferences"][0]["uid"] == uid for b in bodies),
            None,
        ),
        what="children of the new model alone",
        timeout=120,
    )
    models.wait_condition(name, "Degraded", status="False")


def test_probe_and_metrics_answer_on_every_address(models, name):
    models.apply(name)
    models.training(name)
    for host in loopback_hosts():
        assert "longestWaitSeconds" in models.operator.health(host)
        assert "\nhousing_operator_models " in models.operator.metrics(host)
    wait_until(
        lambda: (models.operator.metric("housing_operator_models") >= 1, None),
        what="the number of models",
        timeout=30,
    )
    assert models.operator.metric("housing_operator_registry_up") == 1
    assert models.operator.metric("housing_operator_reconcile_duration_seconds_count") >= 1


def test_a_signal_ends_it_well_and_its_log_says_what_it_watched_and_what_ended_it(models):
    assert models.operator.stop() == 0
    said = models.operator.tail()
    assert f"watching the HousingModels of {models.namespace}" in said
    assert "Signal SIGTERM is received" in said
    models.operator.start()
