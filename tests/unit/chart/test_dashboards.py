"""The dashboards and rules ask for what is there, in a form that Grafana and Prometheus read."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests import prometheus
from tests.cluster_client import ROOT
from tests.dashboards import all_dashboards, panel_queries, row_links
from tests.unit.chart.test_alerts import RULES, groups

REFERENCE = ROOT / "docs" / "reference" / "metrics.md"
QUERIES = list(panel_queries("ns", "m", rate_interval="1m"))


def expressions() -> list[str]:
    rules = [rule["expr"] for group in groups() for rule in group["rules"]]
    return [*rules, *(query.expression for query in QUERIES)]


def test_there_are_the_five_views_of_the_seed() -> None:
    assert set(all_dashboards()) == {"overview", "drift", "features", "performance", "alerts"}


@pytest.mark.parametrize("name", all_dashboards())
def test_a_dashboard_is_one_by_grafanas_own_types(name: str) -> None:
    found = all_dashboards()[name]
    read = Dashboard.from_json(found)
    assert json.loads(json.dumps(read.to_json(), cls=JSONEncoder)) == found


@pytest.mark.parametrize("name", all_dashboards())
def test_every_panel_fits_the_grid_says_what_it_answers_and_asks_the_chosen_source(
    name: str,
) -> None:
    dashboard = all_dashboards()[name]
    cells: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        assert panel["title"]
        assert panel["description"].endswith(".")
        place = panel["gridPos"]
        taken = {
            (place.get("x", 0) + x, place.get("y", 0) + y)
            for x in range(place["w"])
            for y in range(place["h"])
        }
        assert not taken & cells, panel["title"]
        assert all(x < 24 for x, _ in taken), panel["title"]
        cells |= taken
        for target in panel["targets"]:
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", all_dashboards())
def test_a_dashboard_lets_its_reader_choose_source_namespaces_and_models(name: str) -> None:
    found = {one["name"]: one for one in all_dashboards()[name]["templating"]["list"]}
    assert list(found) == ["datasource", "namespace", "model", "mlflow"]
    assert (found["datasource"]["type"], found["datasource"]["query"]) == (
        "datasource",
        "prometheus",
    )
    for variable in ("namespace", "model"):
        assert found[variable]["type"] == "query"
        assert found[variable]["datasource"]["uid"] == "${datasource}"
        assert found[variable]["multi"]
        assert found[variable]["includeAll"]
        # As new models appear while the page is open.
        assert found[variable]["refresh"] == 2
    assert found["mlflow"]["type"] == "textbox"
    assert "$namespace" in found["model"]["query"]


@pytest.mark.parametrize("name", all_dashboards())
def test_a_dashboard_links_to_the_others_with_what_is_chosen_and_to_mlflow(name: str) -> None:
    dashboard = all_dashboards()[name]
    others, mlflow = dashboard["links"]
    assert others["type"] == "dashboards"
    assert set(others["tags"]) <= set(dashboard["tags"])
    assert others["includeVars"]
    assert others["keepTime"]
    assert (mlflow["type"], mlflow["url"]) == ("link", "${mlflow}/#/models")


def test_reports_and_versions_are_a_link_away_in_mlflow() -> None:
    assert {(link.dashboard, link.address) for link in row_links("ns", "m")} == {
        ("drift", "http://localhost:5000/#/runs/{run_id}"),
        ("overview", "http://localhost:5000/#/models/{namespace}.{model}"),
    }


def test_the_documented_provisioning_reads_the_folder_that_the_five_files_go_to() -> None:
    """The page's files as it says, put where it says."""
    page = (ROOT / "docs" / "how-to" / "monitor.md").read_text()
    (block,) = re.findall(r"```yaml\n(# /etc/grafana/.+?)```", page, re.DOTALL)
    provisioning = yaml.safe_load(block)
    assert provisioning["apiVersion"] == 1
    (provider,) = provisioning["providers"]
    assert provider["type"] == "file"
    (copied,) = re.findall(r"^cp (\S+)/\*\.json (\S+)$", page, re.MULTILINE)
    assert copied[1].rstrip("/") == provider["options"]["path"]
    assert {path.stem for path in (ROOT / copied[0]).glob("*.json")} == set(all_dashboards())


def test_every_query_follows_the_variables_or_is_about_the_operator() -> None:
    for query in panel_queries("<namespace>", "<model>", rate_interval="1m"):
        followed = "<namespace>" in query.expression and "<model>" in query.expression
        about_all = re.search("housing_operator_|ALERTS", query.expression)
        assert followed or about_all, query


def test_prometheus_reads_every_query(tmp_path: Path) -> None:
    recorded = [
        {"record": f"query:{number}", "expr": query.expression}
        for number, query in enumerate(QUERIES)
    ]
    path = tmp_path / "queries.yaml"
    path.write_text(json.dumps({"groups": [{"name": "queries", "rules": recorded}]}))
    subprocess.run([prometheus.program("promtool"), "check", "rules", path], check=True)


def test_queries_and_rules_ask_only_for_metrics_that_are_documented_or_recorded() -> None:
    known = set(re.findall(r"^\| `(\w+)`", REFERENCE.read_text(), re.MULTILINE))
    known |= {f"{name}_{part}" for name in known for part in ("bucket", "count")}
    recorded = set(re.findall(r"record: (\S+)", RULES.read_text()))
    asked = {
        name
        for text in expressions()
        for name in re.findall(r"(?<![\w:.])housing_\w+|\w+:[\w:]+", text)
    }
    asked = {name for name in asked if name.startswith("housing_") or ":" in name}
    assert asked - known - recorded == set()


def test_every_recorded_series_is_used() -> None:
    recorded = set(re.findall(r"record: (\S+)", RULES.read_text()))
    text = "\n".join(expressions())
    assert {name for name in recorded if name not in text} == set()
