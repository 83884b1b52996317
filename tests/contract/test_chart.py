"""The chart renders, in every way to install it that the documentation names, what it promises."""

from __future__ import annotations

import pytest
import yaml

from tests.cluster_client import Manifest
from tests.contract.chart import (
    CHART,
    VARIANTS,
    containers,
    deployments,
    environment,
    helm,
    only,
    render,
    with_images,
)

CLUSTER_SCOPED = {
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}


@pytest.fixture(params=VARIANTS)
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    return render(VARIANTS[request.param])


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_helm_finds_nothing_to_complain_about(values: Manifest) -> None:
    helm("lint", "--strict", str(CHART), values=with_images(values))


def test_no_two_objects_share_kind_and_name(manifests: list[Manifest]) -> None:
    keys = [
        (one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"])
        for one in manifests
    ]
    assert len(keys) == len(set(keys))


def test_every_object_names_its_namespace_unless_it_has_none(manifests: list[Manifest]) -> None:
    for manifest in manifests:
        namespaced = "namespace" in manifest["metadata"]
        assert namespaced != (manifest["kind"] in CLUSTER_SCOPED), manifest["metadata"]["name"]


def test_every_container_has_requests_and_limits(manifests: list[Manifest]) -> None:
    for deployment in deployments(manifests):
        for container in containers(deployment):
            for bound in ("requests", "limits"):
                assert set(container["resources"][bound]) == {"cpu", "memory"}, container["name"]


def test_every_pod_is_found_by_the_network_policies_of_the_models(
    manifests: list[Manifest],
) -> None:
    for deployment in deployments(manifests):
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "housing-operator"


def test_services_and_deployments_select_exactly_their_own_pods(manifests: list[Manifest]) -> None:
    pods = {
        deployment["metadata"]["name"]: deployment["spec"]["template"]["metadata"]["labels"]
        for deployment in deployments(manifests)
    }
    selectors = {
        (one["kind"], one["metadata"]["name"]): one["spec"]["selector"].get(
            "matchLabels", one["spec"]["selector"]
        )
        for one in manifests
        if one["kind"] in ("Service", "Deployment")
    }
    for key, selector in selectors.items():
        found = [name for name, labels in pods.items() if selector.items() <= labels.items()]
        assert found == [key[1].removesuffix("-metrics")], key


def test_a_rollout_never_runs_two_at_a_time(manifests: list[Manifest]) -> None:
    for deployment in deployments(manifests):
        assert deployment["spec"]["replicas"] == 1
        assert deployment["spec"]["strategy"] == {"type": "Recreate"}


def test_names_and_ports_are_those_that_the_programs_and_the_documentation_use() -> None:
    manifests = render({})
    assert only(manifests, "Service", "housing-operator-mlflow")["spec"]["ports"][0]["port"] == 5000
    assert (
        only(manifests, "Service", "housing-operator-metrics")["spec"]["ports"][0]["port"] == 8080
    )
    assert only(manifests, "Deployment", "housing-operator")
    assert only(manifests, "Deployment", "housing-operator-mlflow")


def test_the_operator_is_told_where_everything_is() -> None:
    operator = only(render({"watchNamespaces": ["a", "b"]}), "Deployment", "housing-operator")
    (container,) = containers(operator)
    assert environment(container) == {
        "HOME": "/tmp",
        "MLFLOW_TRACKING_URI": "http://housing-operator-mlflow.housing-system.svc:5000",
        "HOUSING_TRAINING_IMAGE": "localhost/housing-operator/training:dev",
        "HOUSING_SERVING_IMAGE": "localhost/housing-operator/serving:dev",
        "HOUSING_MONITORING_IMAGE": "localhost/housing-operator/monitoring:dev",
        "HOUSING_IMAGE_PULL_POLICY": "IfNotPresent",
        "HOUSING_WATCH_NAMESPACES": "a,b",
    }


def test_images_come_from_the_registry_with_the_charts_own_version_by_default() -> None:
    values = {"image": {"registry": "registry.example.com:5000/team/", "tag": ""}}
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    images = {
        container["image"]
        for deployment in deployments(render(values))
        for container in containers(deployment)
    }
    prefix = "registry.example.com:5000/team/housing-operator"
    assert images == {f"{prefix}/operator:{version}", f"{prefix}/mlflow:{version}"}


def test_the_chart_and_the_package_have_one_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = (CHART.parent.parent / "pyproject.toml").read_text()
    assert f'\nversion = "{chart["appVersion"]}"\n' in project
    assert chart["version"] == chart["appVersion"]


def test_the_crd_outlives_the_release_and_can_be_left_out() -> None:
    crd = only(render({}), "CustomResourceDefinition")
    assert crd["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    without = render({"crds": {"enabled": False}})
    assert "CustomResourceDefinition" not in {one["kind"] for one in without}


def test_a_second_release_owns_nothing_cluster_scoped() -> None:
    assert not {one["kind"] for one in render(VARIANTS["second-release"])} & CLUSTER_SCOPED


def test_cluster_scoped_parts_can_be_installed_by_themselves() -> None:
    kinds = {one["kind"] for one in render(VARIANTS["cluster-scoped-parts-only"])}
    assert kinds == CLUSTER_SCOPED - {"ClusterRoleBinding"}


def test_an_operator_of_some_namespaces_has_a_role_in_each_and_no_cluster_role() -> None:
    manifests = render({"watchNamespaces": ["a", "b"]})
    roles = [one for one in manifests if one["kind"] == "Role"]
    bindings = [one for one in manifests if one["kind"] == "RoleBinding"]
    assert [one["metadata"]["namespace"] for one in roles] == ["a", "b"]
    assert [one["metadata"]["namespace"] for one in bindings] == ["a", "b"]
    assert all(
        one["subjects"]
        == [
            {
                "kind": "ServiceAccount",
                "name": "housing-operator",
                "namespace": "housing-system",
            }
        ]
        for one in bindings
    )
    assert "ClusterRoleBinding" not in {one["kind"] for one in manifests}


def test_only_the_operator_gets_a_token_for_the_api_server() -> None:
    mounts = {
        one["metadata"]["name"]: one["spec"]["template"]["spec"]["automountServiceAccountToken"]
        for one in deployments(render({}))
    }
    assert mounts == {"housing-operator": True, "housing-operator-mlflow": False}
