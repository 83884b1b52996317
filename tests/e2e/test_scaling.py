"""A track that grows with its requests per second, by the rule for prometheus-adapter that the docs give."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from housing_core.api.spec import REQUESTS_PER_SECOND_METRIC
from tests.cluster_client import Manifest, condition_of, wait_until
from tests.custom_metrics import AdapterRule, Values, custom_metrics_api
from tests.load import SteadyLoad
from tests.prometheus_server import PrometheusServer
from tests.story import ISTANBUL, Story, listings, without_price

pytestmark = [pytest.mark.timeout(1200), pytest.mark.slow]

PER_SECOND = 50
TARGET = 20
"""Of a pod: the load asks for two and a half pods."""


@pytest.fixture
def autoscaled(small: Story) -> Iterator[Story]:
    """The small model, scaled by its requests; one pod and no autoscaler afterwards."""
    scaling = {"minReplicas": 1, "maxReplicas": 6, "targetRequestsPerSecond": TARGET}
    small.spec["serving"] = {"production": {"autoscaling": scaling}}
    small.apply()
    name = f"{small.name}-production"
    small.cluster.wait_for(
        "horizontalpodautoscaler", name, small.namespace, lambda _: True, what="to be there"
    )
    yield small
    del small.spec["serving"]
    small.apply()
    small.cluster.wait_gone("horizontalpodautoscaler", name, small.namespace)
    _wait_for_replicas(small, 1)


def _wait_for_replicas(story: Story, number: int) -> None:
    story.cluster.wait_for(
        *("deployment", f"{story.name}-production", story.namespace),
        lambda found: found["spec"]["replicas"] == found["status"].get("readyReplicas") == number,
        what=f"{number} replicas",
        timeout=240,
    )


def test_an_autoscaler_follows_the_number_that_the_rule_of_the_docs_gives(
    autoscaled: Story, prometheus: PrometheusServer, tmp_path: Path
) -> None:
    story, cluster = autoscaled, autoscaled.cluster
    rule = AdapterRule.of_the_docs()
    assert rule.metric == REQUESTS_PER_SECOND_METRIC
    production = (
        f"app.kubernetes.io/instance={story.name},app.kubernetes.io/component=serving,"
        "housing-operator.dev/track=production"
    )

    def values() -> Values:
        pods = cluster.select("pods", story.namespace, production)
        return rule.values(prometheus, story.namespace, [pod["metadata"]["name"] for pod in pods])

    load = SteadyLoad(cluster, story.namespace)
    load.start(
        f"http://{story.name}-production.{story.namespace}.svc:8080/predict",
        without_price(listings(ISTANBUL)[::140]),
        per_second=PER_SECOND,
    )

    def settled() -> tuple[bool, Manifest]:
        seen = values()
        return sum(seen.values()) > PER_SECOND * 0.9, {"status": dict(seen)}

    wait_until(settled, what=f"{PER_SECOND} requests/s in Prometheus", timeout=120)
    assert prometheus.series(rule.series_query)
    assert sum(values().values()) < PER_SECOND * 1.1

    with custom_metrics_api(cluster, story.namespace, rule.metric, values, tmp_path):
        _wait_for_replicas(story, 3)
        scaler = cluster.get("horizontalpodautoscaler", f"{story.name}-production", story.namespace)
        assert condition_of(scaler, "ScalingActive")["status"] == "True"
        (shown,) = scaler["status"]["currentMetrics"]
        assert shown["pods"]["metric"]["name"] == REQUESTS_PER_SECOND_METRIC
    assert load.stop().failed == {}
