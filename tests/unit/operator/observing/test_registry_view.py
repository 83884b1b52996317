"""What status shows of a version's bundle, and of a running training."""

import pytest

from housing_core.bundle import (
    CandidateResult,
    ColumnSchema,
    CrossSchema,
    Interval,
    RecipeResult,
    Schema,
)
from housing_operator.observing.registry_view import model_inputs, read_progress
from tests.unit.operator.world import summary


def schema(**fields):
    return Schema.model_validate(
        {
            "model_name": "homes.istanbul",
            "target": "price",
            "columns": [ColumnSchema(name="area", kind="Numeric", reason="all numbers")],
            "classes": ["Low", "Medium", "High"],
            "boundaries": [100.0, 200.0],
            "cleaning": "{}",
            **fields,
        }
    )


def test_columns_crosses_and_boundaries_are_shown_with_their_reasons():
    crosses = [CrossSchema(name="district_floor", columns=["district", "floor"])]
    inputs = model_inputs("3", schema(crosses=crosses, ignored={"id": "an index"}), summary())
    assert inputs.version == "3"
    assert inputs.rows == 1000
    assert [(c.name, c.kind, c.reason) for c in inputs.columns] == [
        ("area", "Numeric", "all numbers"),
        ("id", "Ignored", "an index"),
    ]
    assert [(c.name, c.columns) for c in inputs.crosses] == [
        ("district_floor", ["district", "floor"])
    ]
    assert [(b.below, b.price, b.above) for b in inputs.boundaries] == [
        ("Low", 100.0, "Medium"),
        ("Medium", 200.0, "High"),
    ]


def test_what_won_by_how_much_and_what_to_look_at_are_shown():
    winner = CandidateResult(name="EncodedBoosting", macro_f1=0.8)
    other = CandidateResult(
        name="EncodedForest",
        macro_f1=0.79,
        behind=0.01,
        behind_interval=Interval(low=0.002, high=0.018),
    )
    made = RecipeResult(recipe="auto", model="EncodedBoosting", candidates=[winner, other])
    warning = "column 'price_usd' may give the price away"
    told = summary().model_copy(update={"recipe": made, "warnings": [warning]})
    inputs = model_inputs("3", schema(), told)
    assert inputs.recipe == "auto"
    assert inputs.model == (
        "EncodedBoosting: macro F1 0.8000 in cross-validation; ahead of EncodedForest by 0.0100 "
        "(95 % interval 0.0020 to 0.0180)"
    )
    assert inputs.warnings == [warning]


def test_a_version_from_before_there_were_recipes_is_of_the_seeds():
    inputs = model_inputs("3", schema(), summary())
    assert (inputs.recipe, inputs.model, inputs.warnings) == ("seed", "HashedForest", [])


def test_what_is_too_much_for_status_is_cut():
    columns = [ColumnSchema(name="n" * 300, kind="Numeric", reason="r" * 3000)] * 400
    crosses = [CrossSchema(name="x" * 300, columns=["c" * 300] * 9)] * 40
    warned = summary().model_copy(update={"warnings": ["w" * 3000] * 20})
    shown = model_inputs("1", schema(columns=columns, crosses=crosses), warned)
    assert (len(shown.columns), len(shown.crosses)) == (256, 16)
    assert shown.warnings == ["w" * 1024] * 10
    assert len(shown.crosses[0].columns) == 4


@pytest.mark.parametrize("tag", [None, "", "soon", "{}", '{"stage": 1}'])
def test_a_tag_that_is_none_of_ours_is_no_progress(tag):
    assert read_progress(tag) is None
