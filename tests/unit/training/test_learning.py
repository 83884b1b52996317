"""The whole recipe without a network: the graph answers raw listings as the forest does."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from housing_core.api.spec import Dataset, Training
from housing_core.bundle import Schema
from housing_core.storage import DataFile
from housing_training.bundling import golden_rows
from housing_training.errors import InvalidDataError
from housing_training.export import round_down
from housing_training.forest import class_probabilities, grow_forest
from housing_training.learning import (
    Encoded,
    Evaluated,
    ExportError,
    check_same,
    encode_rows,
    evaluate,
    rebalance,
    write_graph,
)
from housing_training.preparation import Rows, prepare_rows
from housing_training.progress import Progress
from housing_training.scoring import Answers, Graph, graph_inputs
from tests.unit.training.listings import dirty_rows, to_csv, write


@dataclass(frozen=True)
class Trained:
    rows: Rows
    encoded: Encoded
    evaluated: Evaluated
    graph: Graph


def train(
    folder: Path,
    file: DataFile,
    dataset: dict[str, object],
    training: dict[str, object] | None = None,
) -> Trained:
    target = {"column": "Fiyat"} | dict(dataset.pop("target", {}))  # type: ignore[call-overload] # test shorthand
    data = Dataset.model_validate({"uri": file.uri, "target": target} | dataset)
    spec = Training.model_validate({"forest": {"trees": 8}} | (training or {}))
    progress = Progress()
    rows = prepare_rows([file], data, spec.holdout_fraction, progress)
    encoded = encode_rows(
        rows, data, spec, model_name="test.made-up", kept_boundaries=None, progress=progress
    )
    features, labels = rebalance(encoded, spec, progress)
    forest = grow_forest(
        features, labels, spec.forest, seed=spec.seed, every=8, checkpoint=lambda trees, new: None
    )
    graph = write_graph(encoded, forest, folder)
    return Trained(rows, encoded, evaluate(encoded, forest, graph, spec), graph)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("bundle")
    return train(folder, write(folder, to_csv(dirty_rows(1500))), {})


def test_dirty_listings_train_a_model_that_beats_guessing(trained: Trained) -> None:
    kinds = {column.name: column.kind for column in trained.encoded.columns.inputs}
    assert kinds == {
        "İlçe": "Categorical",
        "Mahalle": "Categorical",
        "Brüt Alan": "Numeric",
        "Yaş": "Categorical",
        "Oda": "Categorical",
        "Isıtma": "Categorical",
        "Banyo": "Numeric",
        "Görünüm": "Categorical",
    }
    assert [cross.columns for cross in trained.encoded.crosses] == [
        ["İlçe", "Mahalle"],
        ["İlçe", "Yaş"],
        ["İlçe", "Isıtma"],
    ]
    assert set(trained.encoded.columns.ignored) == {
        "Unnamed: 0",
        "Unnamed: 4",
        "İlan Tarihi",
        "Tür",
    }
    assert trained.evaluated.scores.macro_f1 > 0.7
    assert trained.evaluated.scores.roc_auc is not None
    assert trained.evaluated.scores.roc_auc > 0.85


def test_the_reference_speaks_of_every_input(trained: Trained) -> None:
    reference = trained.evaluated.reference
    assert set(reference.features) == {c.name for c in trained.encoded.columns.inputs}
    assert reference.rows + reference.holdout_rows == len(trained.rows.prices)
    assert sum(reference.class_shares.values()) == pytest.approx(1)
    assert sum(rows for _, _, rows in reference.calibration) == reference.holdout_rows


def test_golden_rows_are_raw_listings_with_the_answers_of_the_graph(trained: Trained) -> None:
    schema = trained.encoded.schema
    golden = golden_rows(trained.graph, schema, trained.rows.listings.take(trained.rows.holdout))
    assert len(golden) == 18
    assert golden[0].row["Brüt Alan"].endswith(" m2")
    assert golden[-2].row == {}
    assert all(sum(row.probabilities) == pytest.approx(1, abs=1e-5) for row in golden)
    assert all(row.label in schema.classes for row in golden)
    json.dumps([row.model_dump() for row in golden])


def test_the_schema_carries_all_that_a_reader_needs(trained: Trained) -> None:
    schema = Schema.model_validate_json(trained.encoded.schema.model_dump_json())
    assert schema.classes == ["Low", "Medium", "High"]
    assert schema.boundaries[0] < schema.boundaries[1]
    assert schema.rules == trained.encoded.columns.rules
    area = next(column for column in schema.columns if column.name == "Brüt Alan")
    assert area.minimum is not None
    assert area.maximum is not None
    assert area.minimum >= 45
    assert area.maximum > 1000
    assert len(area.examples) == 5


def only(*names: str, rows: int = 600) -> str:
    return to_csv([{n: row[n] for n in (*names, "Fiyat")} for row in dirty_rows(rows)], ";")


@pytest.mark.parametrize(
    ("names", "dataset", "training"),
    [
        (("Brüt Alan", "Banyo"), {}, {}),
        (("Brüt Alan",), {}, {}),
        (("İlçe", "Isıtma", "Oda"), {}, {}),
        (("İlçe", "Isıtma"), {"crosses": []}, {}),
        (("İlçe",), {"columns": [{"name": "İlçe", "kind": "HighCardinality"}]}, {}),
        (
            ("İlçe", "Mahalle", "Brüt Alan"),
            {"crosses": [{"name": "all", "columns": ["İlçe", "Mahalle", "Brüt Alan"]}]},
            {"hashing": {"buckets": 16}},
        ),
        (("Görünüm", "Banyo"), {}, {"forest": {"trees": 3, "maxDepth": 1}}),
        (
            ("İlçe", "Brüt Alan"),
            {"target": {"quantiles": [0.5], "classes": ["Ucuz", "Pahalı 💰"]}},
            {"resampling": {"method": "None"}},
        ),
        (
            ("İlçe", "Brüt Alan"),
            {"target": {"quantiles": [0.2, 0.4, 0.6, 0.8], "classes": list("abcde")}},
            {"forest": {"trees": 4, "classWeight": "None", "minSamplesLeaf": 20}},
        ),
    ],
)
def test_the_graph_answers_as_the_forest_for_every_shape_of_data(
    tmp_path: Path,
    names: tuple[str, ...],
    dataset: dict[str, object],
    training: dict[str, object],
) -> None:
    # `evaluate` raises when a probability or a class of the holdout differs.
    found = train(tmp_path, write(tmp_path, only(*names)), dict(dataset), training)
    assert len(found.encoded.columns.inputs) == len(names)


def test_a_forest_that_cannot_part_the_rows_is_exported_too(tmp_path: Path) -> None:
    found = train(
        tmp_path,
        write(tmp_path, only("Banyo")),
        {},
        {"forest": {"trees": 2, "minSamplesLeaf": 10_000}},
    )
    assert len(np.unique(found.evaluated.answers.probabilities, axis=0)) == 1


def test_unseen_categories_and_missing_values_are_answered(trained: Trained) -> None:
    listings = trained.rows.listings.take(np.arange(3))
    inputs = graph_inputs(trained.encoded.typed_holdout, trained.encoded.schema.columns)
    strange = {
        name: (
            np.full((3, 1), np.nan, np.float32)
            if values.dtype == np.float32
            else np.array([["never seen 🏚"], [""], ["\x1f"]], dtype=object)
        )
        for name, values in inputs.items()
    }
    answers = trained.graph.run(strange)
    assert len(listings.frame) == len(answers.labels) == 3
    assert answers.probabilities.sum(axis=1) == pytest.approx([1, 1, 1], abs=1e-5)


def test_thresholds_are_rounded_down_so_that_decisions_stay() -> None:
    chance = np.random.default_rng(0)
    values = chance.random(10_000).astype(np.float32)
    thresholds = (values.astype(np.float64) + np.roll(values, 1)) / 2
    for shift in range(5):
        against = np.roll(values, shift)
        assert np.array_equal(against <= round_down(thresholds), against <= thresholds)


def test_a_graph_that_answers_differently_is_not_registered() -> None:
    expected = np.array([[0.7, 0.3], [0.5, 0.5], [0.2, 0.8]])
    same = Answers(np.array([0, 1, 1]), expected.astype(np.float32))
    check_same(same, expected)
    check_same(Answers(np.array([0, 0, 1]), same.probabilities), expected)
    with pytest.raises(ExportError, match=r"1 of 3 holdout rows differently .* row 2"):
        check_same(Answers(np.array([0, 1, 0]), same.probabilities), expected)
    with pytest.raises(ExportError, match="row 0"):
        check_same(Answers(same.labels, same.probabilities + np.float32(2e-5)), expected)


def test_class_probabilities_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    found = train(tmp_path, write(tmp_path, only("İlçe", "Banyo")), {})
    forest = grow_forest(
        found.encoded.training,
        found.encoded.labels,
        Training.model_validate({"forest": {"trees": 3}}).forest,
        seed=1,
        every=3,
        checkpoint=lambda trees, new: None,
    )
    whole = class_probabilities(forest, found.encoded.holdout)
    batched = class_probabilities(forest, found.encoded.holdout, batch=7)
    assert batched == pytest.approx(whole, abs=1e-12)  # threads add up in any order


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (to_csv(dirty_rows(12)), "holds 12 different rows .* at least 100 are needed"),
        (to_csv(dirty_rows(60) * 3), "holds 60 different rows"),
        ("Fiyat,x\n", "holds no rows"),
        ("Fiyat,x\n" + "ask,a\ncall,b\n" * 80, r"target\.column: 'Fiyat' holds no number above"),
        (
            "Fiyat,x,y\n" + "".join(f"5000,a{n % 7},{n}.5\n" for n in range(200)),
            r"target\.quantiles: 0\.4 falls on the price 5,000",
        ),
        ("Fiyat\n" + "".join(f"{n}\n" for n in range(1, 300)), "the target column only"),
    ],
)
def test_data_that_cannot_be_trained_on_is_refused(
    tmp_path: Path, content: str, message: str
) -> None:
    with pytest.raises(InvalidDataError, match=message):
        train(tmp_path, write(tmp_path, content), {})


def test_an_unlucky_holdout_fraction_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataError, match=r"training\.holdoutFraction: 0\.05 of 1\d\d rows"):
        train(
            tmp_path,
            write(tmp_path, to_csv(dirty_rows(110))),
            {},
            {"holdoutFraction": 0.05},
        )
