"""Types, CRD and samples in step, and what a real API server takes, fills in and refuses."""

from __future__ import annotations

import copy
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from housing_core.api import HousingModelSpec
from housing_core.api.__main__ import generated_files
from tests.cluster_client import ROOT, Cluster, CommandError, Manifest

NAMESPACE = "crd-contract"
SAMPLES = sorted((ROOT / "manifests" / "samples").glob("*.yaml"))


@pytest.fixture(scope="module")
def served(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with today's CRD and a namespace of its own."""
    cluster.install_crd()
    cluster.create_namespace(NAMESPACE)
    yield cluster
    cluster.delete("namespace", NAMESPACE, "", wait=False)


def minimal() -> Manifest:
    found: Manifest = yaml.safe_load((ROOT / "manifests" / "samples" / "minimal.yaml").read_text())
    return found


def changed(path: str, value: Any) -> Manifest:
    """Return the smallest manifest with one field set; the path's parts are parted by dots."""
    manifest = copy.deepcopy(minimal())
    *parents, last = path.split(".")
    node = manifest
    for part in parents:
        node = node.setdefault(part, {})
    node[last] = value
    return manifest


def dry_run(cluster: Cluster, manifest: Manifest) -> Manifest:
    """Return the object as the API server would store it, without storing it."""
    output = cluster.kubectl(
        *("create", "--dry-run=server", "--validate=strict", "-o", "json"),
        *("-n", NAMESPACE, "-f", "-"),
        stdin=json.dumps(manifest),
    )
    found: Manifest = json.loads(output)
    return found


def test_generated_files_are_up_to_date() -> None:
    for name, content in generated_files().items():
        assert (ROOT / name).read_text(encoding="utf-8") == content, f"{name}: run make generate"


def test_the_smallest_manifest_has_ten_lines_or_fewer() -> None:
    assert len((ROOT / "manifests" / "samples" / "minimal.yaml").read_text().splitlines()) <= 10


def test_the_readme_shows_the_smallest_sample() -> None:
    (shown,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[:1]
    assert yaml.safe_load(shown) == minimal()


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_samples_are_taken_as_they_stand(served: Cluster, path: Any) -> None:
    sample = yaml.safe_load(path.read_text())
    stored = dry_run(served, sample)
    HousingModelSpec.model_validate(stored["spec"])


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_the_api_server_fills_in_what_the_types_fill_in(served: Cluster, path: Any) -> None:
    sample = yaml.safe_load(path.read_text())
    stored = HousingModelSpec.model_validate(dry_run(served, sample)["spec"])
    assert stored.to_json() == HousingModelSpec.model_validate(sample["spec"]).to_json()


def test_every_default_of_the_types_is_a_default_of_the_crd(served: Cluster) -> None:
    """Empty lists and maps aside, which say the same as nothing."""

    def without_empty(value: Any) -> Any:
        if isinstance(value, dict):
            cut = {key: without_empty(item) for key, item in value.items()}
            return {key: item for key, item in cut.items() if item not in ({}, [])}
        return value

    stored = dry_run(served, minimal())["spec"]
    typed = HousingModelSpec.model_validate(minimal()["spec"]).to_json()
    assert without_empty(stored) == without_empty(typed)


def test_a_new_default_reaches_no_object_that_was_written_before(served: Cluster) -> None:
    """The API server writes defaults into what it stores, so that an upgrade trains nothing again.

    A write of the status alone does it as well, to an object that is older than the field. This is
    a CRD of its own name, since other tests need today's at the same time.
    """
    names = ("created-before-the-field", "created-with-the-former-default", "created-today")
    model = {**minimal(), "kind": "TestedModel"}
    try:
        for name, default in zip(names, (None, "seed", "auto"), strict=True):
            served.apply(_crd_of_tested_models(default))
            deadline = time.monotonic() + 30
            while not _fills_in(served, model, default):
                assert time.monotonic() < deadline, f"the API server does not fill in {default}"
                time.sleep(0.2)
            served.apply({**model, "metadata": {"name": name}}, namespace=NAMESPACE)
            if default == "seed":  # the operator writes the status of each object it meets
                for known in names[:2]:
                    served.kubectl(
                        *("patch", "testedmodel", known, "-n", NAMESPACE, "--subresource=status"),
                        *("--type=merge", "-p", '{"status": {"observedGeneration": 1}}'),
                    )
        recipes = [
            served.get("testedmodel", name, NAMESPACE)["spec"]["training"]["recipe"]
            for name in names
        ]
    finally:
        served.delete("crd", "testedmodels.housing-operator.dev", "")
    assert recipes == ["seed", "seed", "auto"]


def _crd_of_tested_models(default: str | None) -> Manifest:
    """Today's CRD by another name, with this default of the recipe."""
    crd: Manifest = yaml.safe_load((ROOT / "manifests" / "crd.yaml").read_text())
    crd["metadata"]["name"] = "testedmodels.housing-operator.dev"
    crd["spec"]["names"] = {
        "kind": "TestedModel",
        "listKind": "TestedModelList",
        "plural": "testedmodels",
        "singular": "testedmodel",
    }
    (version,) = crd["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    recipe = spec["training"]["properties"]["recipe"]
    assert recipe.pop("default") == "auto"
    if default:
        recipe["default"] = default
    return crd


def _fills_in(cluster: Cluster, model: Manifest, default: str | None) -> bool:
    try:
        found: str | None = dry_run(cluster, model)["spec"]["training"].get("recipe")
    except CommandError:  # the kind is not served yet
        return False
    return found == default


MISTAKES = [
    ("spec.dataset.uri", "listings.csv", "spec.dataset.uri"),
    ("spec.dataset.uri", "gs://bucket/listings", "spec.dataset.uri"),
    ("spec.dataset.uri", "http://example.com/a.csv", "spec.dataset.uri"),
    ("spec.dataset.url", "/data", "unknown field"),
    ("spec.datasets", {}, "unknown field"),
    ("spec.dataset.target", {}, "spec.dataset.target.column: Required value"),
    ("spec.dataset.target.column", "", "spec.dataset.target.column"),
    ("spec.dataset.target.quantiles", [0.8, 0.4], "quantiles must rise strictly"),
    ("spec.dataset.target.quantiles", [0.4, 0.4], "quantiles must rise strictly"),
    ("spec.dataset.target.quantiles", [0.0, 0.4], "spec.dataset.target.quantiles[0]"),
    ("spec.dataset.target.quantiles", [0.4, 1.0], "spec.dataset.target.quantiles[1]"),
    ("spec.dataset.target.classes", ["Low", "High"], "one class more than there are quantiles"),
    ("spec.dataset.target.classes", ["Low", "Low", "High"], "Duplicate value"),
    (
        "spec.dataset.crosses",
        [{"name": "x", "columns": ["Ilce", "Fiyat"]}],
        "crosses must not contain the target column",
    ),
    ("spec.dataset.crosses", [{"name": "x", "columns": ["Ilce"]}], "spec.dataset.crosses[0]"),
    (
        "spec.dataset.crosses",
        [{"name": "x", "columns": ["a", "b"]}, {"name": "x", "columns": ["c", "d"]}],
        "Duplicate value",
    ),
    (
        "spec.dataset.columns",
        [{"name": "Fiyat", "kind": "Ignored"}],
        "columns must not contain the target column",
    ),
    ("spec.dataset.columns", [{"name": "a", "kind": "Text"}], "Unsupported value"),
    ("spec.dataset.split", {}, "either groupColumn or timeColumn"),
    (
        "spec.dataset.split",
        {"groupColumn": "a", "timeColumn": "b"},
        "either groupColumn or timeColumn",
    ),
    ("spec.dataset.split", {"timeColumn": "Fiyat"}, "split must not name the target column"),
    ("spec.dataset.format", "Excel", "Unsupported value"),
    ("spec.dataset.feedback", "Join", "needs serving.feedback.tokenSecretRef"),
    ("spec.dataset.feedback", "yes", "Unsupported value"),
    ("spec.training.auto.timeBudget", "0s", "must be longer than zero"),
    ("spec.training.recipe", "deep", "Unsupported value"),
    ("spec.training.timeout", "two hours", "spec.training.timeout"),
    ("spec.training.timeout", "1d", "spec.training.timeout"),
    ("spec.training.timeout", "0s", "must be longer than zero"),
    ("spec.monitoring.window", "0h0m", "must be longer than zero"),
    ("spec.promotion.gates", {"rolloutTimeout": "0m"}, "must be longer than zero"),
    ("spec.retraining.cooldown", "999999999h", "spec.retraining.cooldown"),
    ("spec.training.schedule", "daily", "spec.training.schedule"),
    ("spec.training.holdoutFraction", 0.9, "spec.training.holdoutFraction"),
    ("spec.training.forest", {"trees": 0}, "spec.training.forest.trees"),
    ("spec.training.forest", {"maxFeatures": 0}, "spec.training.forest.maxFeatures"),
    ("spec.training.search", {"trials": 1}, "spec.training.search.trials"),
    ("spec.training.search", {"trials": 501}, "spec.training.search.trials"),
    ("spec.training.search", {}, "spec.training.search.trials: Required value"),
    ("spec.training.search", {"trials": 9, "timeout": "0s"}, "must be longer than zero"),
    (
        "spec.training.search",
        {"trials": 9, "timeout": "2h"},
        "search.timeout must be shorter than timeout",
    ),
    ("spec.training.search", {"trials": 9, "sampler": "grid"}, "unknown field"),
    ("spec.training.distributed", {}, "spec.training.distributed.workers: Required value"),
    ("spec.training.distributed", {"workers": 0}, "spec.training.distributed.workers"),
    ("spec.training.distributed", {"workers": 65}, "spec.training.distributed.workers"),
    ("spec.training.resources", {"limits": {"memory": "lots"}}, "memory"),
    ("spec.training.env", [{"name": "A"}], "give exactly one of value and valueFrom"),
    ("spec.training.env", [{"name": "HOUSING_TASK", "value": "x"}], "the operator's own"),
    ("spec.promotion.canary", {"steps": [10]}, "canary is not available in this version"),
    ("spec.promotion.mode", "Sometimes", "Unsupported value"),
    ("spec.promotion.gates", {"minMacroF1": 2}, "minMacroF1"),
    ("spec.promotion.gates", {"maxLatency": "fast"}, "maxLatency"),
    ("spec.serving.production", {"autoscaling": {"maxReplicas": 3}}, "targetRequestsPerSecond"),
    (
        "spec.serving.production",
        {"autoscaling": {"maxReplicas": 2, "minReplicas": 3, "targetRequestsPerSecond": 100}},
        "maxReplicas must be at least minReplicas",
    ),
    (
        "spec.serving.production",
        {"autoscaling": {"targetRequestsPerSecond": 100}},
        "autoscaling.maxReplicas: Required value",
    ),
    (
        "spec.serving.production",
        {"autoscaling": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 70}},
        "is a share of resources.requests.cpu: set that too",
    ),
    (
        "spec.serving.production",
        {
            "autoscaling": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 70},
            "resources": {"requests": {"memory": "1Gi"}},
        },
        "is a share of resources.requests.cpu: set that too",
    ),
    ("spec.serving.staging", {"workers": 0}, "spec.serving.staging.workers"),
    ("spec.serving.staging", {"workers": 33}, "spec.serving.staging.workers"),
    ("spec.serving.feedback", {"tokenSecretRef": {"key": "a"}}, "name: Required value"),
    ("spec.serving.feedback", {"tokenSecretRef": {"name": "a", "key": "../a"}}, "Ref.key"),
    ("spec.serving.predictionLog", {"retentionDays": 0}, "predictionLog.retentionDays"),
    ("spec.serving.predictionLog", {"retentionDays": 3651}, "predictionLog.retentionDays"),
    ("spec.serving.staging", {"replicas": 101}, "spec.serving.staging.replicas"),
    ("spec.serving.predictionLog", {"uri": "https://example.com/log"}, "predictionLog.uri"),
    ("spec.serving.predictionLog", {"size": "big"}, "predictionLog.size"),
    (
        "spec.serving.predictionLog",
        {"uri": "s3://bucket/log", "size": "50Gi"},
        "are of the claim that the operator makes",
    ),
    (
        "spec.serving.predictionLog",
        {"uri": "s3://bucket/log", "storageClassName": "gp3"},
        "are of the claim that the operator makes",
    ),
    ("spec.monitoring.schedule", "@hourly", "spec.monitoring.schedule"),
    ("spec.monitoring.thresholds", {"cardinalityRatio": 1}, "cardinalityRatio"),
    ("spec.retraining.maxPerDay", 0, "spec.retraining.maxPerDay"),
    ("spec.suspend", "yes", "spec.suspend"),
    ("metadata.name", "1st-model", "metadata.name must start with a letter"),
    ("metadata.name", "my.model", "metadata.name must start with a letter"),
    ("metadata.name", "n" * 41, "metadata.name"),
]


@pytest.mark.parametrize(("path", "value", "message"), MISTAKES)
def test_the_api_server_refuses_a_mistake_and_says_what_to_write(
    served: Cluster, path: str, value: Any, message: str
) -> None:
    with pytest.raises(CommandError) as refused:
        dry_run(served, changed(path, value))
    assert message in refused.value.output


def test_a_client_that_checks_no_fields_is_warned_and_the_field_is_left_out(
    served: Cluster,
) -> None:
    stdin = json.dumps(changed("spec.dataset.url", "/data"))
    create = ("create", "--dry-run=server", "-o", "json", "-n", NAMESPACE, "-f", "-")
    with pytest.raises(CommandError) as warned:
        served.kubectl(*create, "--validate=warn", "--warnings-as-errors", stdin=stdin)
    assert 'unknown field "spec.dataset.url"' in warned.value.output
    stored = json.loads(served.kubectl(*create, "--validate=ignore", stdin=stdin))
    assert stored["spec"] == dry_run(served, minimal())["spec"]


CORRECT = [
    ("spec.dataset.uri", "s3://bucket/listings/*.parquet"),
    ("spec.dataset.uri", "https://example.com/listings.csv"),
    ("spec.dataset.uri", "/data/listings.csv"),
    ("spec.dataset.target", {"column": "p", "quantiles": [0.5], "classes": ["a", "b"]}),
    ("spec.dataset.target", {"column": "Fiyat (₺)"}),
    ("spec.dataset.crosses", []),
    ("spec.dataset.feedback", "Ignore"),
    (
        "spec",
        {
            "dataset": {"uri": "/data", "target": {"column": "p"}, "feedback": "Join"},
            "serving": {"feedback": {"tokenSecretRef": {"name": "istanbul-feedback"}}},
        },
    ),
    ("spec.training.timeout", "1h30m"),
    ("spec.training.search", {"trials": 2}),
    ("spec.training.search", {"trials": 500, "timeout": "1h59m"}),
    ("spec.training.forest", {"maxFeatures": 0.05}),
    ("spec.training.schedule", "*/15 3-5 * * 1,3"),
    ("spec.training.resources", {"limits": {"memory": "8Gi", "cpu": 2}}),
    ("spec.promotion.gates", {"maxLatency": "2s", "rolloutTimeout": "90s"}),
    (
        "spec.serving.production",
        {
            "autoscaling": {
                "minReplicas": 2,
                "maxReplicas": 2,
                "targetCPUUtilizationPercentage": 70,
                "targetRequestsPerSecond": 500,
            },
            "resources": {"requests": {"cpu": 1}},
            "workers": 32,
        },
    ),
    ("spec.serving.feedback", {"tokenSecretRef": {"name": "istanbul-feedback"}}),
    ("spec.serving.predictionLog", {"uri": "s3://bucket/log", "retentionDays": 3650}),
    ("spec.monitoring.window", "7h"),
    ("metadata.name", "n" * 40),
]


@pytest.mark.parametrize(("path", "value"), CORRECT)
def test_the_api_server_and_the_types_take_what_is_right(
    served: Cluster, path: str, value: Any
) -> None:
    manifest = changed(path, value)
    stored = HousingModelSpec.model_validate(dry_run(served, manifest)["spec"])
    assert stored.to_json() == HousingModelSpec.model_validate(manifest["spec"]).to_json()


def test_explain_reads_well(served: Cluster) -> None:
    shown = served.kubectl("explain", "housingmodel.spec.training")
    assert "How the model is trained." in " ".join(shown.split())
    for field in ("recipe", "resampling", "checkpoint", "schedule", "timeout", "resources"):
        assert re.search(rf"^  {field}\t<", shown, re.MULTILINE), field
    for block in shown.partition("FIELDS:")[2].strip().split("\n\n"):
        assert re.search(r"^    \w", block, re.MULTILINE), f"no description: {block}"


def test_the_table_of_kubectl_get_has_its_columns(served: Cluster) -> None:
    served.apply(minimal(), namespace=NAMESPACE)
    shown = served.kubectl("get", "hm", "-n", NAMESPACE).splitlines()[0]
    assert shown.split("  ")[0] == "NAME"
    for column in ("READY", "REASON", "PRODUCTION", "MACRO F1", "DRIFT", "AGE"):
        assert column in shown
    assert "istanbul" in served.kubectl("get", "mlops", "-n", NAMESPACE)


def test_status_is_written_through_its_subresource_alone(served: Cluster) -> None:
    manifest = {**minimal(), "status": {"observedGeneration": 9}}
    manifest["metadata"] = {"name": "no-status"}
    served.apply(manifest, namespace=NAMESPACE)
    assert "status" not in served.get("housingmodel", "no-status", NAMESPACE)
