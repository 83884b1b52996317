"""What MLflow keeps of a version: all that it was made with, and none of what its model passed over."""

import platform
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from housing_core.api.spec import Dataset, Training
from housing_core.bundle import (
    CalibrationResult,
    Comparison,
    Interval,
    ModelKind,
    RecipeResult,
    Summary,
)
from housing_core.tasks import IMAGE_VARIABLE
from housing_training.evaluation.metrics import BASELINE_NAME
from housing_training.models.candidates import BOOSTING_SETTINGS
from housing_training.registration import records
from tests.unit.training.listings import dirty_rows, to_csv, write
from tests.unit.training.test_learning import Trained, train

DATASET = Dataset.model_validate(
    {
        "uri": "https://example.com/a.csv?signature=secret",
        "target": {"column": "Fiyat"},
        "columns": [{"name": "Oda", "kind": "HighCardinality"}],
        "split": {"groupColumn": "Mahalle"},
    }
)
TRAINING = Training.model_validate(
    {"forest": {"trees": 8}, "distributed": {"workers": 2}, "checkpoint": {"everyTrees": 3}}
)


def trained_as(folder: Path, kind: ModelKind) -> Trained:
    return train(folder, write(folder, to_csv(dirty_rows(300))), {}, candidate=kind)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return trained_as(tmp_path_factory.mktemp("records"), "EncodedBoosting")


def summary_of(trained: Trained, model: ModelKind, comparison: Comparison | None = None) -> Summary:
    evaluated = trained.evaluated
    return Summary(
        model_name="a.b",
        key="k",
        run_id="r",
        trigger="Spec",
        scores=evaluated.scores,
        intervals=evaluated.intervals,
        baseline_name=BASELINE_NAME,
        baseline=evaluated.baseline,
        baseline_intervals=evaluated.baseline_intervals,
        comparison=comparison,
        rows=300,
        new_rows=300,
        holdout_rows=60,
        dataset_uri=DATASET.uri,
        dataset_fingerprint="f00",
        bundle_bytes=1,
        training_seconds=1.0,
        trained_with={"python": "3.13", "image": "here/training:1"},
        recipe=RecipeResult(
            recipe="auto",
            model=model,
            calibration=CalibrationResult(method="Platt", scale=0.9, shifts=[0.1, 0.0, -0.1]),
        ),
    )


def parameters_of(trained: Trained, model: ModelKind) -> dict[str, object]:
    summary = summary_of(trained, model)
    return records.parameters(DATASET, TRAINING, trained.prepared.crosses, summary, trained.model)


def test_parameters_of_boosting_are_those_that_it_was_fitted_with(trained: Trained) -> None:
    found = parameters_of(trained, "EncodedBoosting")
    assert found["model"] == "EncodedBoosting"
    assert found["model.max_iter"] == 20
    for name, value in BOOSTING_SETTINGS.items():
        assert found[f"model.{name}"] == value
    assert found["calibration"] == "Platt"
    assert found["calibration.scale"] == 0.9
    assert found["calibration.shifts"] == [0.1, 0.0, -0.1]
    assert found["auto.timeBudget"] == "45s"
    assert found["distributed.workers"] == 2
    assert not [name for name in found if re.match(r"forest|resampling|checkpoint", name)]
    tags = records.tags(trained.prepared.crosses, summary_of(trained, "EncodedBoosting"))
    assert tags["not_used"] == "training.resampling, training.forest, training.checkpoint"


def test_parameters_of_the_dataset_say_how_it_was_read_and_parted(trained: Trained) -> None:
    found = parameters_of(trained, "EncodedBoosting")
    assert found["dataset.uri"] == "https://example.com/a.csv"
    assert found["dataset.format"] == "Auto"
    assert found["dataset.columns"] == '{"Oda": "HighCardinality"}'
    assert found["dataset.split.groupColumn"] == "Mahalle"
    assert found["dataset.target.column"] == "Fiyat"
    assert found["dataset.target.quantiles"] == [0.4, 0.8]
    for cross in trained.prepared.crosses:
        assert f'"{cross.name}"' in str(found["dataset.crosses"])


@pytest.mark.parametrize(
    ("kind", "used", "not_used"),
    [
        ("HashedForest", {"forest.trees", "resampling.method", "checkpoint.everyTrees"}, set()),
        ("EncodedForest", {"forest.trees", "checkpoint.everyTrees"}, {"resampling.method"}),
    ],
)
def test_a_forest_says_what_it_used_and_only_that(
    tmp_path: Path, kind: ModelKind, used: set[str], not_used: set[str]
) -> None:
    found = parameters_of(trained_as(tmp_path, kind), kind)
    assert used <= set(found)
    assert not not_used & set(found)
    assert found["model.n_estimators"] == 8
    assert "model.n_jobs" not in found


def test_tags_name_the_environment(trained: Trained) -> None:
    tags = records.tags([], summary_of(trained, "HashedForest"))
    assert tags["environment.python"] == "3.13"
    assert tags["environment.image"] == "here/training:1"
    assert "not_used" not in tags


def test_the_environment_is_what_runs_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(IMAGE_VARIABLE, "here/training:1")
    monkeypatch.setitem(records.sys.modules, "optuna", records)
    monkeypatch.delitem(records.sys.modules, "distributed", raising=False)
    found = records.environment()
    assert found["python"] == platform.python_version()
    for name in ("numpy", "scipy", "scikit-learn", "pandas", "pyarrow", "onnx", "onnxruntime"):
        assert found[name] == version(name)
    assert found["optuna"] == version("optuna")
    assert "distributed" not in found
    assert found["image"] == "here/training:1"


def test_every_score_of_every_class_is_a_metric_with_its_interval(trained: Trained) -> None:
    summary = summary_of(trained, "EncodedBoosting")
    found = records.metrics(summary, trained.prepared.schema.classes)
    names = {
        *records.SCORES,
        *(f"baseline_{score}" for score in records.SCORES),
        *(f"{s}_{c}" for s in ("precision", "recall", "f1") for c in ("Low", "Medium", "High")),
    }
    assert set(found) == {name + end for name in names for end in ("", "_low", "_high")}
    for name in names:
        assert found[f"{name}_low"] <= found[name] <= found[f"{name}_high"]
    matrix = summary.scores.confusion_matrix
    assert found["recall_High"] == pytest.approx(matrix[2][2] / sum(matrix[2]))


def test_scores_that_are_not_known_are_no_metrics(trained: Trained) -> None:
    summary = summary_of(trained, "EncodedBoosting")
    unknown = summary.baseline.model_copy(update={"roc_auc": None})
    summary = summary.model_copy(update={"baseline": unknown, "baseline_intervals": None})
    found = records.metrics(summary, ["Low", "Medium", "High"])
    assert {name for name in found if name.startswith("baseline_")} == {
        f"baseline_{score}" for score in records.SCORES if score != "roc_auc"
    }


def test_the_comparison_with_production_is_metrics_with_their_intervals_where_known(
    trained: Trained,
) -> None:
    comparison = Comparison(
        champion_version="1",
        rows=60,
        champion_macro_f1=0.7,
        challenger_macro_f1=0.72,
        challenger_rank_correlation=0.8,
        challenger_rank_correlation_interval=Interval(low=0.75, high=0.84),
        champion_boundaries=[1.0, 2.0],
        ahead=0.02,
        ahead_interval=Interval(low=-0.01, high=0.05),
    )
    summary = summary_of(trained, "EncodedBoosting", comparison)
    found = records.metrics(summary, ["a", "b", "c"])
    alone = records.metrics(summary.model_copy(update={"comparison": None}), ["a", "b", "c"])
    assert {name: found[name] for name in found.keys() - alone.keys()} == {
        "champion_macro_f1": 0.7,
        "challenger_macro_f1": 0.72,
        "challenger_rank_correlation": 0.8,
        "challenger_rank_correlation_low": 0.75,
        "challenger_rank_correlation_high": 0.84,
        "ahead": 0.02,
        "ahead_low": -0.01,
        "ahead_high": 0.05,
    }


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        (["Ucuz", "Pahalı"], ["Ucuz", "Pahalı"]),
        (["< 1 M", "1 M+"], ["_ 1 M", "1 M_"]),
        (["💰", "💰💰"], ["class_1", "class_2"]),
        (["a/b", "a:b"], ["class_1", "class_2"]),
    ],
)
def test_classes_become_names_that_mlflow_takes(classes: list[str], names: list[str]) -> None:
    assert records.metric_names(classes) == names
