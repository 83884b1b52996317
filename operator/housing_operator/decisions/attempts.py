"""Pure: a training from its trigger to its outcome, attempt by attempt."""

from __future__ import annotations

from datetime import timedelta

from housing_core.api import RETRAIN_ANNOTATION
from housing_core.api.status import MESSAGE_LIMIT, STARTS_LIMIT, Candidate, TrainingStatus
from housing_core.bundle import Summary
from housing_core.tasks import TrainingTask
from housing_core.times import format_time, parse_time
from housing_operator.decisions.draft import Draft
from housing_operator.decisions.retraining import (
    AUTOMATIC,
    Block,
    Wanted,
    blocked,
    spec_changed,
    training_key,
    wanted_training,
)
from housing_operator.observation import JobState
from housing_operator.plan import DeleteJob, StartTraining
from housing_operator.resources.means import means
from housing_operator.resources.names import training_job_name, worker_job_name

RETRY_BACKOFF = timedelta(seconds=30)
"""Wait before the second attempt; four times as long before each further one."""

RETRY_BACKOFF_LIMIT = timedelta(minutes=30)


def advance_training(draft: Draft) -> Block | None:
    """Start, follow, retry or finish the training; returns what holds a wanted one back."""
    training = draft.status.training
    if training is not None and training.finished_at is None:
        if not spec_changed(draft.spec, draft.status):
            _follow(draft, training)
            return None
        _abandon(draft, training)
    return _start_wanted(draft)


def _start_wanted(draft: Draft) -> Block | None:
    model = draft.observation.model
    wanted = wanted_training(
        draft.spec,
        draft.status,
        generation=model.generation,
        annotations=model.annotations,
        schedule_due=draft.observation.schedule_due,
    )
    failed = _failed_with_the_same_spec(draft)
    if (
        failed is not None
        and (wanted is None or wanted.automatic)
        and _has_other_means(draft, failed)
    ):
        # A person has mended what the training was given: that asks for it again.
        wanted = Wanted("Spec", f"generation-{model.generation}")
    if wanted is None:
        return None
    block = blocked(wanted, draft.spec, draft.status, generation=model.generation, now=draft.now)
    if block is None and draft.observation.registry is None:
        block = Block(
            "RegistryUnavailable",
            f"MLflow does not answer: {draft.observation.registry_error}",
        )
    if block is not None:
        if block.until:
            draft.deadlines.append(block.until)
        return block
    if failed is not None and not wanted.automatic:
        _go_on(draft, failed, wanted)
    else:
        _start(draft, wanted)
    return None


def _failed_with_the_same_spec(draft: Draft) -> TrainingStatus | None:
    """The newest training, when it failed for want of something else than good data."""
    training = draft.status.training
    if training is None or training.outcome != "Failed" or spec_changed(draft.spec, draft.status):
        return None
    return training


def _has_other_means(draft: Draft, training: TrainingStatus) -> bool:
    """Whether the spec gives a training something else than the Job of its last attempt has."""
    job = draft.observation.jobs.get(training.job_name)
    return job is not None and job.means not in (None, means(draft.spec))


def _go_on(draft: Draft, failed: TrainingStatus, wanted: Wanted) -> None:
    """One more attempt of a training that has failed: under its key, from its checkpoints."""
    attempt = failed.attempt + 1
    training = failed.model_copy(
        update={
            "trigger": wanted.trigger,
            "token": wanted.token,
            "attempt": attempt,
            "job_name": training_job_name(draft.observation.model.name, failed.key, attempt),
            "started_at": format_time(draft.now),
            "finished_at": None,
            "outcome": None,
            "message": "",
        }
    )
    _answer_everything(draft)
    draft.update(training=training)
    draft.normal(
        "TrainingResumed",
        f"training {training.key} goes on with attempt {attempt}: {wanted.trigger} {wanted.token}",
    )
    _ask_for_job(draft, training)


def _start(draft: Draft, wanted: Wanted) -> None:
    model, now = draft.observation.model, format_time(draft.now)
    relevant = draft.spec.training_relevant()
    former = draft.status.training
    key = training_key(model.uid, relevant, wanted, former.key if former else "")
    training = TrainingStatus(
        key=key,
        trigger=wanted.trigger,
        token=wanted.token,
        attempt=1,
        job_name=training_job_name(model.name, key, 1),
        started_at=now,
        spec=relevant,
    )
    _answer_everything(draft)
    starts = draft.status.retraining.starts
    # Also those that the budget has forgotten: a cooldown may be longer than a day.
    draft.update_retraining(starts=[*starts, *((now,) if wanted.automatic else ())][-STARTS_LIMIT:])
    draft.update(training=training)
    draft.normal("TrainingStarted", f"training {key} starts: {wanted.trigger} {wanted.token}")
    _ask_for_job(draft, training)


def _answer_everything(draft: Draft) -> None:
    """Whatever asks for a training has now got one."""
    retraining = draft.status.retraining
    due = draft.observation.schedule_due
    annotations = draft.observation.model.annotations
    # A person or a changed spec trains on everything there is, so it answers the report too.
    draft.update_retraining(
        handled_report=draft.status.drift.report_id if draft.status.drift else None,
        handled_request=annotations.get(RETRAIN_ANNOTATION, "")[:256] or retraining.handled_request,
        handled_schedule=format_time(due) if due else retraining.handled_schedule,
        no_new_data_fingerprint=None,
        refused=None,
        pending_trigger=None,
    )


def _ask_for_job(draft: Draft, training: TrainingStatus) -> None:
    model = draft.observation.model
    task = TrainingTask(
        namespace=model.namespace,
        name=model.name,
        key=training.key,
        attempt=training.attempt,
        trigger=training.trigger,
        token=training.token,
        dataset=draft.spec.dataset,
        training=draft.spec.training,
        needs_new_rows=training.trigger in AUTOMATIC,
        production_version=draft.production_version,
    )
    draft.actions.append(StartTraining(training.job_name, task))


def _abandon(draft: Draft, training: TrainingStatus) -> None:
    if training.job_name in draft.observation.jobs:
        draft.actions.append(DeleteJob(training.job_name))
    message = "the spec changed while it was under way"
    draft.update(
        training=training.model_copy(
            update={
                "finished_at": format_time(draft.now),
                "outcome": "Failed",
                "message": message,
                "progress": None,
                "retry_at": None,
            }
        )
    )
    draft.normal("TrainingAbandoned", f"training {training.key}: {message}")


def _follow(draft: Draft, training: TrainingStatus) -> None:
    registry = draft.observation.registry
    if registry is not None and registry.progress is not None:
        training = training.model_copy(update={"progress": registry.progress})
        draft.update(training=training)
    found = registry.of_key(training.key) if registry else None
    if found is not None:
        # A rollout ends first: a person's alias move is no way to be overtaken by a training.
        candidate = draft.status.candidate
        if candidate is None or candidate.step != "Production":
            _registered(draft, training, found.number)
        return
    job = draft.observation.jobs.get(training.job_name)
    if draft.spec.suspend:
        # The next Job of the same key goes on from the last checkpoint.
        if job is not None and not job.finished:
            draft.actions.append(DeleteJob(training.job_name))
    elif training.retry_at is not None:
        _retry_when_due(draft, training)
    elif job is None:
        _ask_for_job(draft, training)
    elif job.finished:
        _finished(draft, training, job)
    elif job.starved and _has_other_means(draft, training):
        # Its further pods would be as short of it; the next Job of the attempt is not.
        draft.actions.append(DeleteJob(training.job_name))
        draft.normal(
            "TrainingReplaced",
            f"training {training.key}: attempt {training.attempt} goes on with what the spec gives "
            f"it now, after {job.message}",
        )
    elif job.lost:
        # It says nothing about the training: the attempt goes on, from its checkpoints.
        draft.actions.append(DeleteJob(training.job_name))
        draft.warn(
            "TrainingReplaced",
            f"training {training.key}: attempt {training.attempt} goes on in another pod, since "
            f"{job.message}",
        )
    elif job.expects_workers and not job.has_workers and draft.spec.training.distributed:
        # What was cut short is done to its end: what is there already stays as it is.
        _ask_for_job(draft, training)


def _retry_when_due(draft: Draft, training: TrainingStatus) -> None:
    due = parse_time(training.retry_at or "")
    if draft.now < due and not _has_other_means(draft, training):
        draft.deadlines.append(due)
        return
    attempt = training.attempt + 1
    training = training.model_copy(
        update={
            "attempt": attempt,
            "job_name": training_job_name(draft.observation.model.name, training.key, attempt),
            "retry_at": None,
        }
    )
    draft.update(training=training)
    draft.normal("TrainingRetried", f"training {training.key}: attempt {attempt} starts")
    _ask_for_job(draft, training)


def _finished(draft: Draft, training: TrainingStatus, job: JobState) -> None:
    outcome = job.outcome
    if outcome is not None and outcome.outcome == "InvalidData":
        _failed(draft, training, "InvalidData", outcome.message)
    elif outcome is not None and outcome.outcome == "NoNewData" and job.succeeded:
        _no_new_data(draft, training, outcome.dataset_fingerprint, outcome.message)
    elif outcome is not None and outcome.outcome == "Registered" and job.succeeded:
        # The registry decides; when it does not show the version, someone has deleted it.
        if draft.observation.registry is not None:
            _failed(
                draft,
                training,
                "Failed",
                f"version {outcome.version} was registered and is not in MLflow any more",
            )
    else:
        message = (outcome.message if outcome else "") or job.message or job.reason
        _attempt_failed(draft, training, message or "the pod ended without saying why")


def _attempt_failed(draft: Draft, training: TrainingStatus, message: str) -> None:
    if training.attempt >= draft.spec.training.max_attempts:
        _failed(draft, training, "Failed", f"attempt {training.attempt}, the last one: {message}")
        return
    wait = min(RETRY_BACKOFF * 4 ** (training.attempt - 1), RETRY_BACKOFF_LIMIT)
    due = draft.now + wait
    draft.update(
        training=training.model_copy(
            update={"retry_at": format_time(due), "message": message[:MESSAGE_LIMIT]}
        )
    )
    draft.deadlines.append(due)
    draft.warn(
        "TrainingAttemptFailed",
        f"attempt {training.attempt} of {draft.spec.training.max_attempts} failed: {message}; "
        f"the next one starts at {format_time(due)}",
    )


def _registered(draft: Draft, training: TrainingStatus, version: str) -> None:
    registry = draft.observation.registry
    facts = registry.facts.get(version) if registry else None
    message = f"version {version} is registered{_in_words(facts.summary if facts else None)}"
    _end(draft, training, outcome="Registered", version=version, message=message)
    if facts is not None and facts.inputs is not None:
        draft.update(inputs=facts.inputs)
        for warning in facts.inputs.warnings:
            draft.warn("CheckTheData", f"version {version}: {warning}")
    draft.update_retraining(failures=0)
    draft.remember("Registered", version, trigger=training.trigger)
    draft.normal("VersionRegistered", message)
    if version != draft.production_version and not draft.is_rejected(version):
        draft.update(
            candidate=Candidate(version=version, step="Gates", since=format_time(draft.now))
        )


def _in_words(summary: Summary | None) -> str:
    if summary is None:
        return ""
    text = f", macro F1 {summary.scores.macro_f1:.4f} on the holdout"
    if summary.intervals is not None:
        within = summary.intervals.macro_f1
        text += f" (95 % interval {within.low:.4f} to {within.high:.4f})"
    return text + summary.feedback_in_words


def _no_new_data(
    draft: Draft, training: TrainingStatus, fingerprint: str | None, message: str
) -> None:
    """The run uses no budget, and its trigger stays pending until the listing changes."""
    _end(draft, training, outcome="NoNewData", message=message)
    retraining = draft.status.retraining
    draft.update_retraining(
        starts=[start for start in retraining.starts if start != training.started_at],
        no_new_data_fingerprint=fingerprint or "unknown",
        pending_trigger=training.trigger,
        handled_report=None if training.trigger == "Drift" else retraining.handled_report,
        handled_schedule=None if training.trigger == "Schedule" else retraining.handled_schedule,
    )
    draft.remember("NoNewData", message=message, trigger=training.trigger)
    draft.warn(
        "NoNewData",
        f"{training.trigger} asked for a retraining, and the dataset holds no row that production "
        f"has not seen: add newer listings under {draft.spec.dataset.uri}",
    )


def _failed(draft: Draft, training: TrainingStatus, outcome: str, message: str) -> None:
    _end(draft, training, outcome=outcome, message=message)
    draft.update_retraining(failures=draft.status.retraining.failures + 1)
    draft.remember("TrainingFailed", message=message, trigger=training.trigger)
    draft.warn("TrainingFailed", f"{outcome}: {message}")


def _end(
    draft: Draft,
    training: TrainingStatus,
    *,
    outcome: str,
    message: str,
    version: str | None = None,
) -> None:
    changes = {
        "finished_at": format_time(draft.now),
        "outcome": outcome,
        "message": message[:MESSAGE_LIMIT],
        "version": version,
        "progress": None,
        "retry_at": None,
    }
    draft.update(training=training.model_copy(update=changes))


def delete_old_jobs(draft: Draft) -> None:
    """Delete the Jobs of former trainings; all attempts of the newest one stay for their logs.

    Workers of a Job that has ended go at once, and those of a deleted one with it.
    """
    draft.actions.extend(
        DeleteJob(worker_job_name(job.name))
        for job in draft.observation.jobs.values()
        if job.finished and job.has_workers
    )
    training = draft.status.training
    if training is None:
        return
    name = draft.observation.model.name
    kept = {training_job_name(name, training.key, n) for n in range(1, training.attempt + 1)}
    going = {action.job_name for action in draft.actions if isinstance(action, DeleteJob)}
    draft.actions.extend(
        DeleteJob(job) for job in sorted(set(draft.observation.jobs) - kept - going)
    )
