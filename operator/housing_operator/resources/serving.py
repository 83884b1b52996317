"""One track of serving: its Deployment and what belongs to it, and the claim behind both tracks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from housing_core.api import ServingTrack
from housing_core.api.pods import SecretKeyReference
from housing_core.tasks import ServingPolicy, ServingTask
from housing_operator.plan import ServingPlan
from housing_operator.resources.autoscaling import autoscaler, replicas_to_apply
from housing_operator.resources.blueprint import Blueprint
from housing_operator.resources.labels import VERSION, labels, selector
from housing_operator.resources.names import (
    SERVING_PORT,
    Track,
    policy_name,
    serving_claim_name,
    track_name,
)
from housing_operator.resources.pods import CLAIMS_FOLDER, Claim, Program, claims_of, pod_template

POLICY_FOLDER = "/etc/housing"
POLICY_FILE = "policy.json"
FEEDBACK_FOLDER = "/etc/housing-feedback"
TOKEN_FILE = "token"  # noqa: S105 - its name
CACHE_FOLDER = "/var/cache/housing"

DRAIN_SECONDS = 5
"""A pod that ends answers for so long, until every node has taken it out of its Service."""

GRACE_SECONDS = 40

START_SECONDS = 300
"""A container may take so long to start its server; the model may take longer."""

SCRAPED = {
    "prometheus.io/scrape": "true",
    "prometheus.io/port": str(SERVING_PORT),
    "prometheus.io/path": "/metrics",
}
"""By which many scrape configurations find a pod."""


def default_resources(workers: int) -> dict[str, Any]:
    """Where the spec gives none: what a model of 100 deep trees needs, and room for large requests.

    The first worker takes about 200 MB with such a model; the others share it.
    """
    further = workers - 1
    return {
        "requests": {"cpu": f"{100 * workers}m", "memory": f"{256 + 128 * further}Mi"},
        "limits": {"memory": f"{1024 + 512 * further}Mi"},
    }


def log_uri(blueprint: Blueprint) -> str:
    """Where the predictions of a model are logged."""
    given = blueprint.spec.serving.prediction_log.uri
    return given or f"pvc://{serving_claim_name(blueprint.name)}/predictions-log"


def log_claims(blueprint: Blueprint, *, read_only: bool = False) -> tuple[Claim, ...]:
    """The claim that the prediction log is on, as a tuple of one; none for another place."""
    log = blueprint.spec.serving.prediction_log
    if log.uri is not None:
        return claims_of(blueprint, log.uri, read_only=read_only)
    name = serving_claim_name(blueprint.name)
    return (Claim(name, read_only, one_node=log.access_mode == "ReadWriteOnce"),)


def serving_claim(blueprint: Blueprint) -> list[dict[str, Any]]:
    """The claim that the operator makes where the spec names no place for the log."""
    log = blueprint.spec.serving.prediction_log
    if log.uri is not None:
        return []
    claim: dict[str, Any] = {
        "accessModes": [log.access_mode],
        "resources": {"requests": {"storage": log.size}},
    }
    if log.storage_class_name is not None:
        claim["storageClassName"] = log.storage_class_name
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {
                "name": serving_claim_name(blueprint.name),
                "labels": labels(blueprint.name, "serving"),
            },
            "spec": claim,
        }
    ]


def track_objects(
    blueprint: Blueprint, track: Track, plan: ServingPlan, rejected: Sequence[str]
) -> list[dict[str, Any]]:
    """Everything of a track that serves a version; nothing while it serves none."""
    if plan.version is None:
        return []
    block: ServingTrack = getattr(blueprint.spec.serving, track)
    policy = ServingPolicy(
        confirmed_version=plan.confirmed_version, rejected_versions=sorted(rejected, key=int)
    )
    name, pods = track_name(blueprint.name, track), selector(blueprint.name, "serving", track)
    metadata = {"name": name, "labels": labels(blueprint.name, "serving", track)}
    port = {"name": "http", "port": SERVING_PORT, "targetPort": "http", "protocol": "TCP"}
    program = _program(blueprint, track, plan.version)
    replicas = replicas_to_apply(block, blueprint.deployments.get(name))
    objects: list[dict[str, Any]] = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {**metadata, "name": policy_name(blueprint.name, track)},
            "data": {POLICY_FILE: policy.model_dump_json()},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": pods, "ports": [port]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {
                **({} if replicas is None else {"replicas": replicas}),
                "revisionHistoryLimit": 2,
                "selector": {"matchLabels": pods},
                # No old pod goes until a new one answers with the pinned version.
                "strategy": {
                    "type": "RollingUpdate",
                    "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
                },
                "template": pod_template(blueprint, program, block),
            },
        },
    ]
    if block.autoscaling is not None:
        objects.append(autoscaler(metadata, block.autoscaling))
    if not program.one_node:
        objects.append(_disruption_budget(metadata, pods))
    return objects


def _disruption_budget(metadata: dict[str, Any], pods: dict[str, str]) -> dict[str, Any]:
    """One pod at a time leaves a node that is drained, and one that is not ready at any time.

    Also for a single pod, which such a budget lets go: one that keeps it would block the drain for
    ever. So would any budget for pods that cannot be anywhere but on that node.
    """
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata,
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": pods},
        },
    }


def _program(blueprint: Blueprint, track: Track, version: str) -> Program:
    spec, name = blueprint.spec.serving, blueprint.name
    policy = {"name": "policy", "configMap": {"name": policy_name(name, track)}}
    # Mounted as a folder: a file that is mounted alone never changes.
    volumes: list[tuple[dict[str, Any], str]] = [(policy, POLICY_FOLDER)]
    if spec.prediction_log.uri is None:
        cache = f"{CLAIMS_FOLDER}/{serving_claim_name(name)}/models"
    else:
        # A claim of the user's holds what the user asked for, and nothing else.
        cache = CACHE_FOLDER
        volumes.append(({"name": "cache", "emptyDir": {}}, CACHE_FOLDER))
    token = spec.feedback.token_secret_ref
    if token is not None:
        volumes.append((_token_volume(token), FEEDBACK_FOLDER))
    block: ServingTrack = getattr(spec, track)
    task = ServingTask(
        namespace=blueprint.model.namespace,
        name=name,
        track=track,
        version=version,
        policy_file=f"{POLICY_FOLDER}/{POLICY_FILE}",
        log_uri=log_uri(blueprint),
        model_cache=cache,
        max_rows=spec.max_rows,
        workers=block.workers,
        feedback_token_file=f"{FEEDBACK_FOLDER}/{TOKEN_FILE}" if token else None,
    )
    return Program(
        component="serving",
        track=track,
        image=blueprint.settings.serving_image,
        task=task.to_environment(),
        default_resources=default_resources(block.workers),
        claims=log_claims(blueprint),
        volumes=volumes,
        labels={VERSION: version},
        annotations=SCRAPED if blueprint.settings.scrape_annotations else {},
        container={
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "ports": [{"name": "http", "containerPort": SERVING_PORT, "protocol": "TCP"}],
            "startupProbe": _probe("/health/live", every=2, failures=START_SECONDS // 2),
            "livenessProbe": _probe("/health/live", every=10, failures=3),
            "readinessProbe": _probe("/health/ready", every=3, failures=2),
            "lifecycle": {"preStop": {"sleep": {"seconds": DRAIN_SECONDS}}},
        },
        pod={"terminationGracePeriodSeconds": GRACE_SECONDS},
    )


def _token_volume(token: SecretKeyReference) -> dict[str, Any]:
    return {
        "name": "feedback",
        "secret": {
            "secretName": token.name,
            "items": [{"key": token.key, "path": TOKEN_FILE}],
            # Predictions do not wait for a Secret that only feedback needs.
            "optional": True,
        },
    }


def _probe(path: str, *, every: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "http"},
        "timeoutSeconds": 5,
        "periodSeconds": every,
        "failureThreshold": failures,
    }
