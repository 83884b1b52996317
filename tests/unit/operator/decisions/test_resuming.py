"""A training that was given too little goes on, under its key, once it is given more."""

from dataclasses import replace
from datetime import timedelta

import pytest

from housing_core.api import HousingModelSpec
from housing_core.tasks import TrainingOutcome
from housing_operator.resources.means import means
from tests.unit.operator.world import World

REQUEST = "housing-operator.dev/retrain"


def give(world: World, **training: object) -> None:
    """A person changes plumbing of the training."""
    world.spec = world.spec | {"training": training}
    world.generation += 1


def memory(limit: str) -> dict[str, object]:
    return {"limits": {"memory": limit}}


def starve(world: World) -> None:
    name = world.status["training"]["jobName"]
    world.jobs[name] = replace(world.jobs[name], starved=True, message="OOMKilled: too little")


def failed(outcome: str = "Failed") -> World:
    """A first training whose attempts have all failed."""
    world = World()
    world.step()
    for _ in range(3 if outcome == "Failed" else 1):
        world.end_job(TrainingOutcome(outcome=outcome, message="no memory"), succeeded=False)
        world.step()
        world.step(after=timedelta(minutes=5))
    world.settle()
    assert world.condition("Trained") == ("False", outcome)
    return world


def keys(world: World) -> list[str]:
    return [start.task.key for start in world.tasks.values()]


def test_a_job_that_runs_out_of_memory_is_made_again_once_its_limit_is_raised():
    world = World()
    world.step()
    starve(world)
    world.step()
    assert world.condition("Trained") == ("Unknown", "InProgress")
    assert "OOMKilled" in world.message("Trained")
    (former,) = world.jobs.values()
    give(world, resources=memory("8Gi"))
    world.step()
    assert world.jobs == {}
    world.step()
    (present,) = world.jobs.values()
    assert (present.name, present.starved) == (former.name, False)
    assert present.means == means(HousingModelSpec.model_validate(world.spec)) != former.means
    assert world.status["training"]["attempt"] == 1
    assert world.events == ["TrainingStarted", "TrainingReplaced"]
    made = world.settle()
    assert made.actions == ()


@pytest.mark.parametrize(
    ("starved", "raised", "made_by"),
    [
        pytest.param(False, True, "means", id="nothing is wrong with it"),
        pytest.param(True, False, "means", id="nothing was raised"),
        pytest.param(True, True, None, id="made by an operator that did not write it down"),
    ],
)
def test_a_job_is_left_alone_otherwise(starved, raised, made_by):
    world = World()
    world.step()
    if starved:
        starve(world)
    if raised:
        give(world, resources=memory("8Gi"))
    if made_by is None:
        world.jobs = {name: replace(job, means=None) for name, job in world.jobs.items()}
    before = dict(world.jobs)
    world.settle()
    assert world.jobs == before
    assert len(world.tasks) == 1


def test_a_job_whose_pod_is_lost_is_made_again_and_the_attempt_goes_on():
    world = World()
    world.step()
    (former,) = world.jobs.values()
    world.jobs[former.name] = replace(former, lost=True, message="node node-1 is silent")
    world.step()
    assert world.jobs == {}
    world.step()
    (present,) = world.jobs.values()
    assert (present.name, present.lost) == (former.name, False)
    assert world.status["training"]["attempt"] == 1
    assert world.events == ["TrainingStarted", "TrainingReplaced"]
    assert world.settle().actions == ()


def test_a_lost_pod_does_not_keep_an_attempt_beyond_its_time():
    world = World()
    world.step()
    (former,) = world.jobs.values()
    over = replace(
        former, lost=True, finished=True, reason="DeadlineExceeded", message="too long; it is lost"
    )
    world.jobs[former.name] = over
    world.step()
    assert world.condition("Trained") == ("Unknown", "RetryPending")
    assert "too long; it is lost" in world.message("Trained")
    world.step(after=timedelta(minutes=1))
    assert world.status["training"]["attempt"] == 2
    assert len(set(keys(world))) == 1


def test_the_next_attempt_does_not_wait_for_its_time_once_it_is_given_more():
    world = World()
    world.step()
    world.end_job(None, succeeded=False)
    world.step()
    assert world.condition("Trained") == ("Unknown", "RetryPending")
    give(world, resources=memory("8Gi"))
    world.step()
    assert world.status["training"]["attempt"] == 2
    assert len(set(keys(world))) == 1


@pytest.mark.parametrize(
    "mended",
    [
        pytest.param({"resources": memory("8Gi")}, id="memory"),
        pytest.param({"timeout": "6h"}, id="time"),
        pytest.param({"env": [{"name": "AWS_REGION", "value": "eu-west-1"}]}, id="variables"),
    ],
)
def test_a_failed_training_goes_on_under_its_key_when_it_is_given_more(mended):
    world = failed()
    former = world.status["training"]
    give(world, **mended)
    world.step()
    training = world.status["training"]
    assert (training["key"], training["attempt"]) == (former["key"], 4)
    assert training["jobName"] not in (former["jobName"], "")
    assert (training["trigger"], training["token"]) == ("Spec", "generation-2")
    assert world.events[-1] == "TrainingResumed"
    assert world.condition("Trained") == ("Unknown", "InProgress")
    world.train()
    world.settle()
    assert world.status["production"]["version"] == "1"
    assert world.status["retraining"]["failures"] == 0
    assert len(set(keys(world))) == 1


def test_a_failed_training_that_fails_again_waits_for_the_next_change():
    world = failed()
    give(world, resources=memory("8Gi"))
    world.step()
    world.end_job(None, succeeded=False)
    world.settle()
    assert world.condition("Trained") == ("False", "Failed")
    assert len(world.tasks) == 4
    give(world, resources=memory("16Gi"))
    world.step()
    assert world.status["training"]["attempt"] == 5


def test_a_failed_training_goes_on_when_a_person_asks_for_one():
    world = failed()
    world.annotations[REQUEST] = "now"
    world.step()
    training = world.status["training"]
    assert (training["trigger"], training["token"], training["attempt"]) == ("Request", "now", 4)
    assert len(set(keys(world))) == 1
    world.settle()
    assert len(world.tasks) == 4
    world.train()
    world.settle()
    assert world.status["production"]["version"] == "1"


def test_a_failed_training_goes_on_only_when_mlflow_answers_and_nobody_has_suspended_it():
    world = failed()
    give(world, resources=memory("8Gi"))
    world.spec = world.spec | {"suspend": True}
    world.step()
    assert world.condition("RetrainingBlocked") == ("True", "Suspended")
    world.spec = world.spec | {"suspend": False}
    world.mlflow = False
    world.step()
    assert world.condition("RetrainingBlocked") == ("True", "RegistryUnavailable")
    world.mlflow = True
    world.step()
    assert world.status["training"]["attempt"] == 4


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"training": {"seed": 7}}, id="another model"),
        pytest.param(
            {"training": {"seed": 7, "resources": memory("8Gi")}}, id="another model and memory"
        ),
    ],
)
def test_a_changed_recipe_is_another_training(change):
    world = failed()
    world.spec = world.spec | change
    world.generation = 2
    world.step()
    assert world.status["training"]["attempt"] == 1
    assert len(set(keys(world))) == 2


def test_data_that_cannot_be_trained_on_are_another_training_when_a_person_asks():
    world = failed("InvalidData")
    give(world, resources=memory("8Gi"))
    world.settle()
    assert len(world.tasks) == 1
    world.annotations[REQUEST] = "now"
    world.step()
    assert world.status["training"]["attempt"] == 1
    assert len(set(keys(world))) == 2


def test_drift_after_a_failed_training_is_another_training():
    world = World().in_production()
    world.report("r1")
    world.step()
    for _ in range(3):
        world.end_job(None, succeeded=False)
        world.step()
        world.step(after=timedelta(minutes=5))
    world.settle()
    world.report("r2")
    world.step(after=timedelta(hours=24))
    assert world.status["training"]["token"] == "r2-f0"
    assert world.status["training"]["attempt"] == 1
