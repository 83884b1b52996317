"""The monitor as a process: real listings, a real MLflow, a real API server."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from housing_core import __version__, storage
from housing_core.api.spec import Dataset, Target
from housing_core.drift_report import DriftReport
from housing_core.tasks import ENVIRONMENT_VARIABLE
from housing_monitoring.kube import FIELD_MANAGER
from housing_monitoring.publish import REPORT_TAG
from tests.bundles import register_bundle
from tests.cluster_client import Cluster, Manifest
from tests.integration.monitoring.monitored import Monitored
from tests.listings import TARGET, Listings, read_listings
from tests.mlflow_server import MlflowServer, free_port
from tests.prediction_logs import write_predictions
from tests.s3_server import S3Server


@pytest.mark.parametrize(("rows", "seed"), [(200, 1), (200, 2), (200, 3), (1_000, 4), (1_000, 5)])
def test_more_listings_of_the_same_city_are_stable(
    registered: Monitored, istanbul: tuple[Listings, Listings], rows: int, seed: int
) -> None:
    registered.log_traffic(istanbul[1].sample(rows, seed))
    assert registered.run().code == 0
    drift = registered.drift()
    assert (drift["verdict"], drift["samples"], drift["modelVersion"]) == ("Stable", rows, "1")
    assert drift["scores"]["maxPsi"] < 0.25
    assert drift["reason"].startswith(f"{rows:,} predictions: PSI of ")


def test_listings_of_another_city_are_drift_and_the_report_shows_it(registered: Monitored) -> None:
    registered.log_traffic(read_listings("izmir").sample(1_000, 1))
    ended = registered.run()
    assert ended.code == 0
    assert ended.message.startswith("Drift: 1,000 predictions: PSI of ")
    drift = registered.drift()
    assert drift["verdict"] == "Drift"
    assert {alert["feature"] for alert in drift["alerts"] if alert["severity"] == "High"} >= {
        "Sehir",
        "Ilce",
        "Mahalle",
    }
    (run,) = registered.report_runs()
    assert run.run_id == drift["runId"]
    assert run.status == "FINISHED"
    assert run.metrics["drift"] == 1.0
    assert run.metrics["max_psi"] == pytest.approx(drift["scores"]["maxPsi"])
    assert run.metrics["psi.Brüt Metrekare"] >= 0
    assert run.tags[REPORT_TAG] == drift["reportId"]
    report = registered.report(drift["runId"])
    assert report.to_status().to_json() == drift
    assert len(report.features) == 19
    assert "Karşıyaka" in registered.page(drift["runId"])


def test_the_same_window_gives_the_same_report_and_one_run(
    registered: Monitored, istanbul: tuple[Listings, Listings]
) -> None:
    registered.log_traffic(istanbul[1].sample(300, 1))
    assert registered.run().code == 0
    first = registered.drift()
    assert registered.run().code == 0
    second = registered.drift()
    assert (second["reportId"], second["runId"]) == (first["reportId"], first["runId"])
    assert second["time"] > first["time"]
    assert len(registered.report_runs()) == 1
    registered.log_traffic(istanbul[1].sample(50, 2))
    assert registered.run().code == 0
    assert registered.drift()["reportId"] != first["reportId"]
    assert len(registered.report_runs()) == 2


def test_the_monitor_writes_its_own_key_of_the_status_and_no_other(
    registered: Monitored, istanbul: tuple[Listings, Listings]
) -> None:
    cluster, name, namespace = registered.cluster, registered.name, registered.namespace
    kept = {"inputs": {"version": "7"}, "retraining": {"handledReport": "earlier"}}
    cluster.patch("housingmodel", name, namespace, {"status": kept}, "status")
    registered.log_traffic(istanbul[1].sample(200, 1))
    for _ in range(2):
        assert registered.run().code == 0
        status = registered.status()
        assert status["drift"]["verdict"] == "Stable"
        assert status["inputs"]["version"] == "7"
        assert status["retraining"]["handledReport"] == "earlier"
    (owned,) = [
        entry
        for entry in registered.housing_model()["metadata"]["managedFields"]
        if entry["manager"] == FIELD_MANAGER
    ]
    assert (owned["operation"], owned["subresource"]) == ("Apply", "status")
    assert list(owned["fieldsV1"]) == ["f:status"]
    assert list(owned["fieldsV1"]["f:status"]) == ["f:drift"]


@pytest.mark.parametrize("rows", [0, 199])
def test_too_few_rows_are_no_verdict_and_no_failure(
    registered: Monitored, istanbul: tuple[Listings, Listings], rows: int
) -> None:
    if rows:
        registered.log_traffic(istanbul[1].sample(rows, 1))
    assert registered.run().code == 0
    drift = registered.drift()
    assert (drift["verdict"], drift["samples"]) == ("NotEnoughData", rows)
    assert drift["reason"] == f"{rows} predictions in the window, 200 are needed"


def test_a_window_across_two_versions_is_judged_for_the_one_in_production(
    registered: Monitored, istanbul: tuple[Listings, Listings]
) -> None:
    izmir = read_listings("izmir")
    registered.log_traffic(izmir.sample(500, 1), version="2")
    registered.log_traffic(istanbul[1].sample(200, 1))
    write_predictions(
        registered.log,
        registered.model_name,
        izmir.sample(20, 2).records(),
        datetime.now(UTC) + timedelta(minutes=30),
    )
    assert registered.run().code == 0
    drift = registered.drift()
    assert (drift["verdict"], drift["samples"]) == ("Stable", 200)
    assert registered.report(drift["runId"]).skipped_rows == {
        "later than now": 20,
        "of model version 2": 500,
    }


def test_a_client_that_forgets_a_column_is_drift(
    registered: Monitored, istanbul: tuple[Listings, Listings]
) -> None:
    chosen = istanbul[1].sample(300, 1)
    registered.log_traffic(Listings(chosen.frame.drop(columns="Brüt Metrekare"), chosen.classes))
    assert registered.run().code == 0
    drift = registered.drift()
    assert drift["verdict"] == "Drift"
    assert drift["scores"]["maxPsiFeature"] == "Brüt Metrekare"
    names = {alert["name"] for alert in drift["alerts"] if alert["severity"] == "High"}
    assert names == {"PSI", "MissingShare"}


def test_a_version_that_a_person_registered_is_said_to_have_no_profile(
    monitored: Monitored, istanbul: tuple[Listings, Listings]
) -> None:
    run = monitored.registry.create_run(monitored.model_name, {})
    monitored.registry.upload(run, "model/README.md", b"made by hand")
    monitored.registry.register(monitored.model_name, run, "model")
    monitored.log_traffic(istanbul[1].sample(300, 1))
    assert monitored.run().code == 0
    drift = monitored.drift()
    assert (drift["verdict"], drift["samples"]) == ("NotEnoughData", 300)
    assert "has no profile to compare with" in drift["reason"]


def test_the_dataset_is_fingerprinted_as_training_lists_it(
    registered: Monitored, istanbul: tuple[Listings, Listings]
) -> None:
    registered.log_traffic(istanbul[1].sample(200, 1))
    assert registered.run().code == 0
    drift = registered.drift()
    assert "datasetFingerprint" not in drift
    (message,) = registered.report(drift["runId"]).messages
    assert "the dataset cannot be listed" in message
    dataset = registered.folder / "dataset"
    dataset.mkdir()
    (dataset / "2023.csv").write_text("a,b\n")
    (dataset / "notes.md").write_text("not data")
    assert registered.run().code == 0
    files = storage.list_files(str(dataset), storage.DATASET_SUFFIXES["Auto"])
    assert registered.drift()["datasetFingerprint"] == storage.fingerprint(files)
    assert registered.drift()["reportId"] == drift["reportId"]


@pytest.mark.parametrize("place", ["volume", "s3"])
def test_prices_that_come_back_are_evaluated_and_a_fallen_accuracy_is_drift(
    place: str, registered: Monitored, istanbul: tuple[Listings, Listings], tmp_path: Path
) -> None:
    traffic = istanbul[1].sample(400, 1)
    registered.log_traffic(traffic, request="r")
    task, environment = registered.task(), {}
    server = S3Server(tmp_path / "s3")
    if place == "s3":
        (server.folder / "log").mkdir(parents=True)
        server.start()
        registered.log.rename(server.folder / "log" / "kept")
        registered.log.symlink_to(server.folder / "log" / "kept")
        task, environment = registered.task(log_uri="s3://log/kept"), server.environment

    def judged() -> tuple[Manifest, DriftReport]:
        assert registered.run(task, **environment).code == 0
        drift = registered.drift()
        return drift, registered.report(drift["runId"])

    try:
        first, report = judged()
        assert first["verdict"] == "Stable"
        assert report.performance is not None
        assert report.performance.labels == 0

        # Too few to be judged: the same report, in the same run, says what is known of them.
        registered.log_labels(traffic, range(90), right=0.1)
        second, report = judged()
        assert (second["reportId"], second["runId"]) == (first["reportId"], first["runId"])
        assert report.performance is not None
        assert report.performance.labels == 90
        assert "90 labels" in registered.page(second["runId"])
        assert len(registered.report_runs()) == 1

        registered.log_labels(traffic, range(400), right=0.5)
        third, report = judged()
        assert third["verdict"] == "Drift"
        assert "accuracy to 0.5" in third["reason"]
        assert third["reportId"] != first["reportId"]
        (rule,) = (rule for rule in report.rules if rule.holds)
        assert (rule.name, rule.threshold) == ("AccuracyDrop", 0.05)
        assert report.skipped_rows == {}
        accuracy = report.performance and report.performance.accuracy
        assert accuracy is not None
        assert accuracy.lower < accuracy.value < accuracy.upper
        assert accuracy.value == pytest.approx(0.5, abs=0.01)
        assert accuracy.reference == 0.78
        assert accuracy.drop_lower is not None
        assert accuracy.drop_lower > 0.05
        assert third["performance"]["labels"] == 400
        assert {alert["name"] for alert in third["alerts"]} >= {"AccuracyDrop"}

        # Corrected later: the window is what it was before.
        registered.log_labels(traffic, range(400), right=0.8)
        fourth, report = judged()
        assert (fourth["verdict"], fourth["reportId"]) == ("Stable", first["reportId"])
        assert len(registered.report_runs()) == 2
    finally:
        server.stop()


def test_a_log_in_s3_is_read_as_one_on_a_volume(
    registered: Monitored, istanbul: tuple[Listings, Listings], tmp_path: Path
) -> None:
    server = S3Server(tmp_path / "s3")
    (tmp_path / "s3").mkdir()
    server.start()
    try:
        registered.log_traffic(istanbul[1].sample(200, 1))
        registered.log.rename(server.folder / "log")
        dataset = Dataset(uri="s3://log/dataset", target=Target(column=TARGET))
        task = registered.task(log_uri="s3://log", dataset=dataset)
        assert registered.run(task, **server.environment).code == 0
        assert registered.drift()["verdict"] == "Stable"
    finally:
        server.stop()
    ended = registered.run(task, **server.environment)
    assert ended.code == 1
    assert "cannot be listed" in ended.message


def test_an_mlflow_that_is_away_is_a_failed_run_that_the_next_one_makes_up_for(
    registered: Monitored, istanbul: tuple[Listings, Listings], mlflow_server: MlflowServer
) -> None:
    registered.log_traffic(istanbul[1].sample(200, 1))
    with mlflow_server.away():
        ended = registered.run()
    assert ended.code == 1
    assert ended.message.startswith("no report: MLflow did not answer")
    assert "drift" not in registered.status()
    assert registered.run().code == 0
    assert registered.drift()["verdict"] == "Stable"


def test_an_api_server_that_is_away_is_a_failed_run_that_the_next_one_makes_up_for(
    registered: Monitored, istanbul: tuple[Listings, Listings]
) -> None:
    registered.log_traffic(istanbul[1].sample(200, 1))
    nowhere = registered.folder / "nowhere"
    text = registered.kubeconfig.read_text()
    address = registered.cluster.kubectl(
        "config", "view", "--raw", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}"
    )
    nowhere.write_text(text.replace(address, f"https://127.0.0.1:{free_port()}"))
    ended = registered.run(KUBECONFIG=str(nowhere))
    assert ended.code == 1
    assert "the API server did not answer" in ended.message
    assert registered.run().code == 0
    assert len(registered.report_runs()) == 1
    assert registered.drift()["runId"] == registered.report_runs()[0].run_id


def test_a_run_without_any_cluster_says_so(registered: Monitored) -> None:
    ended = registered.run(KUBECONFIG=str(registered.folder / "none"))
    assert ended.code == 1
    assert "there is no API server to report to" in ended.message


def test_a_report_that_was_interrupted_is_completed(
    registered: Monitored, istanbul: tuple[Listings, Listings]
) -> None:
    registered.log_traffic(istanbul[1].sample(200, 1))
    assert registered.run().code == 0
    (run,) = registered.report_runs()
    registered.registry.resume_run(run.run_id)
    assert registered.run().code == 0
    (again,) = registered.report_runs()
    assert (again.run_id, again.status) == (run.run_id, "FINISHED")


def test_a_monitor_may_not_write_its_neighbour_s_status(
    registered: Monitored, cluster: Cluster
) -> None:
    neighbour = "neighbour-of-" + registered.name
    spec = {"dataset": {"uri": "/data", "target": {"column": TARGET}}}
    kind = {"apiVersion": "housing-operator.dev/v1alpha1", "kind": "HousingModel"}
    cluster.apply(
        {**kind, "metadata": {"name": neighbour}, "spec": spec}, namespace=registered.namespace
    )
    neighbour_model = f"{registered.namespace}.{neighbour}"
    register_bundle(registered.registry, neighbour_model, registered.folder / "bundle")
    ended = registered.run(registered.task(name=neighbour))
    assert ended.code == 1
    assert "the API server refused the status" in ended.message
    assert "403" in ended.message


def test_a_model_that_is_gone_or_a_version_that_never_was_is_named(registered: Monitored) -> None:
    ended = registered.run(registered.task(production_version="9"))
    assert ended.code == 1
    assert f"version 9 of {registered.model_name} is not in MLflow" in ended.message
    registered.cluster.delete("housingmodel", registered.name, registered.namespace)
    ended = registered.run()
    assert ended.code == 1
    assert "is not there any more" in ended.message


def monitor(*arguments: str, task: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != ENVIRONMENT_VARIABLE}
    if task is not None:
        environment[ENVIRONMENT_VARIABLE] = task
    return subprocess.run(
        [sys.executable, "-m", "housing_monitoring", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_and_version_need_no_task() -> None:
    shown = monitor("--help")
    assert shown.returncode == 0
    assert "HOUSING_TASK" in shown.stdout
    assert monitor("--version").stdout.strip() == __version__


@pytest.mark.parametrize("task", [None, "{}", "not json"])
def test_a_bad_task_is_one_line_and_no_traceback(task: str | None) -> None:
    ended = monitor(task=task)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert "HOUSING_TASK" in line
    assert "Traceback" not in line
