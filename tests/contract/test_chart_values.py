"""Values of the chart: what is wrong with one is said, and their schema knows all of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.cluster_client import CommandError, Manifest
from tests.contract.chart import CHART, render, render_text

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
    ({"mlflow": {"host": "localhost"}}, ["/mlflow/host", "0.0.0.0"]),
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
