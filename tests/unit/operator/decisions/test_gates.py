"""The gates: what passes, what fails, what cannot be told yet, and what each of them says."""

from dataclasses import replace

import pytest

from housing_core.api.spec import Gates
from housing_core.bundle import Interval
from housing_core.tasks import ServingHealth
from housing_operator.decisions.gates import (
    offline_gates,
    online_gates,
    parse_latency,
    production_gate,
)
from housing_operator.observation import PodState, TrackState, VersionFacts
from tests.unit.operator.world import comparison, summary


@pytest.mark.parametrize(
    ("facts", "production", "passed"),
    [
        pytest.param(VersionFacts(summary(0.77)), None, [True], id="first version, good enough"),
        pytest.param(VersionFacts(summary(0.49)), None, [False], id="below the floor"),
        pytest.param(None, None, [None], id="nothing known"),
        pytest.param(
            VersionFacts(message="a newer format"), None, [None], id="summary of another format"
        ),
        pytest.param(VersionFacts(summary(0.77)), "1", [True, None], id="not compared"),
        pytest.param(
            VersionFacts(summary(0.77, comparison("9"))), "1", [True, None], id="another champion"
        ),
        pytest.param(
            VersionFacts(summary(0.77, comparison("1", 0.78, 0.775))),
            "1",
            [True, True],
            id="worse within the tolerance",
        ),
        pytest.param(
            VersionFacts(summary(0.77, comparison("1", 0.80, 0.78))),
            "1",
            [True, False],
            id="worse beyond the tolerance",
        ),
        pytest.param(
            VersionFacts(summary(0.77, comparison("1", None, None))),
            "1",
            [True, True],
            id="not comparable",
        ),
        pytest.param(
            VersionFacts(summary(0.49, comparison("1", None, None))),
            "1",
            [False, True],
            id="not comparable and below the floor",
        ),
    ],
)
def test_offline_gates(facts, production, passed):
    assert [gate.passed for gate in offline_gates(Gates(), facts, production)] == passed


def test_the_comparison_says_how_far_chance_could_be_its_reason():
    within = Interval(low=-0.013, high=0.033)
    compared = comparison("1").model_copy(update={"ahead": 0.01, "ahead_interval": within})
    _, gate, *_ = offline_gates(Gates(), VersionFacts(summary(0.77, compared)), "1")
    assert "+0.0100 from it to this one (95 % interval -0.0130 to 0.0330)" in gate.message


def test_a_version_that_cannot_be_compared_says_why():
    compared = comparison("1", None, None).model_copy(update={"rows": 40, "left_out": 160})
    _, gate = offline_gates(Gates(), VersionFacts(summary(0.77, compared)), "1")
    assert gate.message == (
        "passed without a comparison: version 1 in production learned from 160 of the 200 rows of "
        "this holdout, since the spec dealt them otherwise then; the other 40 are too few to "
        "compare by"
    )


def track(
    *answers: str,
    pinned: str = "2",
    rolled_out: bool = True,
    golden: int = 5,
    latency: float | None = 0.004,
) -> TrackState:
    """Two pods are wanted; these versions answer."""
    pods = [
        PodState(
            name=f"pod-{number}",
            pinned_version=pinned,
            ready=True,
            health=ServingHealth(
                status="ok",
                model_name="ns.m",
                track="staging",
                pinned_version=pinned,
                version=version,
                golden_rows=golden,
                latency_p95_seconds=latency,
            ),
        )
        for number, version in enumerate(answers)
    ]
    return TrackState(pinned, replicas=2, rolled_out=rolled_out, pods=tuple(pods))


@pytest.mark.parametrize(
    ("staging", "passed"),
    [
        pytest.param(track("2", "2"), [True, True, True], id="all answer"),
        pytest.param(track("2"), [None], id="one is missing"),
        pytest.param(track("2", "1"), [None], id="one answers from a fallback"),
        pytest.param(track("2", "2", rolled_out=False), [None], id="an old pod is left"),
        pytest.param(track("2", "2", pinned="3"), [None], id="on its way to another version"),
        pytest.param(track("2", "2", golden=0), [True, None, True], id="no golden rows checked"),
        pytest.param(track("2", "2", latency=None), [True, True, None], id="latency not measured"),
    ],
)
def test_online_gates(staging, passed):
    assert [gate.passed for gate in online_gates(Gates(), staging, "2")] == passed
    # Production asks for the same pods, and for nothing that staging has shown already.
    assert production_gate(staging, "2").passed == passed[0]


def test_a_gate_that_waits_for_a_person_says_so_and_not_what_a_pod_says():
    paused = replace(track("1"), paused=True, message="the Deployment is paused")
    assert production_gate(paused, "2").message == (
        "0 of 2 pods answer with version 2: the Deployment is paused"
    )


@pytest.mark.parametrize(("text", "seconds"), [("50ms", 0.05), ("2s", 2.0), ("1500ms", 1.5)])
def test_latency(text, seconds):
    assert parse_latency(text).total_seconds() == seconds
