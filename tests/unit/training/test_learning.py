"""The whole recipe without a network: the graph answers raw listings as the forest does."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from housing_core.api.spec import Dataset, Training
from housing_core.bundle import ModelKind, Schema
from housing_core.cleaning import BadValueError, clean_row
from housing_core.storage import DataFile
from housing_training.data.preparation import Rows, prepare_rows
from housing_training.data.typed_rows import clean_listings
from housing_training.errors import InvalidDataError
from housing_training.export.bundling import golden_rows
from housing_training.export.forest import round_down
from housing_training.export.inference import Answers, Graph, graph_inputs
from housing_training.learning import (
    Evaluated,
    ExportError,
    Prepared,
    check_same,
    evaluate,
    prepare,
    write_graph,
)
from housing_training.models.calibration import Calibration
from housing_training.models.candidates import CANDIDATES
from housing_training.models.fitted import Model
from housing_training.models.forest import class_probabilities
from housing_training.progress import Progress
from tests.unit.training.listings import as_listings, dirty_rows, to_csv, write


@dataclass(frozen=True)
class Trained:
    rows: Rows
    prepared: Prepared
    model: Model
    evaluated: Evaluated
    graph: Graph


AS_IT_IS = Calibration()


def train(
    folder: Path,
    file: DataFile,
    dataset: dict[str, object],
    training: dict[str, object] | None = None,
    *,
    candidate: ModelKind = "HashedForest",
    calibration: Calibration = AS_IT_IS,
) -> Trained:
    target = {"column": "Fiyat"} | dict(dataset.pop("target", {}))  # type: ignore[call-overload] # test shorthand
    data = Dataset.model_validate({"uri": file.uri, "target": target} | dataset)
    spec = Training.model_validate({"forest": {"trees": 8}} | (training or {}))
    progress = Progress()
    rows = prepare_rows([file], data, spec.holdout_fraction, progress)
    prepared = prepare(
        rows, data, model_name="test.made-up", kept_boundaries=None, progress=progress
    )
    model = prepared.fitter(spec).fit(candidate, prepared.training, iterations=20)
    graph = write_graph(prepared, model, calibration, folder)
    evaluated = evaluate(prepared, model, calibration, graph, spec)
    return Trained(rows, prepared, model, evaluated, graph)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("bundle")
    # Few of 16,384 buckets would be used, of which the seed's forest would draw one a split.
    hashing = {"hashing": {"buckets": 1024}}
    return train(folder, write(folder, to_csv(dirty_rows(1500))), {}, hashing)


def test_dirty_listings_train_a_model_that_beats_guessing(trained: Trained) -> None:
    kinds = {column.name: column.kind for column in trained.prepared.columns.inputs}
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
    assert [cross.columns for cross in trained.prepared.crosses] == [
        ["İlçe", "Mahalle"],
        ["İlçe", "Yaş"],
        ["İlçe", "Isıtma"],
    ]
    assert set(trained.prepared.columns.ignored) == {
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
    assert set(reference.features) == {c.name for c in trained.prepared.columns.inputs}
    assert reference.rows + reference.holdout_rows == len(trained.rows.prices)
    assert sum(reference.class_shares.values()) == pytest.approx(1)
    assert sum(rows for _, _, rows in reference.calibration) == reference.holdout_rows


def test_golden_rows_are_raw_listings_with_the_answers_of_the_graph(trained: Trained) -> None:
    schema = trained.prepared.schema
    golden = golden_rows(trained.graph, schema, trained.rows.listings.take(trained.rows.holdout))
    assert len(golden) == 18
    assert golden[0].row["Brüt Alan"].endswith(" m2")
    assert golden[-2].row == {}
    assert all(sum(row.probabilities) == pytest.approx(1, abs=1e-5) for row in golden)
    assert all(row.label in schema.classes for row in golden)
    json.dumps([row.model_dump() for row in golden])


def test_the_schema_carries_all_that_a_reader_needs(trained: Trained) -> None:
    schema = Schema.model_validate_json(trained.prepared.schema.model_dump_json())
    assert schema.classes == ["Low", "Medium", "High"]
    assert schema.boundaries[0] < schema.boundaries[1]
    assert schema.rules == trained.prepared.columns.rules
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
@pytest.mark.parametrize("candidate", CANDIDATES)
def test_the_graph_answers_as_the_model_for_every_shape_of_data(
    *,
    tmp_path: Path,
    candidate: ModelKind,
    names: tuple[str, ...],
    dataset: dict[str, object],
    training: dict[str, object],
) -> None:
    # `evaluate` raises when a probability or a class of the holdout differs.
    found = train(
        tmp_path, write(tmp_path, only(*names)), dict(dataset), training, candidate=candidate
    )
    assert len(found.prepared.columns.inputs) == len(names)


def test_a_forest_that_cannot_part_the_rows_is_exported_too(tmp_path: Path) -> None:
    found = train(
        tmp_path,
        write(tmp_path, only("Banyo")),
        {},
        {"forest": {"trees": 2, "minSamplesLeaf": 10_000}},
    )
    assert len(np.unique(found.evaluated.answers.probabilities, axis=0)) == 1


STRANGE = {
    "İlçe": ["Kadıköy", "kadıköy", "KADIKÖY", "Ankara", "🏚🏚", "", None, "\x1f", "ı" * 500],
    "Mahalle": ["Moda", None, "Etiler 🌊", "N/A", "Levent", "Moda ", "", "Bebek", "İ"],
    "Brüt Alan": ["90 m2", "90", "1.250 m2", None, "", "?", "-5", "1e9 m2", "90 m2"],
    "Banyo": ["1", "2.0", None, "99", "1", "", "-", "1", "1"],
    "Görünüm": ["Deniz 🌊", "deniz 🌊", "Şehir", None, "", "🌲", "Orman 🌲", "x", "y"],
}


@pytest.mark.parametrize("candidate", CANDIDATES)
@pytest.mark.parametrize(
    "calibration",
    [Calibration(), Calibration("Platt", 0.7, (0.1, -0.2, 0.0))],
    ids=["raw", "calibrated"],
)
def test_strange_values_are_answered_as_scikit_learn_answers_them(
    tmp_path: Path, candidate: ModelKind, calibration: Calibration
) -> None:
    file = write(tmp_path, to_csv(dirty_rows(1500)))
    found = train(tmp_path, file, {}, candidate=candidate, calibration=calibration)
    rules = found.prepared.columns.rules
    typed = clean_listings(as_listings(STRANGE), rules)
    answers = found.graph.run(graph_inputs(typed, found.prepared.schema.columns))
    raw = found.model.answer(typed)
    check_same(answers, raw, calibration.apply(raw))
    assert answers.probabilities.sum(axis=1) == pytest.approx(np.ones(9), abs=1e-5)
    # What a request cleans row by row is what training cleaned column by column.
    inputs = graph_inputs(typed, found.prepared.schema.columns)
    for row in range(9):
        raw_row = {name: values[row] for name, values in STRANGE.items()}
        try:
            cleaned = clean_row(raw_row, rules)
        except BadValueError:
            continue
        for position, column in enumerate(found.prepared.schema.columns):
            value = inputs[Schema.input_name(position)][row, 0]
            same = cleaned[column.name] == value or (
                isinstance(value, np.float32) and np.isnan(value) and np.isnan(cleaned[column.name])
            )
            assert same, (column.name, cleaned[column.name], value)


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
    check_same(same, expected, expected)
    check_same(Answers(np.array([0, 0, 1]), same.probabilities), expected, expected)
    with pytest.raises(ExportError, match=r"1 of 3 holdout rows differently .* row 2"):
        check_same(Answers(np.array([0, 1, 0]), same.probabilities), expected, expected)
    with pytest.raises(ExportError, match="row 0"):
        check_same(Answers(same.labels, same.probabilities + np.float32(2e-5)), expected, expected)


def test_class_probabilities_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    found = train(tmp_path, write(tmp_path, only("İlçe", "Banyo")), {})
    forest = found.model.estimator
    assert isinstance(forest, RandomForestClassifier)
    features = found.model.encoder.transform(found.prepared.holdout.typed)
    whole = class_probabilities(forest, features)
    batched = class_probabilities(forest, features, batch=7)
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


def split_rows(tmp_path: Path, content: str, split: dict[str, str], **dataset: object) -> Rows:
    file = write(tmp_path, content)
    data = Dataset.model_validate(
        {"uri": file.uri, "target": {"column": "Fiyat"}, "split": split, **dataset}
    )
    return prepare_rows([file], data, 0.2, Progress())


def test_rows_of_one_group_keep_one_side_also_when_rows_are_added(tmp_path: Path) -> None:
    rows = [{**row, "Seller": f"agent {n % 83}"} for n, row in enumerate(dirty_rows(800))]

    def sides(count: int) -> dict[str, bool]:
        ignored = [{"name": "Seller", "kind": "Ignored"}]
        content = to_csv(rows[:count])
        found = split_rows(tmp_path, content, {"groupColumn": "Seller"}, columns=ignored)
        sellers = found.listings.frame["Seller"].astype(str)
        held = dict(zip(sellers, ~found.training, strict=True))
        for seller, side in zip(sellers, ~found.training, strict=True):
            assert held[seller] == side
        assert 0.1 < (~found.training).mean() < 0.35
        return held

    before, after = sides(400), sides(800)
    assert all(after[seller] == side for seller, side in before.items())


def test_the_newest_rows_are_held_out(tmp_path: Path) -> None:
    found = split_rows(tmp_path, to_csv(dirty_rows(600)), {"timeColumn": "İlan Tarihi"})
    assert found.times is not None
    assert found.times[found.training].max() < found.times[~found.training].min()
    assert 0.15 < (~found.training).mean() <= 0.2


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"groupColumn": "building"}, r"split\.groupColumn: the data has no column 'building'"),
        ({"timeColumn": "sold"}, r"split\.timeColumn: the data has no column 'sold'; its columns"),
        ({"timeColumn": "Oda"}, r"split\.timeColumn: 'Oda' holds a date or number in 0%"),
        ({"groupColumn": "Tür"}, r"by dataset\.split: 0\.2 of \d+ rows leaves (0|\d+) rows"),
        ({"groupColumn": "Fiyat"}, "'Fiyat' is the target"),
    ],
)
def test_a_split_that_cannot_be_is_refused(
    tmp_path: Path, split: dict[str, str], message: str
) -> None:
    with pytest.raises(InvalidDataError, match=message):
        split_rows(tmp_path, to_csv(dirty_rows(300)), split)
