"""Pure: the only place that computes conditions and the numbers of the tracks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, get_args

from housing_core.api.status import MESSAGE_LIMIT, Condition, HousingModelStatus, TrackStatus
from housing_core.bundle import Summary
from housing_core.drift_report import HTML_FILE
from housing_core.tasks import FallbackLevel, ServingHealth
from housing_core.times import format_time
from housing_operator.decisions.draft import Draft
from housing_operator.decisions.gates import Gate, describe
from housing_operator.decisions.promotion import approval_message
from housing_operator.decisions.retraining import Block
from housing_operator.observation import TrackState

Verdict = tuple[Literal["True", "False", "Unknown"], str, str]
"""Status, reason and message of a condition."""

LEVELS: tuple[FallbackLevel, ...] = get_args(FallbackLevel)

FALLBACKS: tuple[FallbackLevel, ...] = ("Staging", "LocalCopy")
"""Levels at which a pod serves another version than it is pinned to."""

CONDITION_TYPES = (
    "Ready",
    "Trained",
    "StagingAvailable",
    "ProductionAvailable",
    "DriftDetected",
    "RetrainingBlocked",
    "Degraded",
)


def fill_in(draft: Draft, block: Block | None, gates: Sequence[Gate]) -> None:
    """Write the tracks' numbers and all conditions into the draft's status."""
    observation = draft.observation
    for track, state in (("production", observation.production), ("staging", observation.staging)):
        pinned: TrackStatus | None = getattr(draft.status, track)
        if pinned is not None:
            _tell_fallback(draft, track, pinned, state)
            draft.update(**{track: _track(draft, track, pinned, state)})
    verdicts: dict[str, Verdict] = {
        "Ready": _ready(draft, gates),
        "Trained": _trained(draft),
        "StagingAvailable": _available(draft.status.staging, observation.staging, "staging"),
        "ProductionAvailable": _available(
            draft.status.production, observation.production, "production"
        ),
        "DriftDetected": _drift(draft),
        "RetrainingBlocked": (
            ("True", block.reason, block.message)
            if block
            else ("False", "NotBlocked", "nothing holds a retraining back")
        ),
        "Degraded": _degraded(draft),
    }
    _set(draft, verdicts)


def with_verdict(
    status: HousingModelStatus, kind: str, verdict: Verdict, *, generation: int, now: datetime
) -> HousingModelStatus:
    """The status with one condition set; its transition time moves only when its status changes."""
    former = next((c for c in status.conditions if c.type == kind), None)
    value, reason, message = verdict
    condition = Condition(
        type=kind,
        status=value,
        reason=reason,
        message=message[:MESSAGE_LIMIT],
        last_transition_time=(
            former.last_transition_time
            if former is not None and former.status == value
            else format_time(now)
        ),
        observed_generation=generation,
    )
    others = {c.type: c for c in status.conditions if c.type != kind}
    others[kind] = condition
    ordered = [others[name] for name in CONDITION_TYPES if name in others]
    return status.model_copy(update={"conditions": ordered})


def _set(draft: Draft, verdicts: dict[str, Verdict]) -> None:
    generation = draft.observation.model.generation
    for kind, verdict in verdicts.items():
        draft.status = with_verdict(
            draft.status, kind, verdict, generation=generation, now=draft.now
        )
    draft.update(observed_generation=generation)


def _track(draft: Draft, track: str, pinned: TrackStatus, state: TrackState) -> TrackStatus:
    model, registry = draft.observation.model, draft.observation.registry
    version = registry.version(pinned.version) if registry else None
    facts = registry.facts.get(pinned.version) if registry else None
    weakest = _weakest(state)
    changes: dict[str, object] = {
        "url": f"http://{model.name}-{track}.{model.namespace}.svc:8080",
        "ready_replicas": len(state.answering(pinned.version)),
        # While no pod answers the last answer stays, so that a fallback's end can be told.
        "serving_from": weakest.serving_from if weakest else pinned.serving_from,
    }
    if version is not None and version.run_id:
        changes["run_id"] = version.run_id
    if facts is not None and facts.summary is not None:
        changes |= _scores(facts.summary)
    if version is not None:
        changes["registered_at"] = format_time(version.created)
    return pinned.model_copy(update=changes)


def _scores(summary: Summary) -> dict[str, object]:
    """Scores on the holdout with the ends of their intervals; None for what the version does not say."""
    shown: dict[str, object] = {}
    for name in ("macro_f1", "accuracy", "roc_auc"):
        score, within = getattr(summary.scores, name), getattr(summary.intervals, name, None)
        shown[name] = None if score is None else round(score, 4)
        shown[f"{name}_lower"] = None if within is None else round(within.low, 4)
        shown[f"{name}_upper"] = None if within is None else round(within.high, 4)
    return shown


def _ready(draft: Draft, gates: Sequence[Gate]) -> Verdict:
    production = draft.status.production
    if production is not None:
        answering = draft.observation.production.answering(production.version)
        if answering:
            return "True", "ProductionAnswers", _answers(draft, production, len(answering))
        candidate = draft.status.candidate
        new = candidate.version if candidate and candidate.step == "Production" else None
        if new is not None and draft.observation.production.answering(new):
            return "True", "RollingOut", f"production is moving to version {new}, which answers"
        return _available(production, draft.observation.production, "production")
    candidate = draft.status.candidate
    if candidate is not None:
        if candidate.step == "Approval":
            return "False", "ApprovalNeeded", approval_message(draft, candidate.version)
        return (
            "False",
            "FirstRollout",
            f"version {candidate.version}, step {candidate.step}: {describe(gates)}",
        )
    training = draft.status.training
    if training is None or training.finished_at is None:
        return "False", "Training", "the first version is being trained"
    trained, reason, message = _trained(draft)
    if trained == "True" and draft.status.rejected_versions:
        rejected = draft.status.rejected_versions[0]
        return "False", "VersionRejected", f"version {rejected.version}: {rejected.reason}"
    return "False", reason, message


def _weakest(state: TrackState) -> ServingHealth | None:
    """Of what ready pods answer, the one furthest down the fallback chain."""
    answers = [pod.health for pod in state.pods if pod.ready and pod.health]
    return max(answers, key=lambda health: LEVELS.index(health.serving_from), default=None)


def _tell_fallback(draft: Draft, track: str, former: TrackStatus, state: TrackState) -> None:
    """An Event when a track's pods begin to serve from another link of the fallback chain."""
    weakest = _weakest(state)
    if weakest is None or weakest.serving_from == former.serving_from:
        return
    if weakest.serving_from in FALLBACKS:
        draft.warn("Fallback", f"{track}: {_in_place_of(weakest)}")
    elif former.serving_from in FALLBACKS:
        draft.normal(
            "FallbackEnded",
            f"{track}: every pod that answers serves version {former.version} again",
        )


def _in_place_of(health: ServingHealth) -> str:
    return (
        f"version {health.version} answers from {health.serving_from} in place of version "
        f"{health.pinned_version}: {health.message}"
    )


def _answers(draft: Draft, production: TrackStatus, answering: int) -> str:
    message = f"{answering} pod(s) answer with version {production.version}"
    if production.macro_f1 is not None:
        message += f", macro F1 {production.macro_f1:.4f}"
    if production.macro_f1_lower is not None and production.macro_f1_upper is not None:
        message += f" ({production.macro_f1_lower:.4f} to {production.macro_f1_upper:.4f})"
    return message + ("; spec.suspend is true" if draft.spec.suspend else "")


def _trained(draft: Draft) -> Verdict:
    training, observation = draft.status.training, draft.observation
    if training is None:
        if observation.registry is None:
            return (
                "False",
                "RegistryUnavailable",
                f"training starts when MLflow answers: {observation.registry_error}",
            )
        return "False", "Suspended" if draft.spec.suspend else "NotStarted", "not trained yet"
    if training.finished_at is None:
        job = observation.jobs.get(training.job_name)
        detail = training.message or (job.message if job else "")
        return (
            "Unknown",
            "RetryPending" if training.retry_at else "InProgress",
            f"{training.trigger} training, attempt {training.attempt}"
            + (f", next attempt at {training.retry_at}" if training.retry_at else "")
            + (f": {detail}" if detail else ""),
        )
    if training.outcome == "Registered":
        return "True", "Registered", f"version {training.version} is the newest"
    if training.outcome == "NoNewData":
        return "True", "NoNewData", training.message or "production has seen every row"
    return (
        "False",
        training.outcome or "Failed",
        f"{training.message}. Mend it, then change the spec or ask for a training: "
        f"kubectl -n {observation.model.namespace} annotate housingmodel {observation.model.name} "
        'housing-operator.dev/retrain="$(date +%s)" --overwrite',
    )


def _available(pinned: TrackStatus | None, state: TrackState, track: str) -> Verdict:
    if pinned is None:
        return "False", "NoVersion", f"no version has reached {track} yet"
    answering = len(state.answering(pinned.version))
    shown = f"{answering} of {state.replicas} pods answer with version {pinned.version}"
    if answering:
        return "True", "Answering", shown
    fallback = next((p.health for p in state.pods if p.health and p.health.version), None)
    if fallback is not None:
        return (
            "False",
            "Fallback",
            f"{shown}; version {fallback.version} answers from {fallback.serving_from}: "
            f"{fallback.message}",
        )
    reasons = [p.message or (p.health.message if p.health else "") for p in state.pods]
    detail = next((reason for reason in reasons if reason), state.message)
    return "False", "PodsNotReady", shown + (f": {detail}" if detail else "")


def _drift(draft: Draft) -> Verdict:
    drift, production = draft.status.drift, draft.status.production
    if drift is None:
        return "Unknown", "NoReport", "no drift report yet"
    text = f"report {drift.report_id} on version {drift.model_version}: {drift.reason}"
    if drift.run_id:
        text += f"; its page: {HTML_FILE} at #/runs/{drift.run_id} in MLflow"
    if production is not None and drift.model_version != production.version:
        return "Unknown", "NoReport", f"no report on version {production.version} yet; {text}"
    if drift.verdict == "NotEnoughData":
        return "Unknown", "NotEnoughData", text
    return ("True", "Drift", text) if drift.verdict == "Drift" else ("False", "Stable", text)


def _degraded(draft: Draft) -> Verdict:
    observation = draft.observation
    for pinned, state in (
        (draft.status.production, observation.production),
        (draft.status.staging, observation.staging),
    ):
        for pod in state.pods if pinned else ():
            if pod.health is not None and pod.health.serving_from in FALLBACKS:
                return "True", "Fallback", f"pod {pod.name}: {_in_place_of(pod.health)}"
    production = draft.production_version
    for pod in observation.production.pods:
        # What cannot load a version on trial is told by its gates.
        if pod.health and pod.health.version is None and pod.pinned_version == production:
            return (
                "True",
                "NothingServed",
                f"pod {pod.name} serves neither version {production} nor a fallback: "
                f"{pod.health.message}",
            )
    if observation.registry is None:
        return "True", "RegistryUnavailable", f"MLflow: {observation.registry_error}"
    return "False", "AsPlanned", "every pod that answers serves the version that it is pinned to"
