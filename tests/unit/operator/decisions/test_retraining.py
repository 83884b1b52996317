"""What asks for a retraining, and what holds it back."""

from datetime import timedelta

import pytest

from housing_core.tasks import TrainingOutcome
from housing_core.times import format_time, parse_time
from tests.unit.operator.world import START, World, comparison

HOUR = timedelta(hours=1)


def drifted(**retraining: object) -> World:
    world = World()
    world.spec = world.spec | {"retraining": retraining}
    world.in_production().report("r1")
    return world


def retrain(world: World) -> None:
    world.train(compared=comparison(world.status["production"]["version"]))
    world.settle()


def test_a_drift_report_about_production_trains_once():
    world = drifted()
    world.step()
    task = world.last.actions[0].task
    assert (task.trigger, task.token, task.needs_new_rows) == ("Drift", "r1-f0", True)
    assert task.production_version == "1"
    retrain(world)
    assert world.status["production"]["version"] == "2"
    assert len(world.tasks) == 2


def test_a_report_is_answered_once_also_when_what_it_led_to_is_rejected():
    world = drifted(cooldown="1s")
    world.step()
    world.train(compared=comparison("1", 0.9, 0.5))
    world.settle()
    assert world.status["production"]["version"] == "1"
    world.step(after=HOUR)
    assert len(world.tasks) == 2


@pytest.mark.parametrize(
    ("report", "spec"),
    [
        pytest.param({"modelVersion": "7"}, {}, id="about another version"),
        pytest.param({"verdict": "Stable"}, {}, id="stable"),
        pytest.param({"verdict": "NotEnoughData"}, {}, id="not enough data"),
        pytest.param({}, {"onDrift": False}, id="switched off"),
    ],
)
def test_a_report_that_asks_for_nothing_trains_nothing(report, spec):
    world = World()
    world.spec = world.spec | {"retraining": spec}
    world.in_production()
    world.report("r1", **({"verdict": "Drift"} | report))
    world.settle()
    assert len(world.tasks) == 1
    assert world.condition("RetrainingBlocked") == ("False", "NotBlocked")


def test_cooldown_holds_the_next_one_back_and_says_until_when():
    world = drifted(cooldown="6h")
    world.step()
    started = world.now
    retrain(world)
    world.report("r2")
    made = world.step(after=HOUR)
    assert world.condition("RetrainingBlocked") == ("True", "Cooldown")
    assert format_time(started + 6 * HOUR) in world.message("RetrainingBlocked")
    assert made.actions == ()
    world.step(after=5 * HOUR)
    assert len(world.tasks) == 3


def test_a_cooldown_of_days_outlives_a_training_that_a_person_asks_for():
    world = drifted(cooldown="72h")
    world.step()
    retrain(world)
    world.annotations["housing-operator.dev/retrain"] = "now"
    world.step(after=30 * HOUR)
    retrain(world)
    world.report("r2")
    world.step(after=HOUR)
    assert world.condition("RetrainingBlocked") == ("True", "Cooldown")


def test_the_daily_budget_holds_back_until_the_oldest_start_is_a_day_old():
    world = drifted(cooldown="1s", maxPerDay=1)
    world.step()
    started = world.now
    retrain(world)
    world.report("r2")
    world.step(after=HOUR)
    assert world.condition("RetrainingBlocked") == ("True", "BudgetExhausted")
    world.now = started
    world.step(after=24 * HOUR)
    assert len(world.tasks) == 3


def test_a_budget_that_was_lowered_is_free_when_the_newest_start_is_a_day_old():
    world = drifted(cooldown="1s", maxPerDay=2)
    world.step()
    retrain(world)
    world.report("r2")
    world.step(after=HOUR)
    second = world.now
    retrain(world)
    world.spec = world.spec | {"retraining": {"cooldown": "1s", "maxPerDay": 1}}
    world.report("r3")
    world.step(after=HOUR)
    assert world.condition("RetrainingBlocked") == ("True", "BudgetExhausted")
    assert format_time(second + 24 * HOUR) in world.message("RetrainingBlocked")


def test_a_person_is_not_held_back_by_cooldown_and_budget():
    world = drifted(cooldown="24h", maxPerDay=1)
    world.step()
    retrain(world)
    world.annotations["housing-operator.dev/retrain"] = "now"
    world.step()
    assert len(world.tasks) == 3


def test_no_new_data_blocks_uses_no_budget_and_goes_on_when_the_listing_changes():
    world = drifted(cooldown="6h", maxPerDay=1)
    world.step()
    world.end_job(TrainingOutcome(outcome="NoNewData", dataset_fingerprint="f0"))
    world.settle()
    assert world.condition("RetrainingBlocked") == ("True", "NoNewData")
    assert world.condition("Trained")[0] == "True"
    assert world.status["retraining"]["starts"] == []
    assert len(world.versions) == 1
    world.report("r2", datasetFingerprint="f0")
    world.settle()
    assert len(world.tasks) == 2
    world.report("r2", datasetFingerprint="f1")
    world.step()
    assert len(world.tasks) == 3
    retrain(world)
    assert world.status["production"]["version"] == "2"
    assert world.condition("RetrainingBlocked") == ("False", "NotBlocked")


def test_a_listing_that_cannot_be_read_does_not_end_the_block():
    world = drifted()
    world.step()
    world.end_job(TrainingOutcome(outcome="NoNewData", dataset_fingerprint="f0"))
    world.settle()
    world.report("r2", datasetFingerprint=None)
    world.settle()
    assert world.condition("RetrainingBlocked") == ("True", "NoNewData")


@pytest.mark.parametrize("read", ["f1", None], ids=["changed since the report", "unknown"])
def test_no_new_data_in_another_listing_than_the_reports_waits_for_the_next_report(read):
    world = drifted()
    world.step()
    world.end_job(TrainingOutcome(outcome="NoNewData", dataset_fingerprint=read))
    world.settle()
    assert world.condition("RetrainingBlocked") == ("True", "NoNewData")
    assert world.events.count("NoNewData") == 1
    world.report("r2", datasetFingerprint="f2")
    world.step()
    assert len(world.tasks) == 3


def test_drift_that_went_away_ends_the_block():
    world = drifted()
    world.step()
    world.end_job(TrainingOutcome(outcome="NoNewData", dataset_fingerprint="f0"))
    world.settle()
    world.report("r2", verdict="Stable")
    world.settle()
    assert world.condition("RetrainingBlocked") == ("False", "NotBlocked")


def rejected(**retraining: object) -> World:
    """Drift made a version of the listing f0 that failed a gate; its cooldown is over."""
    world = drifted(cooldown="1s", **retraining)
    world.step()
    world.train(compared=comparison("1", 0.9, 0.5))
    world.settle()
    world.step(after=HOUR)
    assert world.status["rejectedVersions"][0]["version"] == "2"
    assert len(world.tasks) == 2
    return world


@pytest.mark.parametrize("listing", ["f0", None], ids=["the same", "cannot be read"])
def test_drift_does_not_train_again_on_what_made_a_rejected_version(listing):
    world = rejected()
    for hour in range(30):
        world.report(f"r{hour + 2}", datasetFingerprint=listing)
        world.step(after=HOUR)
    assert len(world.tasks) == 2
    assert world.condition("RetrainingBlocked") == ("True", "SameDataRejected")
    message = world.message("RetrainingBlocked")
    assert "version 2 was trained on, which was rejected (maxMacroF1Drop: macro F1 0.5" in message
    assert "add files with newer listings under spec.dataset.uri" in message


def new_data(world: World) -> None:
    world.report("r2", datasetFingerprint="f1")


def loosened_gate(world: World) -> None:
    world.spec = world.spec | {"promotion": {"gates": {"maxMacroF1Drop": 0.5}}}
    world.generation += 1
    world.report("r2")


def asked(world: World) -> None:
    world.annotations["housing-operator.dev/retrain"] = "now"


def another_production(world: World) -> None:
    world.add_version("3")
    world.aliases["production"] = "3"
    world.settle()
    world.report("r2")


@pytest.mark.parametrize("change", [new_data, loosened_gate, asked, another_production])
def test_after_a_rejection_it_goes_on_once_data_spec_or_a_person_change_something(change):
    world = rejected()
    world.report("r2")
    world.step()
    assert world.condition("RetrainingBlocked") == ("True", "SameDataRejected")
    change(world)
    world.step()
    assert len(world.tasks) == 3
    assert "refused" not in world.status["retraining"]


def test_the_schedule_waits_for_other_data_too():
    world = rejected()
    world.report("r2", verdict="Stable")
    world.schedule_due = world.now + HOUR
    world.step(after=2 * HOUR)
    assert world.condition("RetrainingBlocked") == ("True", "SameDataRejected")
    world.report("r3", verdict="Stable", datasetFingerprint="f1")
    world.step()
    assert world.status["training"]["trigger"] == "Schedule"


def test_a_rollout_that_failed_is_not_repeated_with_the_same_data():
    world = drifted(cooldown="1s")
    world.step()
    world.broken.add("2")
    world.train(compared=comparison("1"))
    world.settle()
    world.step(after=HOUR)
    assert world.status["rejectedVersions"][0]["version"] == "2"
    world.report("r2")
    world.step(after=HOUR)
    assert world.condition("RetrainingBlocked") == ("True", "SameDataRejected")


def test_a_version_that_could_not_be_judged_is_made_again():
    world = drifted(cooldown="1s")
    world.step()
    world.train()
    world.settle()
    assert "not compared" in world.status["rejectedVersions"][0]["reason"]
    world.report("r2")
    world.step(after=HOUR)
    assert len(world.tasks) == 3


def test_failures_back_off_longer_each_time():
    world = drifted(cooldown="1s", maxPerDay=100)
    waits = []
    for n in range(2, 5):
        world.step()
        world.end_job(TrainingOutcome(outcome="InvalidData", message="empty"), succeeded=False)
        world.settle()
        failed = parse_time(world.status["training"]["finishedAt"])
        world.report(f"r{n}")
        world.step()
        assert world.condition("RetrainingBlocked") == ("True", "FailureBackoff")
        while world.condition("RetrainingBlocked")[1] == "FailureBackoff":
            world.step(after=timedelta(minutes=1))
        waits.append(round((world.now - failed) / timedelta(minutes=10)))
    assert waits == [1, 2, 4]


def test_while_a_version_waits_for_approval_drift_trains_no_further_one():
    world = World()
    world.in_production()
    world.spec = world.spec | {"promotion": {"mode": "Manual"}}
    world.annotations["housing-operator.dev/retrain"] = "1"
    world.step()
    retrain(world)
    world.report("r9")
    world.settle()
    assert world.condition("RetrainingBlocked") == ("True", "CandidateInProgress")


def test_the_schedule_trains_once_per_date_and_skips_dates_before_the_last_training():
    world = World()
    world.schedule_due = START - HOUR
    world.in_production()
    assert len(world.tasks) == 1
    world.schedule_due = world.now + HOUR
    world.step(after=2 * HOUR)
    assert world.status["training"]["trigger"] == "Schedule"
    retrain(world)
    world.settle()
    assert len(world.tasks) == 2


def test_a_schedule_without_new_rows_stays_pending():
    world = World().in_production()
    world.schedule_due = world.now + HOUR
    world.step(after=2 * HOUR)
    world.end_job(TrainingOutcome(outcome="NoNewData", dataset_fingerprint="f0"))
    world.settle()
    assert world.condition("RetrainingBlocked") == ("True", "NoNewData")
    world.report("r1", verdict="Stable", datasetFingerprint="f1")
    world.step()
    assert len(world.tasks) == 3


def test_a_training_by_spec_answers_the_report_that_was_there():
    world = drifted()
    world.spec = world.spec | {"training": {"seed": 7}}
    world.generation = 2
    world.step()
    retrain(world)
    assert len(world.tasks) == 2


@pytest.mark.parametrize("feedback", ["Ignore", "Join"])
def test_no_new_data_says_what_may_be_added(feedback: str) -> None:
    world = World()
    world.spec = world.spec | {"dataset": {**world.spec["dataset"], "feedback": feedback}}
    world.in_production().report("r1")
    world.step()
    world.end_job(TrainingOutcome(outcome="NoNewData", dataset_fingerprint="f0"))
    world.settle()
    (blocked,) = (
        condition["message"]
        for condition in world.status["conditions"]
        if condition["type"] == "RetrainingBlocked"
    )
    assert "add files with newer listings" in blocked
    assert ("send true prices to /feedback" in blocked) == (feedback == "Join")


def test_a_token_that_was_used_before_names_a_new_training():
    world = World().in_production()
    for token in ("a", "b", "a"):
        world.annotations["housing-operator.dev/retrain"] = token
        world.step()
        retrain(world)
    assert len({task.task.key for task in world.tasks.values()}) == 4
    assert world.status["production"]["version"] == "4"
