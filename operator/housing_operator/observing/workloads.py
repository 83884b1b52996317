"""Pure: objects as the API server holds them → what the planner knows of Jobs, pods and tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from housing_core.tasks import ServingHealth, TrainingOutcome
from housing_operator.observation import JobState, PodState, TrackState
from housing_operator.resources.labels import COMPONENT, HAS_WORKERS, TRACK, VERSION
from housing_operator.resources.means import MEANS
from housing_operator.resources.ownership import is_owned_by

Body = Mapping[str, Any]

MESSAGE_LIMIT = 600
"""Characters of a message that comes from a cluster or a log."""

NOTHING_SAID: Mapping[str, str] = MappingProxyType({})

LOST_AFTER = timedelta(minutes=5)
"""So long after its grace period a pod that has not ended is given up: its node is lost or stuck."""

_HARMLESS_WAITING = frozenset({"ContainerCreating", "PodInitializing"})


def job_state(
    job: Body,
    pods: Sequence[Body],
    now: datetime,
    warnings: Mapping[str, str] = NOTHING_SAID,
    jobs: Sequence[Body] = (),
) -> JobState:
    """A training Job with what its pods left.

    Args:
        job: the Job.
        pods: of the namespace; those of other Jobs are passed over.
        now: the time of the look.
        warnings: by the name of a Job or pod, the newest Warning about it among the Events.
        jobs: of the namespace, with those of workers.

    """
    newest_first = sorted(
        (pod for pod in pods if is_owned_by(pod, job["metadata"]["uid"])),
        key=_creation,
        reverse=True,
    )
    unended = [pod for pod in newest_first if not _has_ended(pod)]
    lost = bool(unended) and all(_is_lost(pod, now) for pod in unended)
    ended = max(
        ((when, state) for pod in newest_first for when, state in _terminations(pod)),
        key=lambda found: found[0],
        default=None,
    )
    outcome = (
        TrainingOutcome.from_termination_message(ended[1].get("message", ""))
        if ended and not lost
        else None
    )
    # The Job controller waits for every pod before it says Failed, and would for ever.
    ends = ("Complete", "Failed", *(("FailureTarget",) if lost else ()))
    condition = next(
        (
            condition
            for condition in job.get("status", {}).get("conditions", [])
            if condition["type"] in ends and condition["status"] == "True"
        ),
        None,
    )
    said = condition.get("message", "") if condition else ""
    # A pod knows better than the Job why it did not succeed; that one pod has followed another is
    # no reason to forget it.
    told = next((text for pod in newest_first if (text := _told(pod, warnings))), "")
    if not newest_first:
        told = warnings.get(job["metadata"]["name"], "")
    if lost:
        told = "; ".join(filter(None, (said, _why_lost(unended[0]))))
    return JobState(
        name=job["metadata"]["name"],
        finished=condition is not None,
        succeeded=condition is not None and condition["type"] == "Complete",
        reason=condition.get("reason", "") if condition else "",
        message=told or said,
        outcome=outcome,
        means=job["metadata"].get("annotations", {}).get(MEANS),
        starved=any(_ran_out_of_memory(pod) for pod in newest_first)
        or any(_finds_no_node(pod) for pod in newest_first[:1]),
        lost=lost,
        expects_workers=HAS_WORKERS in job["metadata"].get("labels", {}),
        has_workers=any(
            is_owned_by(other, job["metadata"]["uid"])
            and "deletionTimestamp" not in other["metadata"]
            for other in jobs
        ),
    )


def track_state(
    deployment: Body | None,
    pods: Sequence[Body],
    healths: Mapping[str, ServingHealth],
    warnings: Mapping[str, str] = NOTHING_SAID,
    autoscaler: Body | None = None,
) -> TrackState:
    """A track with its pods.

    Args:
        deployment: None when there is none.
        pods: of this track.
        healths: by the pod's name, the answers to GET /health.
        warnings: by the pod's name, the newest Warning about it among the Events.
        autoscaler: the HorizontalPodAutoscaler; None for a track of a fixed size.

    """
    states = tuple(
        _pod_state(pod, healths.get(pod["metadata"]["name"]), warnings)
        for pod in sorted(pods, key=_creation)
        if "deletionTimestamp" not in pod["metadata"]
    )
    if deployment is None:
        return TrackState(pods=states)
    spec, status = deployment["spec"], deployment.get("status", {})
    replicas = spec.get("replicas", 1)
    if autoscaler is not None:
        # What comes on top comes and goes with the load, and the cluster may have no room for it.
        replicas = min(replicas, autoscaler["spec"].get("minReplicas", 1))
    present, updated, available = (
        status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")
    )
    return TrackState(
        pinned_version=spec["template"]["metadata"].get("labels", {}).get(VERSION),
        replicas=replicas,
        rolled_out=(
            status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
            and present == updated
            and available >= replicas
        ),
        paused=spec.get("paused", False),
        message=_deployment_trouble(deployment),
        pods=states,
    )


def is_serving(pod: Body, track: str) -> bool:
    """Whether a pod serves a track."""
    marks = pod["metadata"].get("labels", {})
    return bool(marks.get(COMPONENT) == "serving" and marks.get(TRACK) == track)


def answers_for(pod: Body, health: ServingHealth, model: str) -> bool:
    """Whether an answer is of this pod, and not of another that has taken over its address."""
    marks = pod["metadata"].get("labels", {})
    said = (health.model_name, health.track, health.pinned_version)
    return said == (model, marks.get(TRACK), marks.get(VERSION))


def is_waiting(body: Body, pods: Sequence[Body]) -> bool:
    """Whether a Job has no pod yet, or a pod no container that runs, and neither says why."""
    if body["kind"] == "Job":
        conditions = body.get("status", {}).get("conditions", [])
        uid = body["metadata"]["uid"]
        return not conditions and not any(is_owned_by(pod, uid) for pod in pods)
    return body.get("status", {}).get("phase") == "Pending" and not trouble(body)


def trouble(pod: Body) -> str:
    """Why a pod does not run, for a person; empty when nothing is wrong with it."""
    status = pod.get("status", {})
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return _cut(f"{condition.get('reason', '')}: {condition.get('message', '')}")
    for container in _container_statuses(pod):
        state = container.get("state", {})
        waiting = state.get("waiting", {})
        if waiting.get("reason") == "CrashLoopBackOff":
            # Its own message counts seconds; why the container ended is in its last state.
            state = container.get("lastState", {})
        elif waiting.get("reason", "") and waiting["reason"] not in _HARMLESS_WAITING:
            return _cut(f"{waiting['reason']}: {waiting.get('message', '')}")
        if found := _termination_trouble(pod, container, state.get("terminated", {})):
            return found
    if status.get("phase") == "Failed":
        return _cut(f"{status.get('reason', 'Failed')}: {status.get('message', '')}")
    return ""


def _has_ended(pod: Body) -> bool:
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def _is_lost(pod: Body, now: datetime) -> bool:
    end_of_grace = pod["metadata"].get("deletionTimestamp")
    return end_of_grace is not None and now - datetime.fromisoformat(end_of_grace) > LOST_AFTER


def _why_lost(pod: Body) -> str:
    node = pod["spec"].get("nodeName", "")
    return (
        f"pod {pod['metadata']['name']} was to end by {pod['metadata']['deletionTimestamp']}, and "
        f"node {node} has not said that it did: the node is lost, or cannot end it. If it is gone "
        f"for good, kubectl delete node {node} lets go of its pods and volumes"
    )


def _ran_out_of_memory(pod: Body) -> bool:
    return any(
        container.get("state", {}).get("terminated", {}).get("reason") == "OOMKilled"
        for container in _container_statuses(pod)
    )


def _finds_no_node(pod: Body) -> bool:
    return any(
        (condition["type"], condition["status"]) == ("PodScheduled", "False")
        for condition in pod.get("status", {}).get("conditions", [])
    )


def _termination_trouble(pod: Body, container: Body, ended: Body) -> str:
    code = ended.get("exitCode", 0)
    if code == 0:
        return ""
    if ended.get("reason") == "OOMKilled":
        limits: Mapping[str, Any] = next(
            (
                spec.get("resources", {}).get("limits", {})
                for spec in pod["spec"]["containers"]
                if spec["name"] == container["name"]
            ),
            {},
        )
        return (
            f"OOMKilled: the {container['name']} program used more memory than its limit of "
            f"{limits.get('memory', 'the node')}: raise resources.limits.memory"
        )
    said = str(ended.get("message", "")).strip()
    outcome = TrainingOutcome.from_termination_message(said)
    text = outcome.message if outcome else said
    return _cut(f"exit code {code}" + (f": {text}" if text else ""))


def _told(pod: Body, warnings: Mapping[str, str]) -> str:
    return trouble(pod) or _cut(warnings.get(pod["metadata"]["name"], ""))


def _pod_state(pod: Body, health: ServingHealth | None, warnings: Mapping[str, str]) -> PodState:
    return PodState(
        name=pod["metadata"]["name"],
        pinned_version=pod["metadata"].get("labels", {}).get(VERSION, ""),
        ready=any(
            condition["type"] == "Ready" and condition["status"] == "True"
            for condition in pod.get("status", {}).get("conditions", [])
        ),
        health=health,
        message=_told(pod, warnings),
    )


def _deployment_trouble(deployment: Body) -> str:
    """What keeps a Deployment from making its pods: a person, a quota, or an admission policy."""
    if deployment["spec"].get("paused", False):
        metadata = deployment["metadata"]
        return (
            f"the Deployment is paused: kubectl -n {metadata['namespace']} "
            f"rollout resume deployment/{metadata['name']}"
        )
    for condition in deployment.get("status", {}).get("conditions", []):
        if (condition["type"], condition["status"]) == ("ReplicaFailure", "True"):
            return _cut(f"{condition.get('reason', '')}: {condition.get('message', '')}")
    return ""


def _terminations(pod: Body) -> list[tuple[str, Body]]:
    """Ends of the pod's containers with their times, which sort as text."""
    found = []
    for container in _container_statuses(pod):
        ended = container.get("state", {}).get("terminated")
        if ended:
            found.append((str(ended.get("finishedAt", "")), ended))
    return found


def _container_statuses(pod: Body) -> list[Body]:
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def _creation(body: Body) -> tuple[str, str]:
    return body["metadata"].get("creationTimestamp", ""), body["metadata"]["name"]


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MESSAGE_LIMIT else f"{text[: MESSAGE_LIMIT - 1]}…"
