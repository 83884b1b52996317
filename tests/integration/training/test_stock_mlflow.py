"""A registered model works where nothing of ours is installed."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from housing_core.bundle import read_golden, read_schema
from housing_core.registry import Registry
from tests.integration.training.program import Ended
from tests.mlflow_server import MlflowServer

MODEL = "training-test.istanbul"

LOADER = """
import json, sys
import mlflow, pandas
model = mlflow.pyfunc.load_model(f"models:/{sys.argv[1]}@production")
rows = json.load(open(sys.argv[2]))
answer = model.predict(pandas.DataFrame(rows))
try:
    import housing_core
    ours = True
except ImportError:
    ours = False
print(json.dumps({"ours": ours, "columns": list(answer.columns), "values": answer.values.tolist()}))
"""


@pytest.fixture(scope="module")
def stock_python(
    first: Ended, mlflow_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A Python with stock MLflow and what the model lists, and nothing else."""
    folder = tmp_path_factory.mktemp("stock")
    assert first.outcome is not None
    requirements = Registry(mlflow_server.url).client.download_artifacts(
        first.outcome.run_id, "model/requirements.txt", str(folder)
    )
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "-r", requirements], check=True, timeout=400
    )
    return python


def test_stock_mlflow_answers_raw_listings_as_the_bundle_does(
    stock_python: Path, registry: Registry, tmp_path: Path
) -> None:
    registry.set_alias(MODEL, "production", "1")
    bundle = registry.download_bundle(MODEL, "1", tmp_path / "bundle")
    golden = [row for row in read_golden(bundle) if row.row]
    classes = read_schema(bundle).classes
    rows = [row.row for row in golden]
    # The same listing with numbers instead of texts, with a missing value, with one column only.
    rows += [
        {**rows[0], "Brüt Metrekare": int(rows[0]["Brüt Metrekare"])},
        {**rows[0], "Balkon Sayısı": None, "Mahalle": None},
        {"Ilce": "Kadıköy"},
    ]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    done = subprocess.run(
        [stock_python, "-c", LOADER, MODEL, tmp_path / "rows.json"],
        env={"MLFLOW_TRACKING_URI": registry.tracking_uri, "HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["ours"] is False
    assert answer["columns"] == ["class", *(f"probability_{name}" for name in classes)]
    values = answer["values"]
    assert [row[0] for row in values[: len(golden)]] == [row.label for row in golden]
    probabilities = np.array([row[1:] for row in values])
    expected = np.array([row.probabilities for row in golden])
    assert probabilities[: len(golden)] == pytest.approx(expected, abs=1e-5)
    assert probabilities[len(golden)] == pytest.approx(expected[0], abs=1e-5)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(len(rows)), abs=1e-5)
