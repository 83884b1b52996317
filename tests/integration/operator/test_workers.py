"""A training on several pods, on a real API server: what is made for it, and that it goes with it."""

from housing_operator.resources.names import worker_job_name

DISTRIBUTED = {"distributed": {"workers": 2}}


def test_workers_belong_to_the_job_and_go_with_it(models, name):
    models.apply(name, training=DISTRIBUTED)
    job = models.training(name)["jobName"]
    uid = models.wait_there("job", job)["metadata"]["uid"]
    parts = [("secret", job), ("service", job), ("job", worker_job_name(job))]
    made = {part: models.wait_there(*part) for part in parts}
    for body in made.values():
        assert [owner["uid"] for owner in body["metadata"]["ownerReferences"]] == [uid]
    workers = made[parts[-1]]
    assert (workers["spec"]["parallelism"], workers["spec"]["completions"]) == (2, 2)
    assert set(made[parts[0]]["data"]) == {"tls.crt", "tls.key"}

    models.cluster.delete("job", worker_job_name(job), models.namespace)
    models.cluster.wait_for(
        *(*parts[-1], models.namespace),
        lambda found: found["metadata"]["uid"] != workers["metadata"]["uid"],
        what="workers made anew",
    )

    models.apply(name, training={**DISTRIBUTED, "seed": 7})
    for part in [("job", job), *parts]:
        models.cluster.wait_gone(*part, models.namespace)


def test_workers_of_a_training_that_has_failed_are_deleted(models, name):
    models.apply(name, training={**DISTRIBUTED, "timeout": "5s", "maxAttempts": 1})
    training = models.training(name)
    models.wait_there("job", worker_job_name(training["jobName"]))
    models.wait_condition(name, "Trained", status="False", reason="Failed")
    models.cluster.wait_gone("job", worker_job_name(training["jobName"]), models.namespace)
    # Its own Job stays for its log.
    assert models.cluster.find("job", training["jobName"], models.namespace) is not None
