"""The pod that every program runs in: restricted, read-only, with the user's plumbing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from housing_core.api import PodSettings
from housing_core.tasks import ADDRESS_VARIABLE, ENVIRONMENT_VARIABLE
from housing_operator.resources.blueprint import Blueprint
from housing_operator.resources.labels import ONE_NODE, labels, selector
from housing_operator.resources.names import Component, Track, component_name

CLAIMS_FOLDER = "/mnt/claims"
TEMPORARY_FOLDER = "/tmp"  # noqa: S108 - in the pod, where it is a volume of the pod's own
USER_ID = 10001

POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": USER_ID,
    "runAsGroup": USER_ID,
    "fsGroup": USER_ID,
    # Without it the kubelet walks the whole prediction log at every start of a pod.
    "fsGroupChangePolicy": "OnRootMismatch",
    "seccompProfile": {"type": "RuntimeDefault"},
}

CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


@dataclass(frozen=True, slots=True)
class Claim:
    """A PersistentVolumeClaim that a pod mounts at `/mnt/claims/<name>`.

    Attributes:
        one_node: only one node can mount it at a time, as with ReadWriteOnce.

    """

    name: str
    read_only: bool = False
    one_node: bool = True


def claim_of(uri: str | None) -> str | None:
    """Name of the claim that a `pvc://` URI leads to; None for any other place."""
    parts = urlsplit(uri or "")
    return parts.netloc if parts.scheme == "pvc" else None


def claims_of(blueprint: Blueprint, uri: str, *, read_only: bool = False) -> tuple[Claim, ...]:
    """The claim of the user's that a URI leads to, as a tuple of one; none for any other place."""
    name = claim_of(uri)
    if name is None:
        return ()
    return (Claim(name, read_only, one_node=name not in blueprint.many_nodes),)


def each_once(*claims: Claim) -> tuple[Claim, ...]:
    """Claims of which several may be one; the first of these says how it is mounted."""
    first: dict[str, Claim] = {}
    for claim in claims:
        first.setdefault(claim.name, claim)
    return tuple(first.values())


@dataclass(frozen=True, slots=True)
class Program:
    """What one of the programs needs around it.

    Attributes:
        image: its image.
        task: for `HOUSING_TASK`.
        token: whether a token of the API server is mounted.
        own_address: whether the program is told the pod's address.
        secret: whose keys become environment variables.
        environment: variables besides those of every program; the user cannot replace them.
        volumes: besides /tmp and the claims: volume and where it is mounted.
        annotations: of the pod, besides the user's.
        container: further fields of the container, such as ports and probes.
        pod: further fields of the pod, such as restartPolicy.

    """

    component: Component
    image: str
    task: str
    default_resources: dict[str, Any]
    track: Track | None = None
    token: bool = False
    own_address: bool = False
    secret: str | None = None
    claims: Sequence[Claim] = ()
    environment: dict[str, str] = field(default_factory=dict)
    volumes: Sequence[tuple[dict[str, Any], str]] = ()
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    container: dict[str, Any] = field(default_factory=dict)
    pod: dict[str, Any] = field(default_factory=dict)

    @property
    def one_node(self) -> bool:
        """Whether all pods of the model that mount such claims stay together."""
        return any(claim.one_node for claim in self.claims)


def pod_template(blueprint: Blueprint, program: Program, plumbing: PodSettings) -> dict[str, Any]:
    """The template of a Deployment or Job."""
    name, settings = blueprint.name, blueprint.settings
    given = plumbing.pod_settings()
    volumes, mounts = _volumes(program)
    container = {
        "name": program.component,
        "image": program.image,
        "imagePullPolicy": settings.pull_policy,
        "env": _environment(program, given, settings.tracking_uri),
        "resources": given.get("resources") or program.default_resources,
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": mounts,
        **program.container,
    }
    if program.secret:
        container["envFrom"] = [{"secretRef": {"name": program.secret}}]
    spec = {
        "serviceAccountName": (
            given.get("serviceAccountName") or component_name(name, program.component)
        ),
        "automountServiceAccountToken": program.token,
        # Services of a crowded namespace would otherwise become hundreds of variables.
        "enableServiceLinks": False,
        "securityContext": POD_SECURITY,
        "containers": [container],
        "volumes": volumes,
        **program.pod,
    }
    for key in ("nodeSelector", "tolerations", "imagePullSecrets"):
        if given.get(key):
            spec[key] = given[key]
    if program.one_node:
        spec["affinity"] = _one_node(name)
    elif program.track is not None:
        pods = selector(name, program.component, program.track)
        spec["topologySpreadConstraints"] = _spread(pods)
    marks = {**labels(name, program.component, program.track), **program.labels}
    if program.one_node:
        marks[ONE_NODE] = name
    return {
        "metadata": {
            "labels": marks,
            "annotations": {**program.annotations, **given.get("annotations", {})},
        },
        "spec": spec,
    }


def _volumes(program: Program) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The pod's volumes, and the container's mounts."""
    volumes: list[dict[str, Any]] = [{"name": "tmp", "emptyDir": {}}]
    mounts: list[dict[str, Any]] = [{"name": "tmp", "mountPath": TEMPORARY_FOLDER}]
    for volume, path in program.volumes:
        volumes.append(volume)
        mounts.append({"name": volume["name"], "mountPath": path})
    for position, claim in enumerate(program.claims):
        name = f"claim-{position}"
        volumes.append({"name": name, "persistentVolumeClaim": {"claimName": claim.name}})
        mount = {"name": name, "mountPath": f"{CLAIMS_FOLDER}/{claim.name}"}
        mounts.append({**mount, "readOnly": True} if claim.read_only else mount)
    return volumes, mounts


def _environment(program: Program, given: dict[str, Any], mlflow: str) -> list[dict[str, Any]]:
    """The operator's variables and then the user's, who may replace all but HOUSING_*."""
    own = {
        "HOME": TEMPORARY_FOLDER,
        "MLFLOW_TRACKING_URI": mlflow,
        ENVIRONMENT_VARIABLE: program.task,
        **program.environment,
    }
    # The kubelet reads $(NAME) as a reference and $$ as a dollar sign: a column may be called so.
    variables: dict[str, dict[str, Any]] = {
        name: {"name": name, "value": value.replace("$", "$$")} for name, value in own.items()
    }
    if program.own_address:
        source = {"fieldRef": {"fieldPath": "status.podIP"}}
        variables[ADDRESS_VARIABLE] = {"name": ADDRESS_VARIABLE, "valueFrom": source}
    variables |= {variable["name"]: variable for variable in given.get("env", [])}
    return list(variables.values())


def _spread(pods: dict[str, str]) -> list[dict[str, Any]]:
    """Over nodes and zones where there are several; one node takes them all rather than none."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": pods},
            # Those of a version that is going do not count.
            "matchLabelKeys": ["pod-template-hash"],
        }
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]


def _one_node(model: str) -> dict[str, Any]:
    """Keep the pods of a model that mount such claims together.

    One of them mounts both the dataset's claim and the prediction log's, so all must be on one
    node; a pod that is the first is free to choose it.
    """
    term = {
        "labelSelector": {"matchLabels": {ONE_NODE: model}},
        "topologyKey": "kubernetes.io/hostname",
    }
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
