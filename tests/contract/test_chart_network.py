"""The chart's NetworkPolicies: who reaches operator and MLflow, and what the operator reaches."""

from __future__ import annotations

import pytest

from tests.contract.chart import VARIANTS, only, render


def test_the_operator_may_reach_dns_the_api_server_mlflow_and_serving_pods_only() -> None:
    policy = only(render({}), "NetworkPolicy", "housing-operator")["spec"]
    dns, api_server, mlflow, serving = policy["egress"]
    assert dns == {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}
    assert api_server == {
        "ports": [{"protocol": "TCP", "port": 443}, {"protocol": "TCP", "port": 6443}]
    }
    assert mlflow["ports"] == [{"protocol": "TCP", "port": 5000}]
    server = only(render({}), "Deployment", "housing-operator-mlflow")
    (peer,) = mlflow["to"]
    assert (
        peer["podSelector"]["matchLabels"].items()
        <= server["spec"]["template"]["metadata"]["labels"].items()
    )
    assert serving == {
        "to": [
            {
                "namespaceSelector": {},
                "podSelector": {"matchLabels": {"app.kubernetes.io/part-of": "housing-operator"}},
            }
        ],
        "ports": [{"protocol": "TCP", "port": 8080}],
    }
    assert policy["ingress"] == [{"ports": [{"protocol": "TCP", "port": 8080}]}]


def test_mlflow_is_reached_from_the_release_namespace_and_from_our_pods_only() -> None:
    policy = only(render({}), "NetworkPolicy", "housing-operator-mlflow")["spec"]
    assert policy["policyTypes"] == ["Ingress"]
    assert policy["ingress"] == [
        {
            "from": [
                {"podSelector": {}},
                {
                    "namespaceSelector": {},
                    "podSelector": {
                        "matchLabels": {"app.kubernetes.io/part-of": "housing-operator"}
                    },
                },
            ],
            "ports": [{"protocol": "TCP", "port": 5000}],
        }
    ]


@pytest.mark.parametrize(
    ("uri", "port"),
    [
        ("http://mlflow.example.com", 80),
        ("https://mlflow.example.com", 443),
        ("https://mlflow.example.com/team", 443),
        ("http://mlflow.example.com:5000", 5000),
        ("https://user:word@mlflow.example.com:8443/team", 8443),
    ],
)
def test_the_operator_may_reach_an_external_mlflow_on_its_port(uri: str, port: int) -> None:
    manifests = render({"mlflow": {"enabled": False, "trackingUri": uri}})
    policy = only(manifests, "NetworkPolicy", "housing-operator")["spec"]
    assert {"ports": [{"protocol": "TCP", "port": port}]} in policy["egress"]


@pytest.mark.parametrize("host", ["mlflow.mlops.svc", "mlflow.mlops.svc.cluster.local:5000"])
def test_the_operator_may_reach_the_pods_of_an_mlflow_elsewhere_in_the_cluster(host: str) -> None:
    manifests = render({"mlflow": {"enabled": False, "trackingUri": f"http://{host}"}})
    policy = only(manifests, "NetworkPolicy", "housing-operator")["spec"]
    namespace = {"matchLabels": {"kubernetes.io/metadata.name": "mlops"}}
    assert {"to": [{"namespaceSelector": namespace}]} in policy["egress"]


def test_network_policies_can_be_left_out() -> None:
    kinds = {one["kind"] for one in render(VARIANTS["no-network-policies"])}
    assert "NetworkPolicy" not in kinds
