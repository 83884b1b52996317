"""Made-up listings, ready to learn from."""

from __future__ import annotations

from pathlib import Path

import pytest

from housing_core.api.spec import Dataset
from housing_training.data.preparation import prepare_rows
from housing_training.learning import Prepared, prepare
from housing_training.models import candidates
from housing_training.progress import Progress
from housing_training.selection import racing
from tests.unit.training.listings import dirty_rows, to_csv, write


def prepared_listings(folder: Path, rows: int) -> Prepared:
    """So many of `dirty_rows`, with a holdout of a fifth."""
    file = write(folder, to_csv(dirty_rows(rows)))
    dataset = Dataset.model_validate({"uri": file.uri, "target": {"column": "Fiyat"}})
    found = prepare_rows([file], dataset, 0.2, Progress())
    return prepare(found, dataset, model_name="test.m", kept_boundaries=None, progress=Progress())


def few_iterations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let boosting end soon."""
    for module in (candidates, racing):
        monkeypatch.setattr(module, "BOOSTING_ITERATIONS", 40)
