"""What people look at in MLflow: plots that are well-formed, a card that says what it must."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest

from housing_core.api.spec import Dataset, Training
from housing_core.bundle import Comparison, Interval, ModelKind, RecipeResult, Summary
from housing_training.evaluation.inspection import learning_curve, permutation_importance
from housing_training.evaluation.metrics import BASELINE_NAME
from housing_training.registration.figures import evaluation_files
from housing_training.registration.model_card import LIMIT, description, model_card
from housing_training.registration.plots import Line, bar_chart, line_chart, matrix_chart
from tests.unit.training.listings import dirty_rows, to_csv, write
from tests.unit.training.test_learning import Trained, train


@pytest.fixture(scope="module", params=["HashedForest", "EncodedForest", "EncodedBoosting"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("figures")
    kind: ModelKind = request.param
    return train(folder, write(folder, to_csv(dirty_rows(900))), {}, candidate=kind)


def summary_of(trained: Trained, warnings: list[str]) -> Summary:
    return Summary(
        model_name="a.b",
        key="k",
        run_id="r",
        trigger="Spec",
        scores=trained.evaluated.scores,
        intervals=trained.evaluated.intervals,
        baseline_name=BASELINE_NAME,
        baseline=trained.evaluated.baseline,
        baseline_intervals=trained.evaluated.baseline_intervals,
        rows=900,
        new_rows=900,
        holdout_rows=len(trained.prepared.holdout.labels),
        dataset_uri="pvc://listings/all",
        dataset_fingerprint="f00",
        bundle_bytes=123_456,
        training_seconds=1.0,
        trained_with={"python": "3.13.1", "scikit-learn": "1.9.0"},
        recipe=RecipeResult(recipe="seed", model="HashedForest"),
        warnings=warnings,
    )


def test_what_matters_is_found(trained: Trained) -> None:
    found = permutation_importance(
        trained.graph,
        trained.prepared.holdout,
        trained.prepared.schema.columns,
        classes=3,
        seed=1,
    )
    losses = {name: loss for name, loss, _ in found}
    assert set(losses) == {column.name for column in trained.prepared.schema.columns}
    assert found[0][0] in ("Brüt Alan", "İlçe")
    assert found[0][1] > 0.1
    # Behind the first, on so few rows, what a forest hardly needs may come before.
    assert min(losses["Brüt Alan"], losses["İlçe"]) > 0.01
    losses = [loss for _, loss, _ in found]
    assert losses == sorted(losses, reverse=True)


def test_importance_stops_when_its_time_is_up(trained: Trained) -> None:
    ticks = iter(range(0, 1000, 4))
    found = permutation_importance(
        trained.graph,
        trained.prepared.holdout,
        trained.prepared.schema.columns,
        classes=3,
        seed=1,
        clock=lambda: float(next(ticks)),
    )
    assert len(found) == 1


def test_the_last_point_of_the_curve_is_the_models_score(trained: Trained) -> None:
    curve = learning_curve(trained.model, trained.prepared.holdout, seed=1)
    trees = 8 if len(curve) <= 8 else 20
    assert [number for number, _, _ in curve][-1] == trees
    assert all(within.low < score < within.high for _, score, within in curve)
    assert curve[-1][1] == pytest.approx(trained.evaluated.scores.macro_f1)


def files_of(trained: Trained, important: str) -> dict[str, str]:
    """Of a model with one column whose importance was measured."""
    return evaluation_files(
        trained.prepared,
        trained.evaluated,
        trained.model,
        summary=summary_of(trained, []),
        importance=[(important, 0.2, 0.01)],
        seed=1,
    )


def test_every_figure_is_there_and_every_plot_well_formed(trained: Trained) -> None:
    files = files_of(trained, "Brüt <Alan> & 'x'")
    plots = {name for name in files if name.endswith(".svg")}
    assert plots == {
        *("confusion_matrix.svg", "precision_recall.svg", "calibration.svg"),
        *("score_by_trees.svg", "permutation_importance.svg"),
    }
    for name in plots:
        assert ElementTree.fromstring(files[name]).tag.endswith("svg")
    assert "Low" in files["precision_recall.svg"]


@pytest.mark.parametrize(
    "svg",
    [
        line_chart("t", "x", "y", []),
        line_chart("t", "x", "y", [Line("one <point>", [(1.0, 1.0)])]),
        matrix_chart("t", ["a", "Pahalı 💰"], [[0, 0], [3, 1]]),
        bar_chart("t", "x", []),
        bar_chart("t", "x", [("worse than nothing", -0.1, 0.0)]),
    ],
)
def test_plots_of_little_are_plots(svg: str) -> None:
    found = ElementTree.fromstring(svg)
    assert not [text for text in found.itertext() if text and "nan" in text]


def card_of(
    trained: Trained,
    warnings: list[str],
    uri: str = "pvc://listings/all",
    comparison: Comparison | None = None,
) -> str:
    changes = {"dataset_uri": uri, "comparison": comparison}
    summary = summary_of(trained, warnings).model_copy(update=changes)
    return model_card(
        summary,
        trained.prepared.schema,
        Dataset.model_validate({"uri": "pvc://listings/all", "target": {"column": "Fiyat"}}),
        Training(),
        importance=[("Brüt Alan", 0.2, 0.01)],
    )


def test_the_card_says_what_it_is_how_good_and_what_to_beware_of(
    trained: Trained,
) -> None:
    card = card_of(trained, ["column 'x' may give the price away"])
    scores, within = trained.evaluated.scores, trained.evaluated.intervals
    assert f"| macro F1 | {scores.macro_f1:.4f} | {within.macro_f1.low:.3f} to" in card
    assert "**Low** below" in card
    assert "column 'x' may give the price away" in card
    assert "held out by a hash of each row" in card
    low = next(line for line in card.splitlines() if line.startswith("| Low |"))
    matrix = np.array(scores.confusion_matrix)
    assert f"{matrix[0, 0] / matrix[0].sum():.3f}" in low
    beside = trained.evaluated.baseline_intervals.macro_f1
    assert f"| {beside.low:.3f} to {beside.high:.3f} |" in card
    assert "## Made with\n\npython 3.13.1, scikit-learn 1.9.0" in card
    assert f"Time was for 1 of the {len(trained.prepared.schema.columns)} columns." in card


def test_the_card_shows_the_version_beside_the_one_in_production(trained: Trained) -> None:
    comparison = Comparison(
        champion_version="7",
        rows=5400,
        champion_macro_f1=0.7,
        champion_macro_f1_interval=Interval(low=0.68, high=0.72),
        challenger_macro_f1=0.71,
        challenger_rank_correlation=0.8,
        challenger_rank_correlation_interval=Interval(low=0.78, high=0.82),
        champion_boundaries=[1.0, 2.0],
    )
    card = card_of(trained, [], comparison=comparison)
    assert "| on 5,400 rows | this version | 95 % interval | version 7 | 95 % interval |" in card
    # What an older training did not keep is not known.
    assert "\n| macro F1 | 0.7100 | unknown | 0.7000 | 0.680 to 0.720 |\n" in card
    shown = "rank correlation of expected class and price"
    assert f"\n| {shown} | 0.8000 | 0.780 to 0.820 | unknown | unknown |\n" in card
    uncompared = comparison.model_copy(update={"champion_macro_f1": None, "left_out": 9})
    assert "| version 7 |" not in card_of(trained, [], comparison=uncompared)


def test_a_card_that_the_database_has_room_for_is_the_description(trained: Trained) -> None:
    card = card_of(trained, ["beware"])
    assert description(card, ["beware"]) == card


@pytest.mark.parametrize(("count", "length"), [(30, 180), (1, 9000), (5, 1100)])
def test_a_long_card_loses_warnings_first_and_says_where_they_are(
    trained: Trained, count: int, length: int
) -> None:
    warnings = [f"{number} " + "x" * length for number in range(count)]
    found = description(card_of(trained, warnings), warnings)
    assert len(found) <= LIMIT
    assert found.endswith("the whole card is `model_card.md` in the run.\n")
    assert "- 0 xxx" in found
    assert ("more in `model_card.md`" in found) == (count > 3)
    for heading in ("By class", "Columns that matter most", "Made with", "Use"):
        assert f"## {heading}" in found


def test_a_card_that_is_long_for_another_reason_is_shortened_too(trained: Trained) -> None:
    found = description(card_of(trained, ["beware"], "s3://" + "x" * 2040 + "/" + "y" * 9000), [])
    assert len(found) == LIMIT
    assert found.endswith("the whole card is `model_card.md` in the run.\n")
    found = description(card_of(trained, ["beware"], "s3://" + "x" * 3400), ["beware"])
    assert len(found) <= LIMIT
    assert "## How good it is" in found
    assert "## Use" in found
    assert "## Made with" not in found


def test_columns_that_time_did_not_reach_are_named(trained: Trained) -> None:
    files = files_of(trained, "Brüt Alan")
    found = json.loads(files["permutation_importance.json"])
    names = [column.name for column in trained.prepared.schema.columns]
    assert sorted(entry["column"] for entry in found) == sorted(names)
    unknown = {entry["column"] for entry in found if entry["macro_f1_lost"] is None}
    assert unknown == set(names) - {"Brüt Alan"}
    assert f"without {len(names) - 1} columns" in files["permutation_importance.svg"]
