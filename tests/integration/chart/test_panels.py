"""Every panel finds data in what operator and serving really expose, when a status holds all that it may."""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Iterator
from wsgiref.simple_server import WSGIServer

import numpy as np
import prometheus_client
import pytest
from prometheus_client import CollectorRegistry, start_http_server

from housing_operator.metrics import reconciliation as operator_metrics
from housing_operator.metrics.models import ModelMetrics
from housing_serving.metrics import Metrics
from tests.cluster_client import wait_until
from tests.dashboards import PanelQuery, label_queries, panel_queries, row_links
from tests.mlflow_server import free_port
from tests.prometheus_server import PrometheusServer, running_prometheus
from tests.unit.operator.metrics.test_models import BODY

SECONDS = 25
FIRED = {
    *("HousingModelDrift", "HousingRetrainingBlocked", "HousingTrainingFailing"),
    *("HousingFallbackInUse", "HousingRequestErrors", "HousingRequestsSlow"),
    "HousingMonitoringSilent",
}


def whole_body() -> dict[str, object]:
    """A HousingModel whose status knows everything."""
    body = copy.deepcopy(BODY)
    body["spec"]["suspend"] = False
    status = body["status"]
    status["conditions"] = [
        {**status["conditions"][0], "type": kind, "reason": "NoNewData"}
        for kind in ("Ready", "DriftDetected", "RetrainingBlocked")
    ]
    measured = {"value": 0.7, "lower": 0.6, "upper": 0.8, "reference": 0.78}
    status["drift"]["performance"] = {
        "labels": 40,
        **dict.fromkeys(("accuracy", "macroF1", "estimatedAccuracy"), measured),
    }
    status["drift"]["features"] = [
        {
            "name": "district",
            "psi": 0.5,
            "psiNoise": 0.3,
            "missingShare": 0.1,
            "missingShareReference": 0.0,
            "meanShift": 0.2,
            "deviationRatio": 1.4,
            "skewnessShift": 0.3,
            "outOfRangeShare": 0.01,
            "cardinalityRatio": 1.56,
            "newShare": 0.1,
        },
        {"name": "rooms", "psi": 0.5},
    ]
    return body


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """Prometheus after half a minute of both programs' metrics."""
    models, serving = ModelMetrics(), Metrics()
    operator = CollectorRegistry()
    operator.register(models)
    for metric in vars(operator_metrics).values():
        if isinstance(metric, prometheus_client.metrics.MetricWrapperBase):
            operator.register(metric)
    models.see({**whole_body(), "status": {}})
    operator_metrics.MODELS.set(1)
    operator_metrics.REGISTRY_UP.set(1)
    ports = free_port(), free_port()
    exporters: list[WSGIServer] = [
        start_http_server(port, "127.0.0.1", registry)[0]
        for port, registry in zip(ports, (operator, serving.registry), strict=True)
    ]
    pod = {"namespace": "ns", "model": "m", "track": "production", "pod": "p"}
    jobs = [
        {
            "job_name": name,
            "honor_labels": True,
            "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": labels}],
        }
        for name, port, labels in zip(
            ("operator", "serving"), ports, ({"namespace": "system"}, pod), strict=True
        )
    ]
    with running_prometheus(jobs, tmp_path_factory.mktemp("prometheus"), interval="1s") as running:
        # After a scrape, so that Prometheus sees the training being counted.
        wait_until(
            lambda: (bool(running.series("housing_model_suspended")), None),
            what="the first scrape",
            timeout=60,
            interval=0.2,
        )
        models.see(whole_body())
        for _ in range(SECONDS):
            operator_metrics.RECONCILES.labels("ok").inc()
            operator_metrics.RECONCILE_SECONDS.observe(0.1)
            for _ in range(20):
                serving.count_request("predict", 200, random.random() * 0.06)
            serving.count_request("predict", 503, 0.01)
            shares = np.array([[0.7, 0.3], [0.2, 0.8]], np.float32)
            serving.count_predictions(["Low", "High"], [2], np.array([0, 1]), shares)
            time.sleep(1)
        yield running
    for exporter in exporters:
        exporter.shutdown()


def test_every_panel_shows_data_and_the_alerts_that_should_fire(server: PrometheusServer) -> None:
    queries = list(panel_queries("ns", "m", rate_interval="15s"))
    assert len(queries) > 80
    assert [query for query in queries if not server.shows(query.expression)] == []
    found = server.series('ALERTS{alertstate="firing", namespace="ns", model="m"}')
    assert {one["metric"]["alertname"] for one in found} == FIRED
    for alert in server.get("alerts")["alerts"]:
        text = " ".join(alert["annotations"].values())
        assert "<error" not in text
        assert "<no value>" not in text


def test_every_variable_offers_what_is_there(server: PrometheusServer) -> None:
    offered = {
        (one.dashboard, one.variable): server.get(
            f"label/{one.label}/values", **{"match[]": one.series}
        )
        for one in label_queries()
    }
    assert len(offered) == 10
    for (_, variable), values in offered.items():
        assert values == [{"namespace": "ns", "model": "m"}[variable]]


def test_every_link_of_a_row_leads_to_its_page_in_mlflow(server: PrometheusServer) -> None:
    addresses = {
        link.address.format(**row["metric"])
        for link in row_links("ns", "m")
        for row in server.series(link.expression)
    }
    mlflow = "http://localhost:5000/#"
    assert addresses == {f"{mlflow}/runs/abc", f"{mlflow}/models/ns.m"}


def test_a_feature_is_held_against_the_specs_threshold_or_chance_whichever_is_more(
    server: PrometheusServer,
) -> None:
    (psi,) = queries_of("Population stability index, over what counts")
    found = {
        one["metric"]["feature"]: one["values"][-1][1] for one in server.series(psi.expression)
    }
    assert {name: float(value) for name, value in found.items()} == pytest.approx(
        {"district": 0.5 / 0.3, "rooms": 0.5 / 0.25}
    )
    (ratio,) = queries_of("Cardinality ratio, over its threshold")
    (one,) = server.series(ratio.expression)
    assert float(one["values"][-1][1]) == pytest.approx(1.56 / 1.3)


def queries_of(panel: str) -> list[PanelQuery]:
    return [one for one in panel_queries("ns", "m", rate_interval="15s") if one.panel == panel]
