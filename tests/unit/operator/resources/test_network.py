"""Who reaches a component's pods, and what they reach."""

from dataclasses import replace

import pytest

from housing_operator.resources.children import children
from tests.unit.operator.blueprints import SETTINGS, blueprint, only, serving

DNS = {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}
OPEN = [{}]
S3 = {"dataset": {"uri": "s3://bucket/listings", "target": {"column": "price"}}}


def policy(component, settings=SETTINGS, **blocks):
    bodies = children(blueprint(settings=settings, **blocks), serving())
    return only(bodies, "NetworkPolicy", f"istanbul-{component}")["spec"]


def ports(spec):
    """Ports that are open to any address."""
    return {
        port["port"]
        for rule in spec["egress"]
        if "to" not in rule
        for port in rule.get("ports", [])
    }


def namespaces(spec):
    return {
        peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for rule in spec["egress"]
        for peer in rule.get("to", [])
    }


@pytest.mark.parametrize("component", ["training", "monitoring"])
def test_nobody_reaches_training_and_monitoring(component):
    spec = policy(component)
    assert spec["ingress"] == []
    assert spec["policyTypes"] == ["Ingress", "Egress"]


def test_anybody_may_ask_for_predictions_and_for_nothing_else():
    assert policy("serving")["ingress"] == [{"ports": [{"protocol": "TCP", "port": 8080}]}]


@pytest.mark.parametrize("component", ["training", "serving", "monitoring"])
def test_names_are_resolved_anywhere(component):
    assert DNS in policy(component)["egress"]


@pytest.mark.parametrize(
    ("uri", "open_ports", "open_namespaces"),
    [
        ("http://release-mlflow.mlops.svc:5000", set(), {"mlops"}),
        ("http://mlflow.mlops.svc.cluster.local", set(), {"mlops"}),
        ("http://mlflow:5000", set(), {"homes"}),
        ("http://mlflow.mlops:80", {80}, {"mlops"}),
        ("https://mlflow.example.com", {443}, set()),
        ("https://mlflow.example.com:8443/path", {8443}, set()),
        ("http://10.0.0.5:5000", {5000}, set()),
        ("http://[fd00::5]:5000", {5000}, set()),
    ],
)
def test_mlflow_is_reached_by_port_outside_the_cluster_and_by_namespace_inside(
    uri, open_ports, open_namespaces
):
    spec = policy("training", replace(SETTINGS, tracking_uri=uri))
    assert ports(spec) == {53} | open_ports
    assert namespaces(spec) == open_namespaces


@pytest.mark.parametrize(
    ("component", "blocks", "open_ports"),
    [
        ("training", S3, {80, 443}),
        ("monitoring", S3, {80, 443, 6443}),
        ("serving", S3, set()),
        ("serving", {"serving": {"predictionLog": {"uri": "s3://bucket/log"}}}, {80, 443}),
        ("training", {"serving": {"predictionLog": {"uri": "s3://bucket/log"}}}, set()),
        (
            "training",
            {
                "dataset": {"uri": "/a", "target": {"column": "p"}, "feedback": "Join"},
                "serving": {"predictionLog": {"uri": "s3://bucket/log"}},
            },
            {80, 443},
        ),
        ("monitoring", {}, {443, 6443}),
        (
            "training",
            {"dataset": {"uri": "https://example.org:8443/a.csv", "target": {"column": "p"}}},
            {8443},
        ),
    ],
)
def test_storage_opens_its_ports_for_those_that_use_it(component, blocks, open_ports):
    assert ports(policy(component, **blocks)) == {53} | open_ports


@pytest.mark.parametrize(
    ("value", "open_ports", "open_namespaces"),
    [
        ("http://minio.storage.svc:9000", set(), {"storage"}),
        ("http://s3.example.com:9000", {9000}, set()),
        ("http://proxy.example.com:3128", {3128}, set()),
        ("eu-central-1", set(), set()),
        ("http://[broken", set(), set()),
        ("http://host:port", set(), set()),
    ],
)
def test_addresses_in_variables_are_opened(value, open_ports, open_namespaces):
    env = [{"name": "AWS_ENDPOINT_URL", "value": value}]
    spec = policy("training", training={"env": env})
    assert ports(spec) == {53} | open_ports
    assert namespaces(spec) == {"mlops"} | open_namespaces


def test_spans_reach_the_collector_that_a_track_names():
    env = [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://otel.observability.svc:4318"}]
    assert namespaces(policy("serving", serving={"staging": {"env": env}})) >= {"observability"}
    assert "observability" not in namespaces(policy("serving"))


def test_egress_stays_open_where_an_address_may_hide_in_a_secret():
    credentials = {"secretRef": {"name": "aws"}}
    dataset = {**S3["dataset"], "credentials": credentials}
    hidden = {"secretKeyRef": {"name": "s", "key": "k"}}
    proxy = [{"name": "HTTPS_PROXY", "valueFrom": hidden}]
    token = [{"name": "MLFLOW_TRACKING_TOKEN", "valueFrom": hidden}]
    assert policy("training", dataset=dataset)["egress"] == OPEN
    assert policy("monitoring", dataset=dataset)["egress"] == OPEN
    assert policy("serving", dataset=dataset)["egress"] != OPEN
    assert policy("training", training={"env": proxy})["egress"] == OPEN
    assert policy("training", training={"env": token})["egress"] != OPEN
