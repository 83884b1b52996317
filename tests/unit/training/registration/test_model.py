"""The wrapper that stock MLflow loads, on a folder of this machine."""

import json
import shutil
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

import housing_core.bundle
from housing_core.bundle import (
    GOLDEN_FILE,
    REFERENCE_FILE,
    SCHEMA_FILE,
    GoldenRow,
    write_part,
)
from housing_training.export.bundling import golden_rows
from housing_training.registration import model as model_code
from housing_training.registration.version import requirements, write_model
from tests.unit.training.listings import dirty_rows, to_csv, write
from tests.unit.training.test_learning import train


@pytest.fixture(scope="module")
def golden() -> list[GoldenRow]:
    return []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, golden: list[GoldenRow]) -> Path:
    root = tmp_path_factory.mktemp("model")
    bundle = root / "bundle"
    bundle.mkdir()
    made = train(bundle, write(root, to_csv(dirty_rows(600))), {})
    schema = made.prepared.schema
    golden += golden_rows(made.graph, schema, made.rows.listings.take(made.rows.holdout))
    write_part(bundle, SCHEMA_FILE, schema)
    write_part(bundle, REFERENCE_FILE, made.evaluated.reference)
    write_part(bundle, GOLDEN_FILE, golden)
    write_model(bundle, schema, golden, root / "written")
    return root / "written"


@pytest.fixture(scope="module")
def loaded(folder: Path) -> mlflow.pyfunc.PyFuncModel:
    return mlflow.pyfunc.load_model(str(folder))


def probabilities(answer: pd.DataFrame) -> np.ndarray:
    return answer[["probability_Low", "probability_Medium", "probability_High"]].to_numpy()


def test_raw_listings_get_the_golden_answers(
    loaded: mlflow.pyfunc.PyFuncModel, golden: list[GoldenRow]
) -> None:
    rows = [row for row in golden if row.row]
    answer = loaded.predict(pd.DataFrame([row.row for row in rows]))
    assert answer["class"].tolist() == [row.label for row in rows]
    assert probabilities(answer) == pytest.approx(
        np.array([row.probabilities for row in rows]), abs=1e-5
    )


def test_numbers_may_be_numbers_or_text_and_anything_may_be_missing(
    loaded: mlflow.pyfunc.PyFuncModel,
) -> None:
    answer = loaded.predict(
        pd.DataFrame(
            {
                "Brüt Alan": ["120 m2", 120, 120.0, None, float("nan"), pd.NA],
                "Banyo": ["2", 2, 2.0, None, "", float("nan")],
                "Unknown": 1,
            },
            index=list("uvwxyz"),
        )
    )
    assert answer.index.tolist() == list("uvwxyz")
    found = probabilities(answer)
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
    assert np.array_equal(found[3], found[4])
    assert np.array_equal(found[3], found[5])


def test_no_listing_gets_no_answer(loaded: mlflow.pyfunc.PyFuncModel) -> None:
    answer = loaded.predict(pd.DataFrame({"Brüt Alan": []}))
    assert answer.shape == (0, 4)


def test_a_value_that_its_column_cannot_take_is_named(
    loaded: mlflow.pyfunc.PyFuncModel,
) -> None:
    with pytest.raises(ValueError, match=r"column 'Brüt Alan': '3\+1' is not a number"):
        loaded.predict(pd.DataFrame({"Brüt Alan": ["3+1"]}))


def test_a_model_that_answers_a_golden_row_differently_does_not_load(
    folder: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(folder, damaged)
    path = damaged / "artifacts" / "bundle" / GOLDEN_FILE
    rows = json.loads(path.read_text("utf-8"))
    rows[3]["probabilities"][0] += 0.01
    path.write_text(json.dumps(rows), "utf-8")
    with pytest.raises(RuntimeError, match="golden row 3"):
        mlflow.pyfunc.load_model(str(damaged))


def test_a_newer_bundle_is_refused(folder: Path, tmp_path: Path) -> None:
    newer = tmp_path / "newer"
    shutil.copytree(folder, newer)
    path = newer / "artifacts" / "bundle" / SCHEMA_FILE
    schema = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**schema, "format": 99}), "utf-8")
    with pytest.raises(RuntimeError, match="format 99"):
        mlflow.pyfunc.load_model(str(newer))


def test_nothing_in_the_model_is_a_pickle(folder: Path) -> None:
    names = [path.name for path in folder.rglob("*") if path.is_file()]
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".joblib"))]
    assert "housing_cleaning.py" in names


def test_the_requirements_are_pinned_and_few() -> None:
    assert [line.partition("==")[0] for line in requirements()] == [
        *("mlflow", "numpy", "onnxruntime", "pandas")
    ]
    assert all("==" in line for line in requirements())


def test_the_wrapper_has_the_contracts_numbers() -> None:
    assert model_code.FORMAT == housing_core.bundle.FORMAT
    assert model_code.GOLDEN_TOLERANCE == housing_core.bundle.GOLDEN_TOLERANCE
    assert model_code.BATCH_ROWS == housing_core.bundle.GRAPH_BATCH_ROWS
