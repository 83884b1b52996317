"""What a training registers: all that people, serving and stock MLflow look for in a version."""

import io
import json
import platform
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import mlflow
import numpy as np
import pandas as pd
import pytest

from housing_core.bundle import GRAPH_FILE, Schema, read_golden, read_schema, read_summary
from housing_core.registry import KEY_TAG, Registry
from tests.integration.training.conftest import MODEL, bundle_of, run_messages
from tests.integration.training.program import Ended
from tests.mlflow_server import stock_client


def test_a_version_is_registered_with_all_that_people_look_for(
    first: Ended, registry: Registry, tmp_path: Path
) -> None:
    assert first.outcome is not None
    assert first.outcome.outcome == "Registered"
    assert first.outcome.version == "1"
    run_id = first.outcome.run_id
    assert run_id is not None
    version = registry.version(MODEL, "1")
    assert (version.key, version.run_id, version.rejected) == ("first", run_id, None)
    run = stock_client(registry.tracking_uri).get_run(run_id)
    assert run.data.tags[KEY_TAG] == "first"
    assert run.info.status == "FINISHED"
    assert run.data.params["forest.trees"] == run.data.params["model.n_estimators"] == "20"
    assert run.data.params["dataset.target.column"] == "Fiyat"
    assert run.data.params["calibration"] == run.data.tags["calibration"]
    # A forest of few trees may need none.
    assert (run.data.params["calibration"] == "None") != ("calibration.scale" in run.data.params)
    for library in ("numpy", "scikit-learn", "onnx", "onnxruntime", "pyarrow"):
        assert run.data.tags[f"environment.{library}"] == installed_version(library)
    assert run.data.tags["environment.python"] == platform.python_version()
    for score in ("accuracy", "macro_f1", "precision", "recall", "roc_auc"):
        assert 0 < run.data.metrics[score] <= 1
        for prefix in ("", "baseline_"):
            value = run.data.metrics[prefix + score]
            assert run.data.metrics[f"{prefix}{score}_low"] < value
            assert value < run.data.metrics[f"{prefix}{score}_high"]
    for name in ("Low", "Medium", "High"):
        for score in ("precision", "recall", "f1"):
            value = run.data.metrics[f"{score}_{name}"]
            assert run.data.metrics[f"{score}_{name}_low"] < value
            assert value < run.data.metrics[f"{score}_{name}_high"]
    summary = read_summary(bundle_of(registry, "1", tmp_path))
    assert summary.scores.macro_f1 == pytest.approx(run.data.metrics["macro_f1"])
    assert sum(map(sum, summary.scores.confusion_matrix)) <= summary.holdout_rows
    assert summary.rows == summary.new_rows > 2900
    assert summary.dataset_fingerprint == first.outcome.dataset_fingerprint
    assert run.inputs.dataset_inputs[0].dataset.digest == summary.dataset_digest
    assert summary.comparison is None
    assert summary.bundle_bytes > 100_000
    assert first.outcome.message in run_messages(registry, run_id)


def test_plots_figures_and_the_card_are_where_people_look(
    first: Ended, registry: Registry, tmp_path: Path
) -> None:
    assert first.outcome is not None
    run_id, client = first.outcome.run_id or "", stock_client(registry.tracking_uri)
    names = {file.path for file in client.list_artifacts(run_id, "evaluation")}
    plots = ("confusion_matrix", "precision_recall", "calibration", "score_by_trees")
    for plot in (*plots, "permutation_importance"):
        assert f"evaluation/{plot}.svg" in names
        content = registry.download_run_file(run_id, f"evaluation/{plot}.svg")
        assert ElementTree.fromstring(content).tag.endswith("svg")

    def figure(name: str) -> Any:
        return json.loads(registry.download_run_file(run_id, f"evaluation/{name}.json"))

    schema = read_schema(bundle_of(registry, "1", tmp_path))
    assert figure("confusion_matrix")["classes"] == schema.classes == ["Low", "Medium", "High"]
    assert [cut["price"] for cut in figure("class_boundaries")] == schema.boundaries
    columns = {column.name for column in schema.columns}
    assert {entry["column"] for entry in figure("permutation_importance")} == columns
    curve = figure("score_by_trees")
    assert curve[-1]["trees"] == 20
    assert all(point["low"] < point["macro_f1"] < point["high"] for point in curve)
    shown = client.get_model_version(MODEL, "1").description
    assert shown.startswith(f"# {MODEL}")
    assert "| macro F1 |" in shown
    assert f"scikit-learn {installed_version('scikit-learn')}" in shown
    assert shown == registry.download_run_file(run_id, "model_card.md").decode()


def test_the_model_is_good_on_real_listings(
    first: Ended, registry: Registry, tmp_path: Path
) -> None:
    summary = read_summary(bundle_of(registry, "1", tmp_path))
    # 20 trees on a ninth of the data; tests/bench holds the whole data to more.
    assert summary.scores.macro_f1 > 0.6
    assert summary.scores.roc_auc is not None
    assert summary.scores.roc_auc > 0.8


def test_what_was_inferred_is_in_the_schema(
    first: Ended, registry: Registry, tmp_path: Path
) -> None:
    schema = read_schema(bundle_of(registry, "1", tmp_path))
    kinds = {column.name: column.kind for column in schema.columns}
    assert kinds["Brüt Metrekare"] == "Numeric"
    assert kinds["Ilce"] == "Categorical"
    assert kinds["Mahalle"] == "HighCardinality"
    assert "Unnamed: 0" in schema.ignored
    assert ["Ilce", "Mahalle"] in [cross.columns for cross in schema.crosses]
    assert 1e6 < schema.boundaries[0] < schema.boundaries[1] < 2e7
    # The same for who looks at the run.
    assert first.outcome is not None
    run_id = first.outcome.run_id or ""
    shown = Schema.model_validate_json(registry.download_run_file(run_id, "schema.json"))
    assert shown == schema
    tags = stock_client(registry.tracking_uri).get_run(run_id).data.tags
    assert tags["crosses"].split(", ") == [cross.name for cross in schema.crosses]


def test_checkpoints_and_seen_rows_are_kept_without_pickle(
    first: Ended, registry: Registry
) -> None:
    assert first.outcome is not None
    run_id = first.outcome.run_id or ""
    kept = [
        file.path
        for file in stock_client(registry.tracking_uri).list_artifacts(run_id, "checkpoints")
    ]
    assert len([path for path in kept if path.endswith(".arrow.zst")]) == 5
    assert len([path for path in kept if path.endswith(".json")]) == 5
    content = registry.download_run_file(run_id, "rows.npy")
    rows = np.load(io.BytesIO(content), allow_pickle=False)
    assert rows.dtype == np.uint64
    assert len(rows) > 2900
    assert np.all(rows[1:] > rows[:-1])


def test_stock_mlflow_gives_the_answers_of_the_bundle(
    first: Ended, registry: Registry, tmp_path: Path
) -> None:
    golden = read_golden(bundle_of(registry, "1", tmp_path))
    mlflow.set_tracking_uri(registry.tracking_uri)
    model = mlflow.pyfunc.load_model(f"models:/{MODEL}/1")
    answer = model.predict(pd.DataFrame([row.row for row in golden if row.row]))
    expected = np.array([row.probabilities for row in golden if row.row])
    names = [f"probability_{name}" for name in ("Low", "Medium", "High")]
    assert answer["class"].tolist() == [row.label for row in golden if row.row]
    assert answer[names].to_numpy() == pytest.approx(expected, abs=1e-5)


def test_the_graph_is_small_enough_to_serve(
    first: Ended, registry: Registry, tmp_path: Path
) -> None:
    assert (bundle_of(registry, "1", tmp_path) / GRAPH_FILE).stat().st_size < 5_000_000


def test_every_line_is_json_and_says_how_far_it_is(first: Ended) -> None:
    assert set(first.stage_seconds) == {"read", "encode", "select", "grow", "evaluate", "register"}
    assert [line["trees"] for line in first.lines if "trees" in line] == [4, 8, 12, 16, 20]


def test_nothing_is_written_to_the_home_folder_by_telemetry(first: Ended) -> None:
    assert sorted(path.name for path in first.home.iterdir()) == ["output.log", "termination-log"]
