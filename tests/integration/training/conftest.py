"""Data and one trained version that the tests of training share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from housing_core.registry import Registry
from tests.integration.training.program import Ended, Program, task
from tests.mlflow_server import MlflowServer

DATA = Path(__file__).parents[2] / "data"
SAMPLE_ROWS = 3000

MODEL = "training-test.istanbul"
"""Of the versions that are trained on `istanbul`, `first` before all others."""

Train = Callable[[dict[str, Any]], Ended]


def sample(source: Path, destination: Path, rows: int) -> Path:
    """Write the header and evenly spread lines of a CSV file whose records are lines."""
    header, *lines = source.read_text("utf-8").splitlines(keepends=True)
    step = max(1, len(lines) // rows)
    destination.write_text("".join([header, *lines[::step][:rows]]), "utf-8")
    return destination


def bundle_of(registry: Registry, version: str, folder: Path) -> Path:
    """Fetch the bundle of a version of MODEL."""
    return registry.download_bundle(MODEL, version, folder / f"bundle-{version}")


def run_messages(registry: Registry, run_id: str) -> str:
    """What a training has said, as its run keeps it."""
    return registry.download_run_file(run_id, "messages.txt").decode()


@pytest.fixture(scope="session")
def istanbul(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About 3,000 real listings of Istanbul."""
    folder = tmp_path_factory.mktemp("istanbul")
    return sample(DATA / "istanbul_emlakjet_2023.csv", folder / "istanbul.csv", SAMPLE_ROWS)


@pytest.fixture(scope="session")
def izmir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,000 real listings of Izmir."""
    folder = tmp_path_factory.mktemp("izmir")
    return sample(DATA / "izmir_emlakjet_2023.csv", folder / "izmir.csv", 1000)


@pytest.fixture
def registry(mlflow_server: MlflowServer) -> Registry:
    return Registry(mlflow_server.url)


@pytest.fixture
def train(mlflow_server: MlflowServer, tmp_path: Path) -> Train:
    """Run the program to its end."""

    def run(given: dict[str, Any]) -> Ended:
        folder = tmp_path / f"{given['key']}-{given['attempt']}"
        return Program(given, mlflow_server.url, folder).end()

    return run


@pytest.fixture(scope="session")
def first(
    mlflow_server: MlflowServer, istanbul: Path, tmp_path_factory: pytest.TempPathFactory
) -> Ended:
    """Version 1 of MODEL, trained without an interruption."""
    given = task(istanbul, name="istanbul", key="first")
    ended = Program(given, mlflow_server.url, tmp_path_factory.mktemp("first")).end()
    assert ended.code == 0, ended.output
    return ended
