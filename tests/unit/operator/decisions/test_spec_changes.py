"""Which specs are another training, and which are the same one written otherwise."""

import pytest

from housing_core.api.spec import HousingModelSpec
from housing_operator.decisions.retraining import Wanted, normalised, training_key
from tests.unit.operator.world import World


def test_a_spec_that_todays_types_cannot_read_is_another_spec():
    assert normalised({"dataset": {"gone": 1}}) == {"dataset": {"gone": 1}}


@pytest.mark.parametrize("recipe", [{"recipe": "seed"}, {}], ids=["stored", "left out"])
def test_a_new_default_of_the_recipe_trains_no_model_again(recipe: dict[str, str]) -> None:
    """What a former version kept: with `recipe`, the default of its day, and before there was one."""
    world = World()
    world.spec = world.spec | {"training": recipe}
    world.in_production()
    kept = world.status["training"]["spec"]["training"]
    del kept["recipe"]
    kept |= recipe
    world.settle()
    assert len(world.tasks) == 1
    world.spec = world.spec | {"training": {**recipe, "seed": 7}}
    world.generation = 2
    world.step()
    assert len(world.tasks) == 2  # so that the above could fail


def test_feedback_that_begins_to_join_trains_again_and_its_default_does_not():
    world = World()
    world.in_production()
    del world.status["training"]["spec"]["dataset"]["feedback"]  # as an earlier version kept it
    world.settle()
    assert len(world.tasks) == 1
    world.spec = world.spec | {"dataset": {**world.spec["dataset"], "feedback": "Join"}}
    world.generation = 2
    world.step()
    assert len(world.tasks) == 2
    assert world.last.actions[0].task.dataset.feedback == "Join"


def test_the_key_depends_on_model_spec_token_and_the_training_before():
    spec = HousingModelSpec.model_validate(
        {"dataset": {"uri": "/d", "target": {"column": "p"}}}
    ).training_relevant()
    report = Wanted("Drift", "r1")
    key = training_key("uid", spec, report, "former")
    assert key == training_key("uid", dict(reversed(spec.items())), report, "former")
    others = {
        training_key("other", spec, report, "former"),
        training_key("uid", spec, Wanted("Drift", "r2"), "former"),
        training_key("uid", spec, Wanted("Request", "r1"), "former"),
        training_key("uid", spec | {"x": 1}, report, "former"),
        training_key("uid", spec, report, "another"),
    }
    assert len(others | {key}) == 6
