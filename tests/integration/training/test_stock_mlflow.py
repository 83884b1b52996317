"""A registered model works where nothing of ours is installed."""

from pathlib import Path

import numpy as np
import pytest

from housing_core.bundle import read_golden, read_schema
from housing_core.registry import Registry
from tests.integration.training.conftest import MODEL, bundle_of
from tests.stock_mlflow import StockMlflow


@pytest.mark.usefixtures("first")
def test_stock_mlflow_answers_raw_listings_as_the_bundle_does(
    registry: Registry, tmp_path: Path
) -> None:
    registry.set_alias(MODEL, "production", "1")
    bundle = bundle_of(registry, "1", tmp_path)
    golden = [row for row in read_golden(bundle) if row.row]
    classes = read_schema(bundle).classes
    rows = [row.row for row in golden]
    # The same listing with numbers instead of texts, with a missing value, with one column only.
    rows += [
        {**rows[0], "Brüt Metrekare": int(rows[0]["Brüt Metrekare"])},
        {**rows[0], "Balkon Sayısı": None, "Mahalle": None},
        {"Ilce": "Kadıköy"},
    ]
    answer = StockMlflow(registry, MODEL, "1", tmp_path).predict(MODEL, rows)
    assert answer.ours is False
    assert answer.columns == ["class", *(f"probability_{name}" for name in classes)]
    assert [row[0] for row in answer.values[: len(golden)]] == [row.label for row in golden]
    probabilities = np.array([row[1:] for row in answer.values])
    expected = np.array([row.probabilities for row in golden])
    assert probabilities[: len(golden)] == pytest.approx(expected, abs=1e-5)
    assert probabilities[len(golden)] == pytest.approx(expected[0], abs=1e-5)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(len(rows)), abs=1e-5)
