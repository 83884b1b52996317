"""Pure: the gates that a version passes on its way to production, one verdict each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from housing_core.api.base import parse_duration
from housing_core.api.spec import Gates
from housing_core.bundle import Summary
from housing_operator.observation import TrackState, VersionFacts


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate's verdict.

    Attributes:
        passed: None when it could not be judged; that is not a pass.
        message: the value, and what it was held against.
    """

    name: str
    passed: bool | None
    message: str


def offline_gates(gates: Gates, facts: VersionFacts | None, production: str | None) -> list[Gate]:
    """What the holdout says of a version, before any pod serves it.

    Args:
        gates: from the spec.
        facts: what training left with the version; None when it could not be read.
        production: the version that it would replace; None for the first one.
    """
    summary = facts.summary if facts else None
    if summary is None:
        reason = facts.message if facts else "its summary cannot be read"
        return [Gate("summary", None, f"the version cannot be judged: {reason}")]
    found = [_floor(gates, summary)]
    if production is not None:
        found.append(_against_champion(gates, summary, production))
        if summary.comparison is not None and facts is not None and facts.inputs is not None:
            boundaries = [boundary.price for boundary in facts.inputs.boundaries]
            found.append(_boundary_shift(gates, summary.comparison.champion_boundaries, boundaries))
    return found


def _floor(gates: Gates, summary: Summary) -> Gate:
    score = summary.scores.macro_f1
    return Gate(
        "minMacroF1",
        score >= gates.min_macro_f1,
        f"macro F1 {score:.4f}, at least {gates.min_macro_f1:g} is asked for",
    )


def _against_champion(gates: Gates, summary: Summary, production: str) -> Gate:
    comparison = summary.comparison
    if comparison is None or comparison.champion_version != production:
        return Gate(
            "maxMacroF1Drop",
            None,
            f"it was not compared with version {production}, which is in production: train again",
        )
    champion, challenger = comparison.champion_macro_f1, comparison.challenger_macro_f1
    if champion is None or challenger is None:
        # Only a changed spec deals the sides anew, and holding back would hold back for ever.
        return Gate("maxMacroF1Drop", True, f"passed without a comparison: {comparison.in_words()}")
    drop = champion - challenger
    return Gate(
        "maxMacroF1Drop",
        drop <= gates.max_macro_f1_drop,
        f"macro F1 {challenger:.4f} against {champion:.4f} "
        f"of version {production} on the same {comparison.rows} rows{comparison.distance()}, "
        f"a drop of at most {gates.max_macro_f1_drop:g} is allowed",
    )


def _boundary_shift(gates: Gates, former: Sequence[float], present: Sequence[float]) -> Gate:
    if len(former) != len(present):
        return Gate("maxBoundaryShift", True, "the classes were redefined by the spec")
    shift, old, new = max(
        (abs(b - a) / abs(a) if a else float("inf"), a, b)
        for a, b in zip(former, present, strict=True)
    )
    return Gate(
        "maxBoundaryShift",
        shift <= gates.max_boundary_shift,
        f"a class boundary moves from {old:,.0f} to {new:,.0f}, by {shift:.0%}; "
        f"at most {gates.max_boundary_shift:.0%} is allowed",
    )


def online_gates(gates: Gates, track: TrackState, version: str) -> list[Gate]:
    """What the staging pods say of a version: available, golden rows right, fast enough."""
    answering = track.answering(version)
    available = (
        track.pinned_version == version
        and track.rolled_out
        and len(answering) >= max(1, track.replicas)
    )
    if not available:
        return [
            Gate(
                "available",
                None,
                f"{len(answering)} of {track.replicas} pods answer with version {version}"
                + _why_not(track),
            )
        ]
    healths = [pod.health for pod in answering if pod.health]
    golden = min(health.golden_rows for health in healths)
    limit = parse_latency(gates.max_latency)
    found = [
        Gate("available", True, f"{len(answering)} pods answer with version {version}"),
        Gate("goldenRows", golden > 0 or None, f"{golden} golden rows were answered as expected"),
    ]
    measured = [h.latency_p95_seconds for h in healths if h.latency_p95_seconds is not None]
    if len(measured) < len(healths):
        return [*found, Gate("maxLatency", None, "the pods have not measured their latency yet")]
    latency = timedelta(seconds=max(measured))
    return [
        *found,
        Gate(
            "maxLatency",
            latency <= limit,
            f"95th percentile {latency.total_seconds() * 1000:.1f} ms, "
            f"at most {gates.max_latency} is allowed",
        ),
    ]


def production_gate(track: TrackState, version: str) -> Gate:
    """Whether the rollout to production has finished: every pod answers with the version."""
    answering = len(track.answering(version))
    done = (
        track.pinned_version == version and track.rolled_out and answering >= max(1, track.replicas)
    )
    return Gate(
        "rollout",
        True if done else None,
        f"{answering} of {track.replicas} pods answer with version {version}"
        + ("" if done else _why_not(track)),
    )


def _why_not(track: TrackState) -> str:
    if track.paused:
        return f": {track.message}"
    for pod in track.pods:
        reason = pod.message or (pod.health.message if pod.health else "")
        if reason:
            return f": pod {pod.name}: {reason}"
    return f": {track.message}" if track.message else ""


def parse_latency(text: str) -> timedelta:
    """`50ms` or `2s` → its length."""
    match = re.fullmatch(r"([0-9]+)ms", text)
    return timedelta(milliseconds=int(match.group(1))) if match else parse_duration(text)


def all_passed(gates: Sequence[Gate]) -> bool:
    """Whether every gate passed; an inconclusive one did not."""
    return all(gate.passed for gate in gates)


def failures(gates: Sequence[Gate]) -> list[Gate]:
    """The gates that were judged and not passed."""
    return [gate for gate in gates if gate.passed is False]


def describe(gates: Sequence[Gate]) -> str:
    """The gates' messages in one line."""
    return "; ".join(f"{gate.name}: {gate.message}" for gate in gates)
