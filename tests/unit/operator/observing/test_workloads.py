"""Objects of the API server → what the planner knows of Jobs, pods and tracks."""

from datetime import UTC, datetime

import pytest

from housing_core.tasks import ServingHealth, TrainingOutcome
from housing_operator.observing.workloads import (
    answers_for,
    is_serving,
    is_waiting,
    job_state,
    track_state,
    trouble,
)
from housing_operator.resources.children import children
from housing_operator.resources.training_job import training_job
from tests.unit.operator.blueprints import blueprint, only, pod_of, serving, start

NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)
OUTCOME = TrainingOutcome(outcome="InvalidData", message="column 'price' is not in the data")


def job(*conditions):
    of = blueprint()
    body = training_job(of, start(of))
    body["metadata"]["uid"] = "job-uid"
    body["status"] = {"conditions": list(conditions)}
    return body


def condition(kind, status="True", **fields):
    return {"type": kind, "status": status, **fields}


def pod(name="p", created="2026-01-01T00:00:00Z", of=None, **status):
    template = pod_of(of or job())
    metadata = {
        **template["metadata"],
        "name": name,
        "namespace": "homes",
        "uid": name,
        "creationTimestamp": created,
        "ownerReferences": [{"uid": "job-uid", "controller": True}],
    }
    return {"kind": "Pod", "metadata": metadata, "spec": template["spec"], "status": status}


def ended(code=0, message="", finished="2026-01-01T00:10:00Z", **fields):
    terminated = {"exitCode": code, "message": message, "finishedAt": finished, **fields}
    return {"containerStatuses": [{"name": "training", "state": {"terminated": terminated}}]}


def waiting(reason, message="", **last_state):
    status = {"name": "training", "state": {"waiting": {"reason": reason, "message": message}}}
    return {"containerStatuses": [{**status, "lastState": last_state}]}


def test_a_job_without_conditions_runs():
    state = job_state(job(), [pod(phase="Running")], NOW)
    assert (state.finished, state.succeeded, state.outcome, state.message) == (
        *(False, False, None),
        "",
    )


@pytest.mark.parametrize(
    ("conditions", "finished", "succeeded"),
    [
        ([condition("Complete")], True, True),
        ([condition("Failed", reason="BackoffLimitExceeded")], True, False),
        ([condition("Complete", "False")], False, False),
        ([condition("FailureTarget")], False, False),
        ([condition("SuccessCriteriaMet"), condition("Complete")], True, True),
    ],
)
def test_a_job_is_finished_when_its_condition_says_so(conditions, finished, succeeded):
    state = job_state(job(*conditions), [], NOW)
    assert (state.finished, state.succeeded) == (finished, succeeded)


def test_the_outcome_is_of_the_pod_that_ended_last():
    first = TrainingOutcome(outcome="Failed", message="first")
    pods = [
        pod("b", **ended(65, OUTCOME.to_termination_message(), "2026-01-01T00:20:00Z")),
        pod("a", **ended(1, first.to_termination_message(), "2026-01-01T00:10:00Z")),
    ]
    assert job_state(job(condition("Failed")), pods, NOW).outcome == OUTCOME


def test_a_killed_pod_leaves_no_outcome_and_says_why():
    state = job_state(job(condition("Failed")), [pod(**ended(137, "", reason="OOMKilled"))], NOW)
    assert state.outcome is None
    assert state.message == (
        "OOMKilled: the training program used more memory than its limit of 4Gi: "
        "raise resources.limits.memory"
    )


def test_a_pod_that_follows_one_without_memory_does_not_make_it_forgotten():
    pods = [pod("a", **ended(137, reason="OOMKilled")), pod("b", "2026-01-01T00:11:00Z")]
    state = job_state(job(), pods, NOW)
    assert state.starved
    assert "raise resources.limits.memory" in state.message
    assert not state.finished


def going(name="p", end_of_grace="2026-01-01T00:54:00Z", **status):
    """A pod that is to end, and of which its node says nothing."""
    body = pod(name, **{"phase": "Running", **status})
    body["metadata"]["deletionTimestamp"] = end_of_grace
    body["spec"] = {**body["spec"], "nodeName": "node-1"}
    return body


@pytest.mark.parametrize(
    ("pods", "lost"),
    [
        pytest.param([], False, id="no pod"),
        pytest.param([pod(phase="Running")], False, id="runs"),
        pytest.param([going()], True, id="six minutes over its time"),
        pytest.param([going(end_of_grace="2026-01-01T00:56:00Z")], False, id="four minutes"),
        pytest.param([going(end_of_grace="2026-01-01T01:00:20Z")], False, id="in its time"),
        pytest.param([going(phase="Failed")], False, id="has ended, and is held by a finalizer"),
        pytest.param([going(), pod("q", phase="Pending")], False, id="another one has followed"),
        pytest.param([going(), pod("q", **ended(1), phase="Failed")], True, id="one failed before"),
    ],
)
def test_a_job_is_lost_when_no_node_says_that_its_pod_has_ended(pods, lost):
    state = job_state(job(), pods, NOW)
    assert (state.lost, state.finished) == (lost, False)
    if lost:
        assert state.message.startswith("pod p was to end by 2026-01-01T00:54:00Z, and node node-1")
        assert "kubectl delete node node-1" in state.message


@pytest.mark.parametrize(("pods", "finished"), [([going()], True), ([pod()], False), ([], False)])
def test_a_job_past_its_deadline_does_not_wait_for_a_lost_pod(pods, finished):
    over = condition("FailureTarget", reason="DeadlineExceeded", message="longer than it may")
    state = job_state(job(over), pods, NOW)
    assert (state.finished, state.succeeded) == (finished, False)
    if finished:
        assert state.reason == "DeadlineExceeded"
        assert state.message.startswith("longer than it may; pod p was to end by")


def test_what_an_earlier_pod_left_is_not_the_outcome_of_a_lost_one():
    failed = pod("q", **ended(1, OUTCOME.to_termination_message()), phase="Failed")
    assert job_state(job(), [failed], NOW).outcome == OUTCOME
    assert job_state(job(), [failed, going()], NOW).outcome is None


@pytest.mark.parametrize(
    ("pods", "starved"),
    [
        ([], False),
        ([pod(phase="Running")], False),
        ([pod(**ended(1, "MLflow"))], False),
        ([pod(conditions=[condition("PodScheduled", "False", reason="Unschedulable")])], True),
        ([pod(conditions=[condition("PodScheduled")])], False),
    ],
)
def test_a_job_is_starved_when_a_pod_has_no_memory_or_no_node(pods, starved):
    assert job_state(job(), pods, NOW).starved is starved


def test_a_job_says_what_it_was_given():
    other = blueprint(training={"resources": {"limits": {"memory": "8Gi"}}})
    given = {
        job_state(body, [], NOW).means for body in (job(), job(), training_job(other, start(other)))
    }
    assert len(given) == 2
    assert None not in given


def test_pods_of_other_jobs_do_not_count():
    other = pod(**ended(65, OUTCOME.to_termination_message()))
    other["metadata"]["ownerReferences"][0]["uid"] = "another"
    state = job_state(job(), [other], NOW)
    assert (state.outcome, state.message) == (None, "")


def test_a_job_without_a_pod_says_what_the_events_say():
    name = job()["metadata"]["name"]
    warning = "FailedCreate: exceeded quota"
    assert job_state(job(), [], NOW, {name: warning}).message == warning


def test_the_jobs_own_message_is_the_last_resort():
    failed = condition("Failed", reason="DeadlineExceeded", message="Job was active too long")
    state = job_state(job(failed), [], NOW)
    assert (state.reason, state.message) == ("DeadlineExceeded", "Job was active too long")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"phase": "Running"}, ""),
        (waiting("ContainerCreating"), ""),
        (
            waiting("ImagePullBackOff", 'Back-off pulling image "x"'),
            'ImagePullBackOff: Back-off pulling image "x"',
        ),
        (waiting("CreateContainerConfigError", 'secret "s" not found'), 'secret "s" not found'),
        (
            waiting("CrashLoopBackOff", "back-off 40s", terminated={"exitCode": 1, "message": "E"}),
            "exit code 1: E",
        ),
        (ended(65, OUTCOME.to_termination_message()), "exit code 65: column 'price'"),
        (ended(0, OUTCOME.to_termination_message()), ""),
        (ended(2), "exit code 2"),
        (
            {
                "conditions": [
                    condition("PodScheduled", "False", reason="Unschedulable", message="0/1 nodes")
                ]
            },
            "Unschedulable: 0/1 nodes",
        ),
        (
            {"phase": "Failed", "reason": "Evicted", "message": "low on disk"},
            "Evicted: low on disk",
        ),
        (ended(1, "line one\n  line two"), "exit code 1: line one line two"),
        (ended(1, "x" * 5000), "…"),
    ],
)
def test_why_a_pod_does_not_run(status, expected):
    found = trouble(pod(**status))
    assert expected in found
    assert bool(found) == bool(expected)
    assert len(found) <= 600


def test_a_job_or_pod_waits_while_it_has_not_begun_and_does_not_say_why():
    assert is_waiting(job(), [])
    assert not is_waiting(job(), [pod()])
    assert not is_waiting(job(condition("Failed")), [])
    assert is_waiting(pod(phase="Pending"), [])
    assert not is_waiting(pod(phase="Running"), [])
    assert not is_waiting(pod(phase="Pending", **waiting("ErrImagePull", "no such image")), [])


def deployment(desired=1, generation=2, **status):
    body = only(children(blueprint(), serving()), "Deployment", "istanbul-production")
    body["metadata"]["generation"] = generation
    body["spec"]["replicas"] = desired
    body["status"] = status
    return body


def counts(replicas=1, updated=1, available=1, observed=2):
    return {
        "replicas": replicas,
        "updatedReplicas": updated,
        "availableReplicas": available,
        "observedGeneration": observed,
    }


@pytest.mark.parametrize(
    ("body", "rolled_out"),
    [
        (deployment(**counts()), True),
        (deployment(), False),
        (deployment(**counts(observed=1)), False),
        (deployment(**counts(replicas=2)), False),
        (deployment(**counts(updated=0)), False),
        (deployment(**counts(available=0)), False),
        (deployment(desired=3, **counts(3, 3, 3)), True),
        (deployment(desired=3, **counts(3, 3, 2)), False),
        (deployment(desired=2, **counts(3, 3, 3)), True),
    ],
)
def test_a_rollout_has_finished_when_every_pod_is_new_and_available(body, rolled_out):
    state = track_state(body, [], {})
    assert state.rolled_out is rolled_out
    assert state.pinned_version == "3"
    assert state.replicas == body["spec"]["replicas"]


def autoscaler(least):
    return {"spec": {"minReplicas": least, "maxReplicas": 10}}


@pytest.mark.parametrize(
    ("body", "rolled_out"),
    [
        pytest.param(deployment(desired=8, **counts(8, 8, 2)), True, id="no room for the rest"),
        pytest.param(deployment(desired=8, **counts(8, 8, 1)), False, id="fewer than the least"),
        pytest.param(deployment(desired=8, **counts(9, 8, 8)), False, id="an old one is left"),
        pytest.param(deployment(desired=2, **counts(5, 5, 5)), True, id="scaling down"),
        pytest.param(deployment(desired=1, **counts(1, 1, 1)), True, id="not yet at the least"),
    ],
)
def test_an_autoscaled_rollout_has_finished_with_its_least_number_of_pods(body, rolled_out):
    state = track_state(body, [], {}, autoscaler=autoscaler(2))
    assert state.rolled_out is rolled_out
    assert state.replicas == min(2, body["spec"]["replicas"])


def test_a_paused_deployment_says_how_to_resume_it():
    body = deployment(**counts())
    body["spec"]["paused"] = True
    state = track_state(body, [], {})
    assert state.paused
    assert state.message == (
        "the Deployment is paused: kubectl -n homes rollout resume deployment/istanbul-production"
    )


def test_no_deployment_is_no_track():
    state = track_state(None, [], {})
    assert (state.pinned_version, state.rolled_out, state.pods) == (None, False, ())


def test_a_quota_that_keeps_pods_away_is_said():
    failure = condition("ReplicaFailure", reason="FailedCreate", message="exceeded quota")
    assert track_state(deployment(conditions=[failure]), [], {}).message == (
        "FailedCreate: exceeded quota"
    )


def health(**fields):
    return ServingHealth.model_validate(
        {
            "status": "ok",
            "model_name": "homes.istanbul",
            "track": "production",
            "pinned_version": "3",
            "version": "3",
            **fields,
        }
    )


def test_pods_come_with_their_own_answers_and_those_that_go_are_left_out():
    pods = [
        pod("new", "2026-01-02T00:00:00Z", deployment(), phase="Pending"),
        pod("old", "2026-01-01T00:00:00Z", deployment(), conditions=[condition("Ready")]),
        pod("gone", "2026-01-01T00:00:00Z", deployment()),
    ]
    pods[2]["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z"
    state = track_state(deployment(), pods, {"old": health()}, {"new": "FailedMount: no volume"})
    old, new = state.pods
    assert (old.name, old.ready, old.health, old.pinned_version) == ("old", True, health(), "3")
    assert (new.name, new.ready, new.health) == ("new", False, None)
    assert new.message == "FailedMount: no volume"
    assert state.answering("3") == (old,)


def test_pods_are_told_by_track():
    body = pod(of=deployment())
    assert is_serving(body, "production")
    assert not is_serving(body, "staging")
    assert not is_serving(pod(), "production")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"model_name": "other.istanbul"}, False),
        ({"track": "staging"}, False),
        ({"pinned_version": "2"}, False),
        ({"version": "2"}, True),
    ],
)
def test_an_answer_of_another_pod_at_the_same_address_does_not_count(fields, expected):
    assert answers_for(pod(of=deployment()), health(**fields), "homes.istanbul") is expected
