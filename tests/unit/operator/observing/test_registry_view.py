"""What status shows of a version's bundle, and of a running training."""

import pytest

from housing_core.bundle import ColumnSchema, CrossSchema, Schema
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


def test_what_is_too_much_for_status_is_cut():
    columns = [ColumnSchema(name="n" * 300, kind="Numeric", reason="r" * 3000)] * 400
    crosses = [CrossSchema(name="x" * 300, columns=["c" * 300] * 9)] * 40
    shown = model_inputs("1", schema(columns=columns, crosses=crosses), summary())
    assert (len(shown.columns), len(shown.crosses)) == (256, 16)
    assert len(shown.crosses[0].columns) == 4


@pytest.mark.parametrize("tag", [None, "", "soon", "{}", '{"stage": 1}'])
def test_a_tag_that_is_none_of_ours_is_no_progress(tag):
    assert read_progress(tag) is None
