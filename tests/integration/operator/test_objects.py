"""What the builders make, as a real API server takes it."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from housing_operator.clients.kube import Kube
from housing_operator.reconciliation.certificates import shared_certificate
from housing_operator.resources.changes import changes
from housing_operator.resources.children import children
from housing_operator.resources.training_job import training_job
from housing_operator.resources.training_workers import certificate_secret, worker_job
from tests.unit.operator.blueprints import blueprint, pod_of, serving, start

FULL = {
    "resources": {
        "requests": {"cpu": "1500m", "memory": "1024Mi"},
        "limits": {"cpu": 2, "memory": "1.5Gi"},
    },
    "annotations": {"example.com/a": "b"},
    "nodeSelector": {"housing-operator.dev/tests": "no-node-has-this"},
    "tolerations": [
        {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "spot", "value": "yes"},
    ],
    "imagePullSecrets": [{"name": "registry"}],
    "env": [
        {"name": "EMPTY", "value": ""},
        {"name": "AWS_ENDPOINT_URL", "value": "http://minio.storage.svc:9000"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ],
}
NOWHERE = {"nodeSelector": FULL["nodeSelector"]}
SPECS = {
    "smallest": {
        "training": NOWHERE,
        "monitoring": NOWHERE,
        "serving": {"production": NOWHERE, "staging": NOWHERE},
    },
    "full": {
        "dataset": {
            "uri": "s3://bucket/listings",
            "target": {"column": "Fiyat $(HOME)"},
            "credentials": {"secretRef": {"name": "aws"}},
        },
        "training": {**FULL, "distributed": {"workers": 2}},
        "monitoring": FULL,
        "serving": {
            "production": {**FULL, "replicas": 3},
            "staging": FULL,
            "predictionLog": {
                "size": "1Gi",
                "accessMode": "ReadWriteMany",
                "storageClassName": "none",
            },
        },
    },
}


@pytest.fixture(params=SPECS)
def built(request, cluster, namespace):
    """A blueprint whose model is real, so that its objects are not collected at once."""
    name = f"objects-{request.param}"
    of = blueprint(name=name, **SPECS[request.param])
    manifest = {
        "apiVersion": "housing-operator.dev/v1alpha1",
        "kind": "HousingModel",
        "metadata": {"name": name},
        "spec": of.model.spec,
    }
    cluster.apply(manifest, namespace=namespace)
    uid = cluster.get("housingmodel", name, namespace)["metadata"]["uid"]
    return replace(of, model=replace(of.model, namespace=namespace, uid=uid))


def training(of):
    """A training's Job, and what it has besides when it works with others."""
    begun = start(of)
    bodies = [training_job(of, begun)]
    if of.spec.training.distributed:
        bodies.append(certificate_secret(of, shared_certificate("test", datetime.now(UTC))))
        bodies.append(worker_job(of, begun.job_name, "job-uid"))
    return bodies


def test_every_object_is_taken_without_an_unknown_field(cluster, built):
    for body in [*children(built, serving()), *training(built)]:
        cluster.kubectl(
            *("create", "--dry-run=server", "--validate=strict", "-f", "-"), stdin=json.dumps(body)
        )


def test_every_pod_passes_the_restricted_level(cluster, built, namespace):
    bodies = children(built, serving())
    for account in (body for body in bodies if body["kind"] == "ServiceAccount"):
        cluster.apply(account)
    for body in [*bodies, *training(built)]:
        if body["kind"] not in ("Job", "CronJob", "Deployment"):
            continue
        template = pod_of(body)
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**template["metadata"], "name": "p", "namespace": namespace},
            "spec": template["spec"],
        }
        cluster.kubectl(
            *("create", "--dry-run=server", "--validate=strict", "-f", "-"), stdin=json.dumps(pod)
        )


def test_what_was_applied_needs_no_second_writing(cluster, built, namespace, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", cluster.environment["KUBECONFIG"])
    desired = children(built, serving())

    async def apply_all():
        kube = Kube.connect()
        stored = [await kube.apply(body) for body in desired]
        kube.close()
        return {(body["kind"], body["metadata"]["name"]): body for body in stored}

    live = asyncio.run(apply_all())
    todo = changes(desired, live, built.model.uid)
    assert (todo.apply, todo.delete) == ([], [])
