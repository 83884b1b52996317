"""Nothing that is made depends on the holdout: the same comes out when it holds junk."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from housing_core.api.spec import Dataset, Training
from housing_core.bundle import GRAPH_FILE
from housing_training.data.preparation import Rows, prepare_rows
from housing_training.evaluation.leakage import leaking_columns
from housing_training.learning import prepare, write_graph
from housing_training.progress import Progress
from housing_training.selection.racing import calibration_of, choose, selection_digest
from tests.unit.training.listings import dirty_rows, to_csv, write
from tests.unit.training.prepared import few_iterations


def with_junk(rows: Rows) -> Rows:
    """The same rows; the holdout's prices are a thousand times theirs, and no cell is as it was."""
    frame = rows.listings.frame.astype(object)
    held = np.flatnonzero(rows.holdout)
    for position, name in enumerate(frame.columns):
        junk = [f"{10**9 + at * position} m2" if at % 2 else f"{name} junk {at % 7}" for at in held]
        frame.iloc[held, position] = junk
    prices = rows.prices.copy()
    prices[held] *= 1000
    listings = replace(
        rows.listings, frame=pd.DataFrame({n: pd.Categorical(frame[n]) for n in frame.columns})
    )
    return replace(rows, listings=listings, prices=prices)


def made_of(rows: Rows, dataset: Dataset, training: Training, folder: Path) -> dict[str, bytes]:
    """Everything that is made before the holdout is looked at: name → content."""
    folder.mkdir()
    prepared = prepare(rows, dataset, model_name="a.b", kept_boundaries=None, progress=Progress())
    part = prepared.training
    recipe = choose(
        prepared.fitter(training),
        part,
        training,
        digest=selection_digest(part, training),
        say=lambda _: None,
        clock=lambda: 0.0,
    )
    model = prepared.fitter(training).fit(recipe.model, part, iterations=recipe.iterations)
    write_graph(prepared, model, calibration_of(recipe), folder)
    warnings = leaking_columns(part, len(prepared.schema.classes), training.seed)
    return {
        "schema": prepared.schema.model_dump_json().encode(),
        "recipe": recipe.model_dump_json().encode(),
        "graph": (folder / GRAPH_FILE).read_bytes(),
        "warnings": repr(warnings).encode(),
    }


@pytest.mark.parametrize("recipe", ["auto", "seed"])
@pytest.mark.parametrize("split", [{}, {"split": {"groupColumn": "Mahalle"}}])
def test_junk_in_the_holdout_changes_nothing_that_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str, split: dict[str, object]
) -> None:
    few_iterations(monkeypatch)
    file = write(tmp_path, to_csv(dirty_rows(400)))
    dataset = Dataset.model_validate({"uri": file.uri, "target": {"column": "Fiyat"}, **split})
    training = Training.model_validate({"recipe": recipe, "forest": {"trees": 4}})
    rows = prepare_rows([file], dataset, 0.2, Progress())
    junk = with_junk(rows)
    assert not junk.listings.take(rows.holdout).frame.equals(rows.listings.take(rows.holdout).frame)
    found = made_of(rows, dataset, training, tmp_path / "as it is")
    assert made_of(junk, dataset, training, tmp_path / "with junk") == found
