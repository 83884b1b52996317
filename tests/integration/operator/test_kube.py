"""The door to the API server."""

import asyncio
import uuid

import pytest
from kubernetes import client

from housing_operator.clients import kube as kube_module
from housing_operator.clients.kube import (
    AlreadyExistsError,
    ConflictError,
    Kube,
    KubeError,
    KubeUnavailableError,
    NotFoundError,
)
from housing_operator.main import check_installed
from tests.mlflow_server import free_port


@pytest.fixture
def kube(cluster, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", cluster.environment["KUBECONFIG"])
    door = Kube.connect()
    yield door
    door.close()


@pytest.fixture
def body(namespace):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "namespace": namespace,
            "name": f"c-{uuid.uuid4().hex[:8]}",
            "labels": {"tests": "kube"},
        },
        "data": {"a": "1", "b": "2"},
    }


def test_apply_makes_changes_and_drops_what_it_no_longer_sets(kube, body):
    async def story():
        made = await kube.apply(body)
        again = await kube.apply(body)
        changed = await kube.apply({**body, "data": {"a": "3"}})
        return made, again, changed

    made, again, changed = asyncio.run(story())
    assert [entry["manager"] for entry in made["metadata"]["managedFields"]] == ["housing-operator"]
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert changed["data"] == {"a": "3"}


def test_apply_at_an_old_version_is_a_conflict(kube, body):
    async def story():
        made = await kube.apply(body)
        await kube.apply({**body, "data": {"a": "3"}})
        metadata = {**body["metadata"], "resourceVersion": made["metadata"]["resourceVersion"]}
        with pytest.raises(ConflictError):
            await kube.apply({**body, "metadata": metadata, "data": {"a": "4"}})

    asyncio.run(story())


def test_what_is_there_is_found_and_what_is_not_is_none(kube, body):
    async def story():
        name, namespace = body["metadata"]["name"], body["metadata"]["namespace"]
        assert await kube.get("ConfigMap", namespace, name) is None
        await kube.create(body)
        found = await kube.get("ConfigMap", namespace, name)
        listed = await kube.list("ConfigMap", namespace, label_selector="tests=kube")
        with pytest.raises(AlreadyExistsError, match="already exists"):
            await kube.create(body)
        return found, listed

    found, listed = asyncio.run(story())
    assert found in listed
    assert (found["apiVersion"], found["kind"]) == ("v1", "ConfigMap")


def test_delete_takes_the_right_one_and_does_not_mind_when_it_is_gone(kube, body):
    async def story():
        name, namespace = body["metadata"]["name"], body["metadata"]["namespace"]
        made = await kube.create(body)
        await kube.delete("ConfigMap", namespace, name, uid="another")
        assert await kube.get("ConfigMap", namespace, name) is not None
        await kube.delete("ConfigMap", namespace, name, uid=made["metadata"]["uid"])
        assert await kube.get("ConfigMap", namespace, name) is None
        await kube.delete("ConfigMap", namespace, name)

    asyncio.run(story())


def test_a_refusal_says_which_object_and_why(kube, body):
    with pytest.raises(KubeError, match=r'post ConfigMap .* is invalid: .*"a b"') as refused:
        asyncio.run(kube.create({**body, "data": {"a b": "1"}}))
    assert refused.value.status == 422
    assert not isinstance(refused.value, KubeUnavailableError)


def test_a_kind_that_is_not_installed_is_not_found(kube, namespace, monkeypatch):
    monkeypatch.setitem(kube_module.RESOURCES, "HousingModel", ("nowhere.example", "v1", "things"))
    with pytest.raises(NotFoundError):
        asyncio.run(kube.list("HousingModel", namespace))
    with pytest.raises(KubeError, match=r"housingmodels.housing-operator.dev is not installed: "):
        asyncio.run(check_installed(kube, ()))


def test_an_api_server_that_is_away_is_unavailable(body):
    configuration = client.Configuration(host=f"https://127.0.0.1:{free_port()}")
    configuration.retries = False
    door = Kube(client.ApiClient(configuration))
    with pytest.raises(KubeUnavailableError, match="the API server did not answer"):
        asyncio.run(door.create(body))
    door.close()
