"""The MLflow server that the chart brings: where it keeps things, and to whom it answers."""

from __future__ import annotations

from typing import Any

from tests.cluster_client import Manifest
from tests.contract.chart import VARIANTS, environment, only, render


def test_the_volume_outlives_the_release() -> None:
    claim = only(render({}), "PersistentVolumeClaim")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_mlflow_answers_to_its_services_names_and_to_port_forwards() -> None:
    hosts = allowed_hosts(render({}))
    assert hosts == [
        "housing-operator-mlflow:5000",
        "housing-operator-mlflow.housing-system:5000",
        "housing-operator-mlflow.housing-system.svc:5000",
        "housing-operator-mlflow.housing-system.svc.*:5000",
        "localhost:*",
        "127.0.0.1:*",
    ]


def test_mlflow_answers_to_further_hosts_by_value() -> None:
    manifests = render(VARIANTS["database-and-s3"])
    assert allowed_hosts(manifests)[-1] == "mlflow.example.com"
    assert "--cors-allowed-origins=https://mlflow.example.com" in mlflow_server(manifests)["args"]


def test_mlflow_listens_on_ipv6_by_value() -> None:
    assert "--host=0.0.0.0" in mlflow_server(render({}))["args"]
    assert "--host=::" in mlflow_server(render({"mlflow": {"host": "::"}}))["args"]


def test_mlflow_keeps_everything_on_its_volume_by_default() -> None:
    manifests = render({})
    server = mlflow_server(manifests)
    assert "--artifacts-destination=/var/lib/mlflow/artifacts" in server["args"]
    assert environment(server)["MLFLOW_BACKEND_STORE_URI"] == "sqlite:////var/lib/mlflow/mlflow.db"
    assert {"name": "data", "mountPath": "/var/lib/mlflow"} in server["volumeMounts"]


def test_mlflow_with_a_database_and_s3_needs_no_volume_and_shows_no_password() -> None:
    manifests = render(VARIANTS["database-and-s3"])
    server = mlflow_server(manifests)
    assert "--artifacts-destination=s3://models/mlflow" in server["args"]
    assert environment(server)["MLFLOW_BACKEND_STORE_URI"] == {
        "secretKeyRef": {"name": "mlflow-database", "key": "uri"}
    }
    assert "PersistentVolumeClaim" not in {one["kind"] for one in manifests}
    pod = only(manifests, "Deployment", "housing-operator-mlflow")["spec"]["template"]["spec"]
    assert "initContainers" not in pod
    assert [volume["name"] for volume in pod["volumes"]] == ["tmp"]


def test_mlflow_with_s3_alone_keeps_its_database_on_the_volume() -> None:
    manifests = render(VARIANTS["s3-only"])
    assert "--artifacts-destination=s3://models" in mlflow_server(manifests)["args"]
    assert only(manifests, "PersistentVolumeClaim")


def mlflow_server(manifests: list[Manifest]) -> dict[str, Any]:
    pod = only(manifests, "Deployment", "housing-operator-mlflow")["spec"]["template"]["spec"]
    (server,) = pod["containers"]
    found: dict[str, Any] = server
    return found


def allowed_hosts(manifests: list[Manifest]) -> list[str]:
    (argument,) = (
        argument
        for argument in mlflow_server(manifests)["args"]
        if argument.startswith("--allowed-hosts=")
    )
    hosts: list[str] = argument.removeprefix("--allowed-hosts=").split(",")
    return hosts
