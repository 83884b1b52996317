"""The chart renders, in every way to install it that the documentation names, what it promises."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from typing import Any

import pytest
import yaml

from housing_operator.resources.children import children
from housing_operator.resources.serving import SCRAPED
from tests.cluster_client import ROOT, CommandError, Manifest
from tests.contract.chart import (
    CHART,
    MONITORING_KINDS,
    VARIANTS,
    containers,
    environment,
    helm,
    only,
    render,
    render_text,
    with_images,
)
from tests.unit.operator.blueprints import blueprint, serving

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


WATCHED = VARIANTS["prometheus-operator-and-grafana"]


@pytest.mark.parametrize("kind", MONITORING_KINDS)
def test_a_monitor_is_refused_where_the_cluster_does_not_know_it(kind: str) -> None:
    value = kind[0].lower() + kind[1:]
    values = with_images({"metrics": {value: {"enabled": True}}})
    known = tuple(other for other in MONITORING_KINDS if other != kind)
    with pytest.raises(CommandError) as refusal:
        render_text(values, known=known)
    said = f"metrics.{value}.enabled is true, but the cluster does not know {kind}: install the"
    assert said in refusal.value.output
    assert [one for one in yaml.safe_load_all(render_text(values)) if one and one["kind"] == kind]


def test_nothing_of_prometheus_or_grafana_is_installed_unless_asked_for() -> None:
    manifests = render({})
    assert not {one["kind"] for one in manifests} & set(MONITORING_KINDS)
    assert not [one for one in manifests if "dashboard" in one["metadata"]["name"]]


def test_the_service_monitor_finds_the_operators_service_and_keeps_the_models_namespaces() -> None:
    manifests = render(WATCHED)
    monitor = only(manifests, "ServiceMonitor")
    assert monitor["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    selector = monitor["spec"]["selector"]["matchLabels"]
    (found,) = (
        one
        for one in manifests
        if one["kind"] == "Service" and selector.items() <= one["metadata"]["labels"].items()
    )
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] in [port["name"] for port in found["spec"]["ports"]]
    assert endpoint["honorLabels"] is True


def test_the_pod_monitor_finds_the_serving_pods_of_every_namespace_that_is_watched() -> None:
    spec = only(render(WATCHED), "PodMonitor")["spec"]
    assert spec["namespaceSelector"] == {"any": True}
    pod = serving_pod()
    assert spec["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    (endpoint,) = spec["podMetricsEndpoints"]
    ports = pod["spec"]["containers"][0]["ports"]
    assert endpoint["port"] in [port["name"] for port in ports]
    for rule in endpoint["relabelings"]:
        (source,) = rule["sourceLabels"]
        name = source.removeprefix("__meta_kubernetes_pod_label_")
        assert name in [re.sub("[^a-z0-9]", "_", label) for label in pod["metadata"]["labels"]]
    some = render({**WATCHED, "watchNamespaces": ["a", "b"]})
    assert only(some, "PodMonitor")["spec"]["namespaceSelector"] == {"matchNames": ["a", "b"]}


RULES = CHART / "prometheus" / "rules.yaml"


def rules_of(values: Manifest) -> list[Manifest]:
    groups: list[Manifest] = only(render(values), "PrometheusRule")["spec"]["groups"]
    return groups


def test_the_rule_links_each_alert_to_its_runbook_where_the_value_says() -> None:
    groups = rules_of(WATCHED)
    text = RULES.read_text()
    moved = text.replace("runbook: docs/runbooks/", "runbook_url: https://runbooks.example.com/x/")
    assert groups == yaml.safe_load(moved)["groups"]
    alerts = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    assert {rule["annotations"]["runbook_url"] for rule in alerts} == {
        f"https://runbooks.example.com/x/{page.name}"
        for page in (ROOT / "docs" / "runbooks").glob("Housing*.md")
    }


def test_without_a_place_for_runbooks_an_alert_names_its_page_and_has_no_link_that_is_dead() -> (
    None
):
    metrics = {**WATCHED["metrics"], "prometheusRule": {"enabled": True}}
    assert rules_of({**WATCHED, "metrics": metrics}) == yaml.safe_load(RULES.read_text())["groups"]
    assert "runbook_url" not in RULES.read_text()


def test_the_documented_command_gives_plain_rules_the_links_that_the_chart_gives() -> None:
    page = (ROOT / "docs" / "how-to" / "monitor.md").read_text()
    (command,) = re.findall(r"^(sed .+) > rules\.yaml$", page, re.MULTILINE)
    (url,) = re.findall(r"https://[\w./-]+", command)
    linked = subprocess.run(
        shlex.split(command), cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    metrics = {**WATCHED["metrics"], "prometheusRule": {"enabled": True, "runbookUrl": url}}
    assert yaml.safe_load(linked)["groups"] == rules_of({**WATCHED, "metrics": metrics})


def test_each_dashboard_is_a_config_map_for_the_sidecar_that_leads_to_mlflow() -> None:
    found = {
        one["metadata"]["name"]: one["data"]
        for one in render(WATCHED)
        if one["metadata"].get("labels", {}).get("grafana_dashboard") == "1"
    }
    files = {path.stem: path.read_text() for path in (CHART / "dashboards").glob("*.json")}
    assert set(found) == {f"housing-operator-dashboard-{name}" for name in files}
    for name, text in files.items():
        data = found[f"housing-operator-dashboard-{name}"]
        moved = text.replace("http://localhost:5000", "https://mlflow.example.com/mlops")
        assert {key: json.loads(value) for key, value in data.items()} == {
            f"housing-{name}.json": json.loads(moved)
        }


def test_pods_are_marked_for_scrapers_by_value() -> None:
    marked = render({"metrics": {"annotations": {"enabled": True}}})
    operator = only(marked, "Deployment", "housing-operator")
    assert operator["spec"]["template"]["metadata"]["annotations"] == SCRAPED
    (container,) = containers(operator)
    assert environment(container)["HOUSING_SCRAPE_ANNOTATIONS"] == "true"
    plain = only(render({}), "Deployment", "housing-operator")
    assert "annotations" not in plain["spec"]["template"]["metadata"]


def serving_pod() -> Manifest:
    """A serving pod's template, as the operator makes it."""
    deployment = next(
        one for one in children(blueprint(), serving()) if one["kind"] == "Deployment"
    )
    template: Manifest = deployment["spec"]["template"]
    return template


REFUSALS: list[tuple[Manifest, list[str]]] = [
    ({"image": {"pullPolicy": "Sometimes"}}, ["/image/pullPolicy", "'IfNotPresent'"]),
    ({"image": {"registry": "https://registry"}}, ["/image/registry", "https://registry"]),
    ({"image": {"tag": 12}}, ["/image/tag", "want string"]),
    ({"imagePullSecrets": ["registry"]}, ["/imagePullSecrets/0", "want object"]),
    ({"watchNamespaces": "default"}, ["/watchNamespaces", "want array"]),
    ({"watchNamespaces": ["Team A"]}, ["/watchNamespaces/0", "Team A"]),
    ({"watchNamespaces": ["a", "a"]}, ["/watchNamespaces", "equal"]),
    ({"crds": {"enabled": "yes"}}, ["/crds/enabled", "want boolean"]),
    ({"mlflow": {"workers": 0}}, ["/mlflow/workers", "minimum"]),
    ({"mlflow": {"wrokers": 2}}, ["/mlflow", "wrokers"]),
    ({"mlflow": {"trackingUri": "mlflow:5000"}}, ["/mlflow/trackingUri", "mlflow:5000"]),
    ({"mlflow": {"artifactsDestination": "gs://b"}}, ["/mlflow/artifactsDestination", "gs://b"]),
    ({"mlflow": {"persistence": {"size": "20GB"}}}, ["/mlflow/persistence/size", "20GB"]),
    ({"operator": {"env": {"A": "b"}}}, ["/operator/env", "want array"]),
    ({"operator": {"env": [{"name": "A", "value": 1}]}}, ["/operator/env/0/value", "want string"]),
    ({"replicas": 2}, ["replicas"]),
    ({"metrics": {"podMonitor": {"enabled": "on"}}}, ["/metrics/podMonitor/enabled", "boolean"]),
    (
        {"metrics": {"prometheusRule": {"runbookUrl": "docs/runbooks"}}},
        ["/metrics/prometheusRule", "docs/runbooks"],
    ),
    (
        {"metrics": {"prometheusRule": {"runbookUrl": "https://x/"}}},
        ["/metrics/prometheusRule", "https://x/"],
    ),
    ({"metrics": {"dashboards": {"mlflowUrl": "mlflow"}}}, ["/metrics/dashboards", "mlflow"]),
    (
        {"mlflow": {"enabled": False}},
        ["mlflow.trackingUri is empty", "set mlflow.trackingUri to the URI of an MLflow server"],
    ),
    (
        {"mlflow": {"trackingUri": "https://mlflow.example.com"}},
        ["mlflow.trackingUri is", "https://mlflow.example.com", "set mlflow.enabled=false"],
    ),
]


@pytest.mark.parametrize(("values", "said"), REFUSALS, ids=lambda case: json.dumps(case)[:60])
def test_a_wrong_value_is_refused_and_named(values: Manifest, said: list[str]) -> None:
    with pytest.raises(CommandError) as refusal:
        render(values)
    for part in said:
        assert part in refusal.value.output


def test_a_missing_registry_is_refused_with_what_to_do() -> None:
    with pytest.raises(CommandError, match=r"image\.registry is empty: set it to"):
        render_text({})


def test_values_and_their_schema_name_the_same_keys() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert keys_of_values(values, schema, schema) == keys_of_schema(schema, schema) - {"global"}


def deployments(manifests: list[Manifest]) -> list[Manifest]:
    return [one for one in manifests if one["kind"] == "Deployment"]


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


def resolved(schema: Manifest, root: Manifest) -> Manifest:
    reference = schema.get("$ref", "")
    found: Manifest = root["definitions"][reference.split("/")[-1]] if reference else schema
    return found


def keys_of_schema(schema: Manifest, root: Manifest, prefix: str = "") -> set[str]:
    found = set()
    for name, child in resolved(schema, root).get("properties", {}).items():
        found |= {prefix + name} | keys_of_schema(child, root, f"{prefix}{name}.")
    return found


def keys_of_values(values: Any, schema: Manifest, root: Manifest, prefix: str = "") -> set[str]:
    known = resolved(schema, root).get("properties")
    if known is None or not isinstance(values, dict):
        return set()
    found = set()
    for name, child in values.items():
        assert name in known, f"{prefix}{name} is not in values.schema.json"
        found |= {prefix + name} | keys_of_values(child, known[name], root, f"{prefix}{name}.")
    return found
