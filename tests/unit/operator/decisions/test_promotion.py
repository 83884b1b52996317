"""A version's way to production: staging, approval, rollback, and people who move aliases."""

from dataclasses import replace
from datetime import timedelta

from housing_operator.plan import MoveAlias, RejectVersion
from tests.unit.operator.world import World, comparison

TIMEOUT = timedelta(minutes=11)


def second_version(world: World, macro_f1: float = 0.78, **compared: float) -> World:
    world.annotations["housing-operator.dev/retrain"] = f"t{len(world.versions)}"
    world.step()
    world.train(macro_f1, comparison(world.status["production"]["version"], **compared))
    return world


def test_a_version_that_mlflow_knows_as_rejected_is_not_tried():
    world = World().in_production()
    world.annotations["housing-operator.dev/retrain"] = "now"
    world.step()
    version = world.train(compared=comparison("1"))
    world.versions[version] = replace(world.versions[version], rejected="golden row 3 differs")
    world.settle()
    assert "candidate" not in world.status
    assert world.aliases == {"production": "1", "staging": "1"}


def test_a_worse_version_is_rejected_with_its_numbers_and_production_stays():
    world = second_version(World().in_production(), champion_f1=0.80, challenger_f1=0.70)
    world.settle()
    assert world.status["production"]["version"] == "1"
    assert world.aliases == {"production": "1", "staging": "1"}
    (rejected,) = world.status["rejectedVersions"]
    assert rejected["version"] == "2"
    assert "0.7000 against 0.8000" in rejected["reason"]
    assert world.versions["2"].rejected
    assert world.condition("Ready") == ("True", "ProductionAnswers")


def test_a_boundary_that_moves_too_far_is_rejected_in_money():
    world = World().in_production()
    world.annotations["housing-operator.dev/retrain"] = "1"
    world.step()
    moved = comparison("1").model_copy(update={"champion_boundaries": [100.0, 20.0]})
    world.train(0.8, moved)
    world.settle()
    assert "from 20 to 200" in world.status["rejectedVersions"][0]["reason"]


def test_boundaries_of_other_classes_are_not_compared():
    world = World().in_production()
    world.annotations["housing-operator.dev/retrain"] = "1"
    world.step()
    world.train(0.8, comparison("1").model_copy(update={"champion_boundaries": [20.0]}))
    world.settle()
    assert world.status["production"]["version"] == "2"


def test_the_first_version_below_the_floor_leaves_the_model_unready_and_says_why():
    world = World()
    world.step()
    world.train(macro_f1=0.3)
    world.settle()
    assert world.condition("Ready") == ("False", "VersionRejected")
    assert "0.3000" in world.message("Ready")
    assert world.aliases == {}


def test_a_version_that_no_staging_pod_can_serve_is_rolled_back():
    world = World().in_production()
    world.broken.add("2")
    second_version(world)
    world.settle()
    assert world.aliases["staging"] == "2"
    world.step(after=TIMEOUT)
    world.settle()
    assert world.aliases == {"production": "1", "staging": "1"}
    assert world.status["staging"]["version"] == "1"
    assert "golden row 3 differs" in world.status["rejectedVersions"][0]["reason"]
    assert world.condition("Ready") == ("True", "ProductionAnswers")


def test_a_slow_version_does_not_reach_production():
    world = World().in_production()
    world.latency = 0.2
    second_version(world)
    world.settle()
    world.step(after=TIMEOUT)
    world.settle()
    assert world.status["production"]["version"] == "1"
    assert "200.0 ms" in world.status["rejectedVersions"][0]["reason"]


def test_a_failed_production_rollout_restores_version_and_aliases():
    world = second_version(World().in_production())
    world.step()
    world.step()
    assert world.status["candidate"]["step"] == "Production"
    world.broken.add("2")
    world.production = world._roll(world._roll(world.production, "1"), "2")
    world.settle()
    assert world.condition("Ready") == ("True", "ProductionAnswers")
    world.step(after=TIMEOUT)
    made = world.settle()
    assert made.production.version == "1"
    assert world.aliases == {"production": "1", "staging": "1"}
    assert "RolledBack" in world.events
    assert world.status["history"][0]["event"] == "RolledBack"


def test_a_rollout_that_a_person_pauses_is_not_held_against_the_version():
    world = second_version(World().in_production())
    world.step()
    assert world.status["candidate"]["step"] == "Staging"
    world.paused = True
    world.settle()
    for _ in range(3):
        world.step(after=TIMEOUT)
    assert world.status["candidate"]["version"] == "2"
    assert not world.status.get("rejectedVersions")
    world.paused = False
    world.step()
    world.settle()
    assert world.status["production"]["version"] == "2"


def test_a_rejected_version_is_not_tried_again():
    world = second_version(World().in_production(), champion_f1=0.9, challenger_f1=0.5)
    world.settle()
    for _ in range(5):
        assert world.step(after=timedelta(hours=1)).actions == ()


def test_a_rejection_that_did_not_reach_mlflow_is_written_again():
    world = second_version(World().in_production(), champion_f1=0.9, challenger_f1=0.5)
    world.actions_succeed = False
    world.step()
    world.actions_succeed = True
    assert world.versions["2"].rejected is None
    world.settle()
    assert world.versions["2"].rejected


def test_an_outage_of_mlflow_is_not_held_against_a_rollout():
    world = World().in_production()
    world.broken.add("2")
    second_version(world)
    world.settle()
    world.mlflow = False
    world.step(after=TIMEOUT)
    world.mlflow = True
    world.step()
    assert world.status["candidate"]["version"] == "2"


def test_manual_mode_waits_for_an_approval_that_names_the_version():
    world = World()
    world.spec = world.spec | {"promotion": {"mode": "Manual"}}
    world.step()
    world.train()
    world.settle()
    assert world.condition("Ready") == ("False", "ApprovalNeeded")
    assert "housing-operator.dev/approve=1" in world.message("Ready")
    world.annotations["housing-operator.dev/approve"] = "7"
    world.settle()
    assert world.status["candidate"]["step"] == "Approval"
    world.annotations["housing-operator.dev/approve"] = "1"
    world.settle()
    assert world.status["production"]["version"] == "1"


def test_suspend_holds_a_version_on_its_way_and_lets_it_go_on():
    world = second_version(World().in_production())
    world.step()
    step = world.status["candidate"]["step"]
    world.spec = world.spec | {"suspend": True}
    world.settle()
    assert world.status["candidate"]["version"] == "2"
    assert world.status["candidate"]["step"] == step
    assert world.aliases["production"] == "1"
    world.spec = world.spec | {"suspend": False}
    world.settle()
    assert world.status["production"]["version"] == "2"


def test_a_person_moving_production_is_obeyed_even_to_a_rejected_version():
    world = second_version(World().in_production(), champion_f1=0.9, challenger_f1=0.5)
    world.settle()
    world.aliases["production"] = "2"
    world.settle()
    assert world.status["production"]["version"] == "2"
    assert world.versions["2"].rejected is None
    assert world.status.get("rejectedVersions") == []
    assert "AliasMoved" in world.events


def test_a_rejection_is_taken_back_again_where_mlflow_did_not_hear_it():
    world = second_version(World().in_production(), champion_f1=0.9, challenger_f1=0.5)
    world.settle()
    world.aliases["production"] = "2"
    world.actions_succeed = False
    world.step()
    world.actions_succeed = True
    assert world.versions["2"].rejected
    world.step()
    assert world.versions["2"].rejected is None


def test_a_person_moving_production_to_a_broken_version_is_undone():
    world = second_version(World().in_production(), champion_f1=0.9, challenger_f1=0.5)
    world.settle()
    world.broken.add("2")
    world.aliases["production"] = "2"
    world.settle()
    assert world.condition("Ready")[0] == "True"
    world.step(after=TIMEOUT)
    world.settle()
    assert world.aliases["production"] == "1"
    assert world.status["production"]["version"] == "1"


def test_a_person_moving_staging_stages_the_version_and_promotes_nothing():
    world = second_version(World().in_production(), champion_f1=0.9, challenger_f1=0.5)
    world.settle()
    world.aliases["staging"] = "2"
    made = world.settle()
    assert made.staging.version == "2"
    assert world.status["production"]["version"] == "1"
    assert "candidate" not in world.status


def test_a_removed_alias_leaves_the_pods_serving():
    world = World().in_production()
    del world.aliases["production"]
    made = world.settle()
    assert made.production.version == "1"
    assert "AliasRemoved" in world.events


def test_a_model_that_comes_back_takes_up_the_aliases_that_it_left():
    world = World().in_production()
    world.status = {}
    world.jobs = {}
    world.step()
    world.settle()
    assert world.status["production"]["version"] == "1"


def test_a_version_deleted_on_its_way_is_given_up():
    world = second_version(World().in_production())
    world.broken.add("2")
    world.settle()
    del world.versions["2"]
    made = world.step()
    assert not [action for action in made.actions if isinstance(action, RejectVersion)]
    world.settle()
    assert world.status["staging"]["version"] == "1"
    assert "not in MLflow any more" in world.status["rejectedVersions"][0]["reason"]


def test_nothing_goes_back_to_a_version_that_is_deleted_by_then():
    world = World().in_production()
    world.add_version("2")
    world.aliases["staging"] = "2"
    world.settle()
    world.broken.add("3")
    second_version(world)
    world.settle()
    assert world.aliases["staging"] == "3"
    del world.versions["2"]
    world.step(after=TIMEOUT)
    world.settle()
    assert world.aliases == {"production": "1"}
    assert "staging" not in world.status


def test_a_move_to_a_version_that_is_deleted_by_then_is_dropped():
    world = second_version(World().in_production())
    world.step()
    world.step()
    world.actions_succeed = False
    made = world.step()
    assert made.actions == (MoveAlias("production", "2"),)
    del world.versions["2"]
    made = world.step()
    assert not [action for action in made.actions if isinstance(action, MoveAlias)]
    assert world.status["aliases"]["intent"] == []


def test_a_new_pod_may_not_be_ready_on_a_fallback_before_its_version_is_confirmed():
    world = World().in_production()
    world.broken.add("2")
    second_version(world)
    made = world.settle()
    assert (made.staging.version, made.staging.confirmed_version) == ("2", None)
    assert (made.production.version, made.production.confirmed_version) == ("1", "1")


def test_while_mlflow_is_away_a_version_on_its_way_is_not_written_at_every_pass():
    world = World().in_production()
    world.broken.add("2")
    second_version(world)
    world.settle()
    world.mlflow = False
    world.step()
    written = set()
    for _ in range(60):
        world.step(after=timedelta(seconds=1))
        written.add(world.status["candidate"]["since"])
    assert len(written) <= 3
    world.step(after=TIMEOUT)
    world.mlflow = True
    world.step()
    assert world.status["candidate"]["version"] == "2"


def test_a_training_that_ends_during_a_persons_rollout_does_not_undo_it():
    world = World().in_production()
    world.annotations["housing-operator.dev/retrain"] = "1"
    world.step()
    world.add_version("2")
    world.aliases["production"] = "2"
    world.step()
    assert world.status["candidate"]["byPerson"]
    world.train(compared=comparison("1"))
    world.settle()
    assert world.status["production"]["version"] == "2"
    assert world.aliases["production"] == "2"
    (rejected,) = world.status["rejectedVersions"]
    assert rejected["version"] == "3"
    assert "not compared with version 2" in rejected["reason"]
