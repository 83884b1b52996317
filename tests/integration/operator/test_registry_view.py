"""MLflow as the operator sees it, against a real server that goes away and comes back."""

import asyncio
import time
import uuid

import pytest

from housing_core.registry import Registry, RegistryUnavailableError
from housing_operator.clients.registry import PAUSE_SECONDS, RegistryClient
from housing_operator.observing.registry_view import RegistryView
from housing_operator.plan import AcceptVersion, MoveAlias, RejectVersion
from tests.bundles import register_bundle, tiny_bundle
from tests.mlflow_server import free_port


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    """As `python -m housing_operator` has it."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.fixture
def registered():
    return f"tests.{uuid.uuid4().hex[:8]}"


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def client(registry, clock):
    found = RegistryClient(registry, clock)
    yield found
    found.close()


@pytest.fixture
def view(client):
    return RegistryView(client)


def observe(view, model, *numbers, key=None):
    return asyncio.run(view.observe(model, numbers, key))


def test_a_model_that_is_not_registered_has_nothing(view, registered):
    state, error = observe(view, registered, "1", None, key="k")
    assert (state.versions, state.aliases, state.facts, error) == ((), {}, {}, "")


def test_facts_are_read_of_the_versions_that_matter(view, registry, registered, tmp_path):
    folder = tiny_bundle(tmp_path / "bundle", model_name=registered)
    for number in range(1, 6):
        register_bundle(registry, registered, folder, key=f"key-{number}")
    registry.set_alias(registered, "production", "2")
    state, _ = observe(view, registered, "1", "99", None, key="key-3")
    assert [version.number for version in state.versions] == ["1", "2", "3", "4", "5"]
    assert state.aliases == {"production": "2"}
    assert set(state.facts) == {"1", "2", "3", "5"}
    facts = state.facts["3"]
    assert facts.summary.model_name == registered
    assert facts.inputs.version == "3"


def test_a_version_that_is_no_bundle_is_said(view, registry, registered, tmp_path):
    folder = tiny_bundle(tmp_path / "bundle", model_name=registered)
    (folder / "summary.json").unlink()
    register_bundle(registry, registered, folder)
    state, error = observe(view, registered)
    assert error == ""
    assert state.facts["1"].summary is None
    assert "version 1 is not a bundle of ours" in state.facts["1"].message
    assert "summary.json" in state.facts["1"].message


def test_aliases_and_rejections_are_written(client, registry, registered, tmp_path):
    folder = tiny_bundle(tmp_path / "bundle", model_name=registered)
    register_bundle(registry, registered, folder)

    async def act(*actions):
        for action in actions:
            await client.act(registered, action)

    asyncio.run(act(MoveAlias("staging", "1"), RejectVersion("1", "macro F1 too low")))
    assert registry.aliases(registered) == {"staging": "1"}
    assert registry.version(registered, "1").rejected == "macro F1 too low"
    asyncio.run(act(MoveAlias("staging", None), AcceptVersion("1"), AcceptVersion("1")))
    assert registry.aliases(registered) == {}
    assert registry.version(registered, "1").rejected is None


def test_an_mlflow_that_is_away_is_a_value_and_is_not_asked_by_every_model(clock, registered):
    client = RegistryClient(Registry(f"http://127.0.0.1:{free_port()}"), clock)
    view = RegistryView(client)
    begun = time.monotonic()
    state, first = observe(view, registered)
    assert state is None
    assert "MLflow did not answer" in first
    for number in range(20):
        state, error = observe(view, f"other.model-{number}")
        assert state is None
        assert error == first
    assert time.monotonic() - begun < 5
    with pytest.raises(RegistryUnavailableError):
        asyncio.run(client.act(registered, MoveAlias("staging", "1")))
    client.close()


def test_an_mlflow_that_comes_back_is_asked_again(clock, view, mlflow_server, registered):
    with mlflow_server.away():
        assert observe(view, registered)[0] is None
    assert observe(view, registered)[0] is None
    clock.now += PAUSE_SECONDS
    state, error = observe(view, registered)
    assert state is not None
    assert error == ""
