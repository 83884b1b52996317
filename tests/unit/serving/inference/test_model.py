"""A bundle counts as loaded only when it gives the answers that training had."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from housing_core import bundle
from housing_serving.inference.encoding import Listing
from housing_serving.inference.graphs import Predictions
from housing_serving.inference.model import Model, load_model
from tests.bundles import ROWS, spoil, tiny_bundle


def _predict(model: Model, rows: Sequence[Listing]) -> Predictions:
    return model.predict(model.encoder.clean(model.encoder.read(rows)))


def test_a_sound_bundle_answers_one_row_and_many_alike(model: Model) -> None:
    many = _predict(model, ROWS)
    assert many.labels.tolist() == [2, 1, 1, 0, 0]
    assert many.probabilities.dtype == np.float32
    for i, row in enumerate(ROWS):
        one = _predict(model, [row])
        assert one.labels.tolist() == [many.labels[i]]
        np.testing.assert_array_equal(one.probabilities[0], many.probabilities[i])


def test_more_rows_than_a_batch_are_answered_in_their_order(model: Model) -> None:
    rows = ROWS * bundle.GRAPH_BATCH_ROWS
    few, many = _predict(model, ROWS), _predict(model, rows)
    assert many.labels.tolist() == few.labels.tolist() * bundle.GRAPH_BATCH_ROWS
    assert many.probabilities.shape == (len(rows), 3)
    np.testing.assert_array_equal(many.probabilities[-len(ROWS) :], few.probabilities)


def test_a_new_category_is_no_error(model: Model) -> None:
    assert _predict(model, [{"ilçe": "Atlantis", "rooms": 5}]).labels.tolist() == [1]


def test_the_folder_is_not_needed_after_loading(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path / "bundle")
    loaded = load_model(folder, "7")
    for file in folder.iterdir():
        file.unlink()
    assert _predict(loaded, ROWS[:1]).labels.tolist() == [2]
    assert loaded.version == "7"


def test_a_model_answers_from_several_threads_at_once(model: Model) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: _predict(model, ROWS).labels.tolist(), range(200)))
    assert answers == [[2, 1, 1, 0, 0]] * 200


Edit = Callable[[Any], Any]


def _edit(folder: Path, name: str, edit: Edit) -> None:
    path = folder / name
    path.write_text(json.dumps(edit(json.loads(path.read_text()))))


def _other_label(golden: list[Any]) -> list[Any]:
    return [{**golden[0], "label": "Low"}, *golden[1:]]


def _off_by(difference: float) -> Edit:
    def edit(golden: list[Any]) -> list[Any]:
        first = golden[-1]["probabilities"]
        return [*golden[:-1], {**golden[-1], "probabilities": [first[0] + difference, *first[1:]]}]

    return edit


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        ("golden.json", _other_label, r"golden row 0: the answer is 'High', training had 'Low'"),
        ("golden.json", _off_by(3e-5), r"golden row 4: a probability is off by 3e-05"),
        ("golden.json", lambda _: [], r"golden\.json holds no rows"),
        ("golden.json", lambda _: [{"row": {}}], r"golden\.json cannot be read"),
        (
            "golden.json",
            lambda g: [{**g[0], "row": {"area": "large"}}],
            r"golden\.json: the schema refuses a row",
        ),
        (
            "golden.json",
            lambda g: [{**g[0], "probabilities": [0.9, 0.1]}],
            r"golden row 0: .* has 3 classes",
        ),
        ("schema.json", lambda s: {**s, "format": bundle.FORMAT + 1}, r"has format 2"),
        ("schema.json", lambda s: {**s, "boundaries": [1.0]}, r"3 classes need 2 boundaries"),
        (
            "schema.json",
            lambda s: {**s, "columns": s["columns"][:2]},
            r"does not fit schema\.json: its input column_2",
        ),
    ],
)
def test_a_bundle_that_contradicts_itself_is_refused(
    tmp_path: Path, name: str, edit: Edit, message: str
) -> None:
    folder = tiny_bundle(tmp_path / "bundle")
    _edit(folder, name, edit)
    with pytest.raises(bundle.BundleError, match=message):
        load_model(folder, "1")


def test_a_difference_within_float32_sums_is_the_same_answer(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path / "bundle")
    _edit(folder, "golden.json", _off_by(0.9e-5))
    assert load_model(folder, "1").golden_rows == len(ROWS)


def test_a_graph_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path / "bundle")
    spoil(folder)
    with pytest.raises(bundle.BundleError, match=r"model\.onnx cannot be loaded"):
        load_model(folder, "1")


@pytest.mark.parametrize("name", ["model.onnx", "schema.json", "golden.json"])
def test_a_bundle_that_lacks_a_file_is_refused(tmp_path: Path, name: str) -> None:
    folder = tiny_bundle(tmp_path / "bundle")
    (folder / name).unlink()
    with pytest.raises(bundle.BundleError, match=name.replace(".", r"\.")):
        load_model(folder, "1")
