"""Conditions say what is, in words that a person can act on."""

from dataclasses import replace
from datetime import timedelta

import pytest

from housing_core.times import format_time
from housing_operator.observation import TrackState, VersionFacts
from tests.unit.operator.world import World


def times(world: World) -> dict[str, str]:
    return {c["type"]: c["lastTransitionTime"] for c in world.status["conditions"]}


def test_every_condition_is_always_there():
    world = World()
    world.step()
    assert [c["type"] for c in world.status["conditions"]] == [
        "Ready",
        "Trained",
        "StagingAvailable",
        "ProductionAvailable",
        "DriftDetected",
        "RetrainingBlocked",
        "Degraded",
    ]


def test_a_transition_time_moves_only_with_the_status():
    world = World().in_production()
    before = times(world)
    world.mlflow = False
    world.step(after=timedelta(minutes=1))
    after = times(world)
    assert {kind for kind in before if before[kind] != after[kind]} == {"Degraded"}


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        ("Drift", ("True", "Drift")),
        ("Stable", ("False", "Stable")),
        ("NotEnoughData", ("Unknown", "NotEnoughData")),
    ],
)
def test_drift_is_said_as_the_report_says_it(verdict, expected):
    world = World()
    world.spec = world.spec | {"retraining": {"onDrift": False}}
    world.in_production().report("r1", verdict=verdict, reason="PSI 0.31 > 0.25 of Ilce")
    world.step()
    assert world.condition("DriftDetected") == expected
    assert "PSI 0.31 > 0.25 of Ilce" in world.message("DriftDetected")


def test_the_condition_tells_where_the_report_s_page_is():
    world = World().in_production()
    world.report("r1", verdict="Stable", reason="PSI 0.1 <= 0.25", runId="a1b2")
    world.step()
    assert world.message("DriftDetected").endswith(
        "PSI 0.1 <= 0.25; its page: drift_report.html at #/runs/a1b2 in MLflow"
    )


def test_a_track_says_when_the_training_of_its_version_registered_it():
    world = World().in_production()
    registered = world.versions["1"].created
    world.now += timedelta(days=40)
    world.step()
    assert world.status["production"]["registeredAt"] == format_time(registered)


def test_a_report_on_a_former_version_says_nothing_of_this_one():
    world = World().in_production()
    world.report("r1", modelVersion="7")
    world.step()
    assert world.condition("DriftDetected") == ("Unknown", "NoReport")


def test_the_monitors_part_of_the_status_is_never_written():
    world = World().in_production()
    world.report("r1", verdict="Stable")
    assert world.step().status.drift is None


def answering(
    world: World, version: str | None, level: str, message: str = "", *, pods: int = 1
) -> None:
    """Production's newest pod says this from now on, and further ones that nothing is wrong."""
    pod = world.production.pods[-1]
    assert pod.health is not None
    health = pod.health.model_copy(
        update={"version": version, "serving_from": level, "message": message}
    )
    changed = replace(pod, name="changed", ready=version is not None, health=health)
    others = (replace(pod, name="other"),) * (pods - 1)
    world.production = replace(world.production, replicas=pods, pods=(*others, changed))
    world._roll = lambda track, _: track


def test_a_model_whose_pods_serve_a_fallback_is_degraded_and_not_ready():
    world = World().in_production()
    answering(world, "0", "LocalCopy", "MLflow did not answer")
    world.step()
    assert world.condition("Degraded") == ("True", "Fallback")
    assert world.condition("Ready") == ("False", "Fallback")
    assert "LocalCopy" in world.message("Ready")
    assert world.status["production"]["servingFrom"] == "LocalCopy"


def test_a_fallback_of_production_is_told_when_it_begins_changes_and_ends():
    world = World().in_production()
    answering(world, "1", "Production", pods=2)
    healthy = world.production
    for level, message, told in [
        ("Staging", "there is no local copy", True),
        ("Staging", "and another reason", False),
        ("LocalCopy", "MLflow did not answer", True),
    ]:
        answering(world, "0", level, message, pods=2)
        assert [(event.kind, event.reason, event.message) for event in world.step().events] == [
            (
                "Warning",
                "Fallback",
                f"production: version 0 answers from {level} in place of version 1: {message}",
            )
        ] * told
    world.production = healthy
    (event,) = world.step().events
    assert (event.kind, event.reason) == ("Normal", "FallbackEnded")
    assert event.message == "production: every pod that answers serves version 1 again"
    assert world.step().events == ()


def test_the_end_of_a_fallback_is_told_also_after_a_time_without_any_answer():
    world = World().in_production()
    healthy = world.production
    answering(world, "0", "LocalCopy")
    assert [event.reason for event in world.step().events] == ["Fallback"]
    silent = replace(healthy, pods=(replace(healthy.pods[0], ready=False, health=None),))
    world.production = silent
    assert world.step().events == ()
    world.production = healthy
    assert [event.reason for event in world.step().events] == ["FallbackEnded"]


def test_a_pod_that_serves_nothing_degrades_a_model_whose_other_pods_answer():
    world = World().in_production()
    answering(world, None, "None", "version 1: there is no local copy", pods=2)
    world.step()
    assert world.condition("Ready")[0] == "True"
    assert world.condition("Degraded") == ("True", "NothingServed")
    assert world.message("Degraded") == (
        "pod changed serves neither version 1 nor a fallback: version 1: there is no local copy"
    )


def test_a_model_without_a_live_pod_is_not_ready_and_says_which_pod_fails():
    world = World().in_production()
    (pod,) = world.production.pods
    dead = replace(pod, ready=False, health=None, message="OOMKilled")
    world.production = TrackState("1", replicas=1, rolled_out=False, pods=(dead,))
    world._roll = lambda track, version: track
    world.step()
    assert world.condition("Ready") == ("False", "PodsNotReady")
    assert "OOMKilled" in world.message("Ready")


def test_tracks_carry_scores_and_where_they_answer():
    world = World().in_production()
    production = world.status["production"]
    assert production["url"] == "http://m-production.ns.svc:8080"
    assert production["readyReplicas"] == 1
    assert world.message("Ready") == (
        "1 pod(s) answer with version 1, macro F1 0.7700 (0.7400 to 0.8000)"
    )
    shown = {name: value for name, value in production.items() if isinstance(value, float)}
    assert shown == {
        "macroF1": 0.77,
        "macroF1Lower": 0.74,
        "macroF1Upper": 0.8,
        "accuracy": 0.78,
        "accuracyLower": 0.75,
        "accuracyUpper": 0.8,
        "rocAuc": 0.92,
        "rocAucLower": 0.9,
        "rocAucUpper": 0.94,
    }


def test_a_version_from_before_intervals_were_kept_shows_scores_alone():
    world = World().in_production()
    made = world.facts["1"].summary
    scores = made.scores.model_copy(update={"roc_auc": None})
    old = made.model_copy(update={"scores": scores, "intervals": None})
    world.facts["1"] = VersionFacts(old)
    world.step()
    production = world.status["production"]
    shown = {name: value for name, value in production.items() if isinstance(value, float)}
    assert shown == {"macroF1": 0.77, "accuracy": 0.78}
