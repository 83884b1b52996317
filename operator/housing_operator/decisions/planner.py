"""Pure: (spec, status, observation, now) → the plan of one pass."""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import ValidationError

from housing_core.api.spec import HousingModelSpec
from housing_core.api.status import MESSAGE_LIMIT, HousingModelStatus
from housing_operator.decisions.attempts import advance_training, delete_old_jobs
from housing_operator.decisions.draft import RESYNC, Draft
from housing_operator.decisions.promotion import advance_candidate, follow_aliases, tag_rejections
from housing_operator.decisions.status import fill_in, with_verdict
from housing_operator.observation import Observation
from housing_operator.plan import Event, Plan, ServingPlan

SOONEST = timedelta(seconds=1)


def plan(observation: Observation, now: datetime) -> Plan:
    """Decide one pass.

    Args:
        observation: what exists.
        now: with a time zone.

    Returns:
        The whole new status and what to do. The same observation and time give the same plan, and
        a pass that finds everything as planned has no actions and no events.
    """
    status = HousingModelStatus.model_validate(observation.model.status)
    try:
        spec = HousingModelSpec.model_validate(observation.model.spec)
    except ValidationError as error:
        return _invalid(observation, status, _describe(error), now)
    draft = Draft(observation, spec, status, now)
    follow_aliases(draft)
    block = advance_training(draft)
    _show_inputs(draft)
    gates = advance_candidate(draft)
    tag_rejections(draft)
    delete_old_jobs(draft)
    fill_in(draft, block, gates)
    return Plan(
        status=draft.status.model_copy(update={"drift": None}),
        spec=spec,
        production=_production(draft),
        staging=_staging(draft),
        monitoring=draft.production_version is not None and not spec.suspend,
        actions=tuple(draft.actions),
        events=tuple(draft.events),
        requeue_after=_requeue_after(draft),
    )


def _production(draft: Draft) -> ServingPlan:
    candidate, confirmed = draft.status.candidate, draft.production_version
    version = candidate.version if candidate and candidate.step == "Production" else confirmed
    return ServingPlan(version=version, confirmed_version=confirmed)


def _staging(draft: Draft) -> ServingPlan:
    """Staging is confirmed once its version has left it: then a fallback may answer there too."""
    staging, candidate = draft.status.staging, draft.status.candidate
    version = staging.version if staging else None
    on_trial = candidate is not None and candidate.step == "Staging"
    return ServingPlan(version=version, confirmed_version=None if on_trial else version)


def _show_inputs(draft: Draft) -> None:
    """Fill in the newest version's inputs where its facts could not be read before."""
    training, registry = draft.status.training, draft.observation.registry
    version = training.version if training else None
    if version is None or registry is None:
        return
    facts = registry.facts.get(version)
    if facts is not None and facts.inputs is not None:
        draft.update(inputs=facts.inputs)


def _requeue_after(draft: Draft) -> timedelta:
    if draft.actions:
        return SOONEST
    due = [deadline - draft.now for deadline in draft.deadlines]
    return max(SOONEST, min([RESYNC, *due]))


def _invalid(
    observation: Observation, status: HousingModelStatus, message: str, now: datetime
) -> Plan:
    """A spec that the API server took and this operator cannot read: it is of another version."""
    generation = observation.model.generation
    former = next((c for c in status.conditions if c.type == "Ready"), None)
    changed = with_verdict(
        status,
        "Ready",
        ("False", "InvalidSpec", message),
        generation=generation,
        now=now,
    ).model_copy(update={"drift": None, "observed_generation": generation})
    news = former is None or former.message != message
    return Plan(
        status=changed,
        events=(Event("Warning", "InvalidSpec", message),) if news else (),
        requeue_after=timedelta(minutes=10),
    )


def _describe(error: ValidationError) -> str:
    """Every mistake as `spec.field: what is wrong (value)`, as far as status has room."""
    return "; ".join(
        f"spec.{'.'.join(str(part) for part in item['loc'])}: {item['msg']} ({item['input']!r:.80})"
        for item in error.errors()
    )[:MESSAGE_LIMIT]
