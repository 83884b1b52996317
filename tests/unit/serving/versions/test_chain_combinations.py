"""Every combination of broken links of the fallback chain, and the way back up.

Bundles, cache, loader and golden rows are real; only MLflow is a folder here. Its own part, and
what a client sees, is in `tests/integration/serving`.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from housing_core.bundle import BUNDLE_PATH
from housing_core.tasks import ServingTask
from housing_serving.versions.loader import ModelLoader
from housing_serving.versions.model_cache import MARKER, ModelCache
from housing_serving.versions.policy import PolicyFile
from housing_serving.versions.source import ModelSource, RegistryView, SourceError
from tests.bundles import spoil, tiny_bundle

STATES = ("good", "away", "corrupt", "wrong", "rejected")
LINKS = {"production": "3", "staging": "4", "copy": "2", "baked": "1"}
LEVELS = dict(zip(LINKS, ("Production", "Staging", "LocalCopy", "LocalCopy"), strict=True))


class _FolderSource(ModelSource):
    """MLflow as a folder of bundles, which may be away."""

    def __init__(self, folder: Path, rejected: dict[str, str]) -> None:
        super().__init__("tests.tiny")
        self.folder, self.rejected, self.down = folder, rejected, False

    def view(self) -> RegistryView:
        if self.down:
            raise SourceError("MLflow did not answer")
        return RegistryView(LINKS["staging"], self.rejected)

    def fetch(self, version: str, destination: Path) -> None:
        if self.down or not (self.folder / version).exists():
            raise SourceError("MLflow did not answer")
        shutil.copytree(self.folder / version, destination)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A bundle in each state that a folder can be in."""
    folder = tmp_path_factory.mktemp("bundles")
    made = {state: tiny_bundle(folder / state, wrong=state == "wrong") for state in STATES}
    spoil(made["corrupt"])
    return made


class _World:
    """One pod with its volume, image and registry."""

    def __init__(self, folder: Path, bundles: dict[str, Path], states: dict[str, str]) -> None:
        self.bundles, self.now = bundles, 0.0
        self.task = ServingTask(
            namespace="tests",
            name="tiny",
            track="production",
            version=LINKS["production"],
            policy_file=str(folder / "policy.json"),
            log_uri=str(folder / "log"),
            model_cache=str(folder / "cache"),
            baked_models=str(folder / "baked"),
        )
        cache, baked = Path(self.task.model_cache), Path(self.task.baked_models)
        self.places = {
            "production": folder / "mlflow" / LINKS["production"],
            "staging": folder / "mlflow" / LINKS["staging"],
            "copy": cache / "tests.tiny" / LINKS["copy"],
            "baked": baked / "tests.tiny" / LINKS["baked"] / BUNDLE_PATH,
        }
        rejected = {
            LINKS[link]: "the online gate failed"
            for link, state in states.items()
            if state == "rejected"
        }
        self.source = _FolderSource(folder / "mlflow", rejected)
        for link, state in states.items():
            self.put(link, state)
        self.loader = ModelLoader(
            self.task,
            PolicyFile(Path(self.task.policy_file)),
            ModelCache(cache, "tests.tiny"),
            self.source,
            clock=lambda: self.now,
        )

    def put(self, link: str, state: str) -> None:
        shutil.rmtree(self.places[link], ignore_errors=True)
        if state != "away":
            shutil.copytree(self.bundles[state], self.places[link])
            (self.places[link] / MARKER).write_text("{}")

    def answers(self) -> tuple[str | None, str]:
        self.now += 3600  # beyond the pause between downloads of a bad bundle
        self.loader.attempt()
        return self.loader.serving.version, self.loader.serving.level


MakeWorld = Callable[[dict[str, str]], _World]


@pytest.fixture
def make_world(tmp_path: Path, bundles: dict[str, Path]) -> MakeWorld:
    numbers = itertools.count()
    return lambda states: _World(tmp_path / str(next(numbers)), bundles, states)


def _expected(states: dict[str, str]) -> tuple[str | None, str]:
    held = [link for link, state in states.items() if state == "good"]
    return (LINKS[held[0]], LEVELS[held[0]]) if held else (None, "None")


@pytest.mark.parametrize("staging", STATES)
@pytest.mark.parametrize("production", STATES)
def test_the_best_link_that_holds_answers(
    make_world: MakeWorld, production: str, staging: str
) -> None:
    for copy, baked in itertools.product(STATES, STATES):
        states = {"production": production, "staging": staging, "copy": copy, "baked": baked}
        world = make_world(states)
        assert world.answers() == _expected(states), states
        serving = world.loader.serving
        assert (serving.message == "") is (production == "good"), states
        if production == "rejected":
            assert "version 3 is rejected: the online gate failed" in serving.message
        elif production != "good":
            assert "version 3: " in serving.message, states


@pytest.mark.parametrize("baked", STATES)
@pytest.mark.parametrize("copy", STATES)
def test_without_mlflow_the_local_links_answer(
    make_world: MakeWorld, copy: str, baked: str
) -> None:
    states = {"production": "good", "staging": "good", "copy": copy, "baked": baked}
    world = make_world(states)
    world.source.down = True
    # Nobody says so then, but the operator's policy still does.
    if world.source.rejected:
        rejected = ", ".join(f'"{version}"' for version in world.source.rejected)
        Path(world.task.policy_file).write_text(f'{{"rejected_versions": [{rejected}]}}')
    assert world.answers() == _expected({**states, "production": "away", "staging": "away"})
    world.source.down = False
    assert world.answers() == ("3", "Production")


@pytest.mark.parametrize("state", ["away", "corrupt", "wrong"])
def test_links_that_heal_are_climbed_one_by_one(make_world: MakeWorld, state: str) -> None:
    world = make_world(dict.fromkeys(LINKS, state))
    assert world.answers() == (None, "None")
    for link in ("baked", "copy", "staging", "production"):
        world.put(link, "good")
        assert world.answers() == (LINKS[link], LEVELS[link])
        assert world.loader.serving.model is not None
    for link in ("production", "staging", "copy", "baked"):
        world.put(link, state)
    assert world.answers() == ("3", "Production")  # what is in memory goes on answering


def test_a_baked_in_bundle_without_mlflows_folders_is_found_too(
    make_world: MakeWorld, bundles: dict[str, Path]
) -> None:
    world = make_world(dict.fromkeys(LINKS, "away"))
    shutil.copytree(
        bundles["good"], Path(world.task.baked_models) / "tests.tiny" / LINKS["production"]
    )
    assert world.answers() == ("3", "Production")
    assert not Path(world.task.model_cache).exists()
