"""Whole stories, told to the planner pass by pass."""

from dataclasses import replace
from datetime import timedelta

import pytest

from housing_core.tasks import TrainingOutcome
from housing_core.times import parse_time
from housing_operator.plan import MoveAlias, StartTraining
from tests.unit.operator.world import World, comparison


def test_a_new_model_is_trained_staged_and_promoted():
    world = World()
    world.step()
    assert world.condition("Ready") == ("False", "Training")
    assert world.condition("Trained") == ("Unknown", "InProgress")
    world.train()
    world.settle()
    assert world.status["production"]["version"] == "1"
    assert world.status["staging"]["version"] == "1"
    assert world.aliases == {"production": "1", "staging": "1"}
    assert world.condition("Ready") == ("True", "ProductionAnswers")
    assert world.condition("Trained") == ("True", "Registered")
    assert world.events == [
        "TrainingStarted",
        "VersionRegistered",
        "GatesPassed",
        "StagingPassed",
        "Promoted",
    ]


def test_a_settled_model_asks_for_nothing():
    world = World().in_production()
    before = world.status
    for _ in range(3):
        made = world.step()
        assert made.actions == ()
        assert made.events == ()
    assert world.status == before


def test_the_same_pass_twice_starts_one_training():
    world = World(actions_succeed=False)
    first = world.step()
    second = world.step()
    assert [a.job_name for a in first.actions if isinstance(a, StartTraining)] == [
        a.job_name for a in second.actions if isinstance(a, StartTraining)
    ]
    assert world.status["training"]["attempt"] == 1


def test_a_pass_whose_status_was_never_written_plans_the_same_job():
    names = {
        action.job_name
        for _ in range(2)
        for action in World().step().actions
        if isinstance(action, StartTraining)
    }
    assert len(names) == 1


def test_a_deleted_job_is_made_again_under_its_name():
    world = World()
    world.step()
    (name,) = world.jobs
    world.jobs.clear()
    world.step()
    assert list(world.jobs) == [name]


def test_a_changed_spec_abandons_the_training_under_way():
    world = World()
    world.step()
    (former,) = world.jobs
    world.spec = world.spec | {"training": {"seed": 7}}
    world.generation = 2
    world.step()
    (present,) = world.jobs
    assert present != former
    assert world.status["training"]["token"] == "generation-2"


def test_plumbing_and_schedules_train_nothing():
    world = World().in_production()
    world.spec = world.spec | {
        "training": {"timeout": "3h", "nodeSelector": {"a": "b"}},
        "monitoring": {"schedule": "5 * * * *"},
        "serving": {"maxRows": 5},
    }
    world.generation = 2
    world.settle()
    assert len(world.tasks) == 1
    assert world.status["observedGeneration"] == 2


def test_going_back_to_a_former_spec_trains_again():
    world = World().in_production()
    former = world.spec
    world.spec = former | {"training": {"seed": 7}}
    world.generation = 2
    world.step()
    world.train(compared=comparison("1"))
    world.settle()
    world.spec = former
    world.generation = 3
    world.step()
    assert len(world.tasks) == 3


def test_a_stored_spec_without_a_newer_default_field_is_the_same_spec():
    world = World().in_production()
    del world.status["training"]["spec"]["training"]["seed"]
    world.settle()
    assert len(world.tasks) == 1


def test_failed_attempts_are_retried_with_growing_waits_and_then_given_up():
    world = World()
    world.step()
    waits = []
    for _ in range(2):
        world.end_job(None, succeeded=False)
        made = world.step()
        waits.append(parse_time(world.status["training"]["retryAt"]) - world.now)
        assert made.requeue_after == timedelta(seconds=30)  # a resync comes before two minutes
        assert world.condition("Trained") == ("Unknown", "RetryPending")
        world.step(after=timedelta(minutes=5))
    world.end_job(
        TrainingOutcome(outcome="Failed", message="MLflow did not answer"), succeeded=False
    )
    world.settle()
    assert world.condition("Trained") == ("False", "Failed")
    assert "MLflow did not answer" in world.message("Trained")
    assert "housing-operator.dev/retrain" in world.message("Trained")
    assert waits == [timedelta(seconds=30), timedelta(minutes=2)]
    assert len(world.tasks) == 3
    assert len({task.task.key for task in world.tasks.values()}) == 1
    assert world.events.count("TrainingFailed") == 1


def test_bad_data_is_terminal_and_said_in_status():
    world = World()
    world.step()
    world.end_job(
        TrainingOutcome(outcome="InvalidData", message="column 'price' is not in the data"),
        succeeded=False,
    )
    world.settle()
    assert world.condition("Trained") == ("False", "InvalidData")
    assert world.condition("Ready") == ("False", "InvalidData")
    assert "column 'price' is not in the data" in world.message("Ready")
    assert len(world.tasks) == 1


def test_a_person_asks_for_a_training_once_per_token():
    world = World().in_production()
    world.annotations["housing-operator.dev/retrain"] = "please"
    world.step()
    world.train(compared=comparison("1"))
    world.settle()
    assert world.status["retraining"]["handledRequest"] == "please"
    assert world.status["production"]["version"] == "2"
    assert len(world.tasks) == 2


def test_a_registered_version_counts_even_when_its_job_is_gone():
    world = World()
    world.step()
    world.add_version("1", key=world.status["training"]["key"])
    world.jobs.clear()
    world.settle()
    assert world.status["production"]["version"] == "1"


def test_a_warning_of_a_version_is_told_once_and_stays_in_status():
    world = World()
    world.step()
    number = world.train()
    facts = world.facts[number]
    warning = "column 'price_usd' may give the price away"
    inputs = facts.inputs.model_copy(update={"warnings": [warning]})
    world.facts[number] = replace(facts, inputs=inputs)
    told = {event.reason: (event.kind, event.message) for event in world.step().events}
    assert told["CheckTheData"] == ("Warning", f"version 1: {warning}")
    assert told["VersionRegistered"] == (
        "Normal",
        "version 1 is registered, macro F1 0.7700 on the holdout (95 % interval 0.7400 to 0.8000)",
    )
    world.settle()
    assert world.events.count("CheckTheData") == 1
    assert world.status["inputs"]["warnings"] == [warning]


def test_status_and_event_say_how_many_rows_came_to_feedback():
    world = World()
    world.step()
    number = world.train()
    facts = world.facts[number]
    summary = facts.summary.model_copy(update={"feedback_rows": 30})
    world.facts[number] = replace(facts, summary=summary)
    (told,) = (
        event.message for event in world.step().events if event.reason == "VersionRegistered"
    )
    assert told.endswith("; 30 of the 1000 rows came to /feedback")
    assert world.status["training"]["message"] == told


def test_of_two_versions_with_one_key_the_lower_counts():
    world = World()
    world.step()
    key = world.status["training"]["key"]
    world.add_version("1", key=key)
    world.add_version("2", key=key)
    world.settle()
    assert world.status["production"]["version"] == "1"


def test_training_waits_for_mlflow_and_says_so():
    world = World(mlflow=False)
    world.step()
    assert world.tasks == {}
    assert world.condition("Trained") == ("False", "RegistryUnavailable")
    assert world.condition("RetrainingBlocked") == ("True", "RegistryUnavailable")
    world.mlflow = True
    world.step()
    assert len(world.tasks) == 1


def test_an_outage_of_mlflow_leaves_a_ready_model_ready():
    world = World().in_production()
    world.mlflow = False
    world.settle()
    assert world.condition("Ready") == ("True", "ProductionAnswers")
    assert world.condition("Degraded") == ("True", "RegistryUnavailable")


def test_suspend_stops_the_job_and_goes_on_under_the_same_key():
    world = World()
    world.step()
    key = world.status["training"]["key"]
    world.spec = world.spec | {"suspend": True}
    world.settle()
    assert world.jobs == {}
    world.spec = world.spec | {"suspend": False}
    world.step()
    assert len(world.jobs) == 1
    assert world.status["training"]["key"] == key


def test_what_is_asked_of_a_suspended_model_is_done_when_it_goes_on():
    world = World().in_production()
    world.spec = world.spec | {"suspend": True}
    world.annotations["housing-operator.dev/retrain"] = "now"
    world.settle()
    assert len(world.tasks) == 1
    assert world.condition("RetrainingBlocked") == ("True", "Suspended")
    world.spec = world.spec | {"suspend": False}
    world.step()
    assert len(world.tasks) == 2


def test_suspend_keeps_production_answering_and_stops_the_monitor():
    world = World().in_production()
    world.spec = world.spec | {"suspend": True}
    made = world.settle()
    assert made.production.version == "1"
    assert made.monitoring is False
    assert world.condition("Ready")[0] == "True"


def test_a_spec_of_another_version_is_left_alone_and_named():
    world = World().in_production()
    world.spec = world.spec | {"colour": "blue"}
    world.generation = 2
    made = world.step()
    assert made.spec is None
    assert made.actions == ()
    assert world.condition("Ready") == ("False", "InvalidSpec")
    assert "spec.colour" in world.message("Ready")
    assert "blue" in world.message("Ready")
    assert world.step().events == ()


def test_more_mistakes_than_status_has_room_for_are_told_once():
    world = World().in_production()
    world.spec = world.spec | {f"unknown{n}": n for n in range(200)}
    assert [event.reason for event in world.step().events] == ["InvalidSpec"]
    assert world.step().events == ()


def test_jobs_of_former_trainings_are_deleted():
    world = World().in_production()
    (former,) = world.jobs
    world.annotations["housing-operator.dev/retrain"] = "1"
    world.step()
    assert former not in world.jobs
    assert len(world.jobs) == 1


@pytest.mark.parametrize("alias", ["production", "staging"])
def test_a_half_done_alias_move_is_finished_not_taken_for_a_person(alias):
    world = World().in_production()
    world.annotations["housing-operator.dev/retrain"] = "1"
    world.step()
    world.train(compared=comparison("1"))
    while not any(isinstance(a, MoveAlias) and a.alias == alias for a in world.last.actions):
        # The operator dies between writing its intent and moving the alias, at every step.
        world.actions_succeed = False
        world.step()
        world.actions_succeed = True
        world.step()
    world.settle()
    assert world.aliases == {"production": "2", "staging": "2"}
    assert "AliasMoved" not in world.events
