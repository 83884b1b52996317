"""Pure: a version's way through gates and staging to production, people's alias moves, and rollback."""

from __future__ import annotations

from typing import Literal

from housing_core.api import APPROVE_ANNOTATION
from housing_core.api.base import parse_duration
from housing_core.api.status import Candidate, RefusedInputs, TrackStatus
from housing_core.times import format_time, parse_time
from housing_operator.decisions.draft import RESYNC, Draft
from housing_operator.decisions.gates import (
    Gate,
    all_passed,
    describe,
    failures,
    offline_gates,
    online_gates,
    production_gate,
)
from housing_operator.observation import TrackState
from housing_operator.plan import AcceptVersion, MoveAlias, RejectVersion


def follow_aliases(draft: Draft) -> None:
    """Tell the operator's own half-done alias moves from a person's; finish the one, obey the other."""
    registry = draft.observation.registry
    if registry is None:
        return
    for alias in ("production", "staging"):
        aliases = draft.status.aliases
        seen = registry.aliases.get(alias)
        recorded: str | None = getattr(aliases, alias)
        intent = next((i for i in aliases.intent if i.alias == alias), None)
        others = [i for i in aliases.intent if i.alias != alias]
        half_done = intent is not None and seen == recorded != intent.version
        if intent is not None and half_done and _can_be_named(draft, intent.version):
            draft.actions.append(MoveAlias(intent.alias, intent.version))
            continue
        draft.update(aliases=aliases.model_copy(update={alias: seen, "intent": others}))
        if seen == recorded or (intent is not None and seen == intent.version):
            continue
        if seen is None:
            draft.warn(
                "AliasRemoved",
                f"alias {alias} was removed in MLflow; the pods go on with the version they have",
            )
        elif alias == "production":
            _obey_production(draft, seen)
        else:
            _obey_staging(draft, seen)


def _obey_production(draft: Draft, version: str) -> None:
    if version == draft.production_version:
        draft.update(candidate=None)
        return
    _accept(draft, version)
    draft.normal("AliasMoved", f"a person moved alias production to version {version}: obeyed")
    _set_candidate(draft, version, "Production", by_person=True)


def _obey_staging(draft: Draft, version: str) -> None:
    _accept(draft, version)
    draft.normal("AliasMoved", f"a person moved alias staging to version {version}: obeyed")
    candidate = draft.status.candidate
    if candidate is not None and candidate.version != version and candidate.step != "Production":
        draft.normal(
            "CandidateDropped", f"version {candidate.version} is no longer on its way to production"
        )
        draft.update(candidate=None)
    _pin(draft, "staging", version)


def _accept(draft: Draft, version: str) -> None:
    kept = [entry for entry in draft.status.rejected_versions if entry.version != version]
    draft.update(rejected_versions=kept)


def advance_candidate(draft: Draft) -> list[Gate]:
    """Take the candidate as far as it gets in one pass; returns the gates last looked at."""
    candidate = draft.status.candidate
    if candidate is None or draft.spec.suspend:
        return []
    if draft.observation.registry is None:
        # Pods cannot load a version while MLflow is away: that time is not held against it.
        _touch(draft, candidate)
        return []
    if draft.observation.registry.version(candidate.version) is None:
        _give_up(draft, candidate, "it is not in MLflow any more")
        return []
    steps = {
        "Gates": _pass_gates,
        "Staging": _pass_staging,
        "Approval": _await_approval,
        "Production": _roll_out,
    }
    return steps[candidate.step](draft, candidate)


def _pass_gates(draft: Draft, candidate: Candidate) -> list[Gate]:
    registry = draft.observation.registry
    facts = registry.facts.get(candidate.version) if registry else None
    gates = offline_gates(draft.spec.promotion.gates, facts, draft.production_version)
    if not all_passed(gates):
        failed = failures(gates)
        if failed:
            _refuse_inputs(draft, candidate)
        inconclusive = [gate for gate in gates if gate.passed is None]
        draft.reject(candidate.version, describe(failed or inconclusive))
        draft.update(candidate=None)
        return gates
    draft.normal("GatesPassed", f"version {candidate.version}: {describe(gates)}")
    _set_candidate(draft, candidate.version, "Staging")
    _pin(draft, "staging", candidate.version)
    draft.move_alias("staging", candidate.version)
    return gates


def _pass_staging(draft: Draft, candidate: Candidate) -> list[Gate]:
    gates = online_gates(draft.spec.promotion.gates, draft.observation.staging, candidate.version)
    if all_passed(gates):
        draft.normal("StagingPassed", f"version {candidate.version}: {describe(gates)}")
        approval = draft.spec.promotion.mode == "Manual" and not _approved(draft, candidate)
        step: Literal["Approval", "Production"] = "Approval" if approval else "Production"
        _set_candidate(draft, candidate.version, step)
        if approval:
            draft.normal("ApprovalNeeded", approval_message(draft, candidate.version))
    else:
        _roll_back_when_late(draft, candidate, draft.observation.staging, gates)
    return gates


def _await_approval(draft: Draft, candidate: Candidate) -> list[Gate]:
    if draft.spec.promotion.mode == "Automatic" or _approved(draft, candidate):
        draft.normal("Approved", f"version {candidate.version} goes to production")
        _set_candidate(draft, candidate.version, "Production")
    return []


def _approved(draft: Draft, candidate: Candidate) -> bool:
    return draft.observation.model.annotations.get(APPROVE_ANNOTATION) == candidate.version


def approval_message(draft: Draft, version: str) -> str:
    """What a person has to do for a version that waits for approval."""
    model = draft.observation.model
    return (
        f"version {version} passed staging and waits: kubectl -n {model.namespace} annotate "
        f"housingmodel {model.name} {APPROVE_ANNOTATION}={version} --overwrite"
    )


def _roll_out(draft: Draft, candidate: Candidate) -> list[Gate]:
    gate = production_gate(draft.observation.production, candidate.version)
    if not gate.passed:
        _roll_back_when_late(draft, candidate, draft.observation.production, [gate])
        return [gate]
    draft.move_alias("production", candidate.version)
    _pin(draft, "production", candidate.version)
    draft.update(candidate=None)
    # What was refused was refused beside the version before this one.
    draft.update_retraining(refused=None)
    draft.remember("Promoted", candidate.version)
    draft.normal("Promoted", f"version {candidate.version} is in production")
    return [gate]


def _roll_back_when_late(
    draft: Draft, candidate: Candidate, track: TrackState, gates: list[Gate]
) -> None:
    """A gate that is not passed for too long sends the version back."""
    if track.paused:
        # A person holds the pods back: that time is not held against the version.
        _touch(draft, candidate)
        return
    timeout = draft.spec.promotion.gates.rollout_timeout
    due = parse_time(candidate.since) + parse_duration(timeout)
    if draft.now < due:
        draft.deadlines.append(due)
        return
    _refuse_inputs(draft, candidate)
    open_gates = [gate for gate in gates if not gate.passed]
    _give_up(draft, candidate, f"not passed within {timeout}: {describe(open_gates)}")


def _refuse_inputs(draft: Draft, candidate: Candidate) -> None:
    """Note what the newest training read, as the same would make the same version again."""
    training, registry = draft.status.training, draft.observation.registry
    facts = registry.facts.get(candidate.version) if registry else None
    if training is None or training.version != candidate.version or candidate.by_person:
        return
    if facts is not None and facts.summary is not None:
        refused = RefusedInputs(
            version=candidate.version,
            dataset_fingerprint=facts.summary.dataset_fingerprint,
            generation=draft.observation.model.generation,
        )
        draft.update_retraining(refused=refused)


def _give_up(draft: Draft, candidate: Candidate, reason: str) -> None:
    """Reject the version, and put staging, production and both aliases back where they were."""
    draft.reject(candidate.version, reason)
    registry = draft.observation.registry
    aliases = registry.aliases if registry else {}
    former = (
        candidate.previous_staging if _can_be_named(draft, candidate.previous_staging) else None
    )
    back = candidate.previous_production
    if draft.status.staging is not None and draft.status.staging.version == candidate.version:
        _pin(draft, "staging", former)
    if aliases.get("staging") == candidate.version:
        draft.move_alias("staging", former)
    if aliases.get("production") == candidate.version:
        draft.move_alias("production", back if _can_be_named(draft, back) else None)
    draft.update(candidate=None)
    if candidate.step == "Production":
        draft.remember("RolledBack", back, f"version {candidate.version}: {reason}")
        draft.warn(
            "RolledBack",
            f"production goes back to {'version ' + back if back else 'nothing'}: {reason}",
        )


def _can_be_named(draft: Draft, version: str | None) -> bool:
    """Whether an alias may be moved there: MLflow refuses a version that somebody has deleted."""
    registry = draft.observation.registry
    return version is None or bool(registry and registry.version(version))


def _set_candidate(
    draft: Draft,
    version: str,
    step: Literal["Staging", "Approval", "Production"],
    *,
    by_person: bool | None = None,
) -> None:
    former = draft.status.candidate
    same = former is not None and former.version == version
    staging = draft.status.staging
    draft.update(
        candidate=Candidate(
            version=version,
            step=step,
            since=format_time(draft.now),
            by_person=(
                bool(former and same and former.by_person) if by_person is None else by_person
            ),
            previous_production=draft.production_version,
            previous_staging=(
                former.previous_staging
                if former is not None and same and former.step != "Gates"
                else (staging.version if staging else None)
            ),
        )
    )


def _touch(draft: Draft, candidate: Candidate) -> None:
    # Not at every pass: each write of status wakes the model, and so brings the next pass.
    if draft.now - parse_time(candidate.since) >= RESYNC:
        draft.update(candidate=candidate.model_copy(update={"since": format_time(draft.now)}))


def _pin(draft: Draft, track: Literal["production", "staging"], version: str | None) -> None:
    """Write down which version a track is pinned to; the numbers are filled in by `status`."""
    current: TrackStatus | None = getattr(draft.status, track)
    if version is None:
        draft.update(**{track: None})
    elif current is None or current.version != version:
        draft.update(**{track: TrackStatus(version=version, since=format_time(draft.now))})


def tag_rejections(draft: Draft) -> None:
    """Bring MLflow's tags to what status says, again where a former try got nowhere.

    What status rejects is tagged; what a person has put on a track is not.
    """
    registry = draft.observation.registry
    if registry is None:
        return
    for entry in draft.status.rejected_versions:
        found = registry.version(entry.version)
        if found is not None and found.rejected is None:
            draft.actions.append(RejectVersion(entry.version, entry.reason))
    rejected = {entry.version for entry in draft.status.rejected_versions}
    candidate, tracks = draft.status.candidate, (draft.status.production, draft.status.staging)
    chosen = {track.version for track in tracks if track is not None}
    if candidate is not None and candidate.by_person:
        chosen.add(candidate.version)
    for version in sorted(chosen - rejected):
        found = registry.version(version)
        if found is not None and found.rejected is not None:
            draft.actions.append(AcceptVersion(version))
