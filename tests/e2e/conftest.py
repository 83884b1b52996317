"""The operator on the test cluster, a namespace for each test, and what went on there when one fails."""

from __future__ import annotations

import time
import uuid
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cluster_client import Cluster
from tests.diagnosis import diagnose
from tests.operator_release import install_operator
from tests.prometheus_server import PrometheusServer, watching_cluster
from tests.story import ISTANBUL, Story, listings, to_csv

STARTED = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="session")
def installed_operator(cluster: Cluster) -> Cluster:
    """The cluster with the operator and MLflow running in `housing-system`. They stay."""
    install_operator(cluster)
    return cluster


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of its own that enforces the restricted level; it is gone after the test."""
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    cluster.create_namespace(name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def prometheus(installed_operator: Cluster, tmp_path: Path) -> Iterator[PrometheusServer]:
    """A real Prometheus that watches the cluster from before the test to its end."""
    with watching_cluster(installed_operator, tmp_path) as server:
        yield server


@pytest.fixture(scope="session")
def small(installed_operator: Cluster) -> Iterator[Story]:
    """A model that trains in seconds, in production; every test leaves it there."""
    cluster = installed_operator
    namespace = f"small-{time.time_ns() % 10**8:x}"
    cluster.create_namespace(namespace)
    story = Story(
        cluster,
        namespace,
        name="small",
        spec={
            "training": {"recipe": "seed", "forest": {"trees": 40}},
            "promotion": {"gates": {"rolloutTimeout": "1m", "maxLatency": "2s"}},
        },
    )
    story.add_listings("a.csv", to_csv(listings(ISTANBUL)[::9]))
    story.apply()
    story.wait_for_production("1")
    yield story
    cluster.delete("namespace", namespace, "", wait=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the state of the cluster to the report of a test that failed, while it is still there."""
    report = yield
    if report.failed and report.when != "teardown":
        report.sections.extend(diagnose(STARTED))
    return report
