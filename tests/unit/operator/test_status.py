"""Conditions say what is, in words that a person can act on."""

from dataclasses import replace
from datetime import timedelta

import pytest

from housing_core.times import format_time
from housing_operator.observation import TrackState
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


def test_a_model_whose_pods_serve_a_fallback_is_degraded_and_not_ready():
    world = World().in_production()
    (pod,) = world.production.pods
    assert pod.health is not None
    health = pod.health.model_copy(
        update={"version": "0", "serving_from": "LocalCopy", "message": "MLflow did not answer"}
    )
    fallback = replace(world.production, pods=(replace(pod, health=health),))
    world._roll = lambda track, version: fallback if track.pods else track
    world.production = fallback
    world.step()
    assert world.condition("Degraded") == ("True", "Fallback")
    assert world.condition("Ready") == ("False", "Fallback")
    assert "LocalCopy" in world.message("Ready")
    assert world.status["production"]["servingFrom"] == "LocalCopy"


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
    assert production["macroF1"] == 0.77
    assert production["readyReplicas"] == 1
