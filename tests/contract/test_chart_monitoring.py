"""What the chart gives Prometheus and Grafana: monitors, rules, dashboards and annotations."""

from __future__ import annotations

import json
import re
import shlex
import subprocess

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
    only,
    render,
    render_text,
    with_images,
)
from tests.unit.operator.blueprints import blueprint, serving

WATCHED = VARIANTS["prometheus-operator-and-grafana"]

RULES = CHART / "prometheus" / "rules.yaml"


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
