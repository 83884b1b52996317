"""A training on several pods, on a real API server: what is made for it, and that it goes with it."""

from housing_operator.resources.names import worker_job_name

DISTRIBUTED = {"distributed": {"workers": 2}}


def test_workers_belong_to_the_job_and_go_with_it(models, name):
    models.apply(name, training=DISTRIBUTED)
    job = models.training(name)["jobName"]
    uid = models.wait_there("job", job)["metadata"]["uid"]
    workers = models.wait_there("job", worker_job_name(job))
    assert [owner["uid"] for owner in workers["metadata"]["ownerReferences"]] == [uid]
    assert (workers["spec"]["parallelism"], workers["spec"]["completions"]) == (2, 2)
    secret = models.wait_there("secret", f"{name}-training-worker")
    assert set(secret["data"]) == {"tls.crt", "tls.key"}
    assert models.wait_there("service", f"{name}-training")["spec"]["clusterIP"] == "None"

    models.cluster.delete("job", worker_job_name(job), models.namespace)
    models.cluster.wait_for(
        *("job", worker_job_name(job), models.namespace),
        lambda found: found["metadata"]["uid"] != workers["metadata"]["uid"],
        what="workers made anew",
    )

    models.apply(name, training={**DISTRIBUTED, "seed": 7})
    for gone in (job, worker_job_name(job)):
        models.cluster.wait_gone("job", gone, models.namespace)
    # The next training has the same certificate, and workers of its own.
    models.wait_there("job", worker_job_name(models.training(name)["jobName"]))
    kept = models.wait_there("secret", f"{name}-training-worker")
    assert kept["metadata"]["uid"] == secret["metadata"]["uid"]


def test_workers_of_a_training_that_has_failed_are_deleted(models, name):
    models.apply(name, training={**DISTRIBUTED, "timeout": "5s", "maxAttempts": 1})
    training = models.training(name)
    models.wait_there("job", worker_job_name(training["jobName"]))
    models.wait_condition(name, "Trained", status="False", reason="Failed")
    models.cluster.wait_gone("job", worker_job_name(training["jobName"]), models.namespace)
    # Its own Job stays for its log.
    assert models.cluster.find("job", training["jobName"], models.namespace) is not None
