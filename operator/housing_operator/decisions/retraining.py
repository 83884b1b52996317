"""Pure: what asks for a training now, and what holds it back."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from housing_core.api import RETRAIN_ANNOTATION
from housing_core.api.base import parse_duration
from housing_core.api.spec import HousingModelSpec
from housing_core.api.status import HousingModelStatus, Trigger
from housing_core.times import format_time, parse_time

BUDGET_PERIOD = timedelta(hours=24)

FAILURE_BACKOFF = timedelta(minutes=10)
"""Wait after the first failed training by drift or schedule; doubled by each further failure."""

FAILURE_BACKOFF_LIMIT = timedelta(hours=24)

AUTOMATIC: tuple[Trigger, ...] = ("Drift", "Schedule")
"""Triggers that need new rows and are held back; a person or a changed spec always trains."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A training that something asks for.

    Attributes:
        token: which change, date, report or request; the same one never trains twice.
    """

    trigger: Trigger
    token: str

    @property
    def automatic(self) -> bool:
        """Whether it is held back by cooldown, budget and missing new data."""
        return self.trigger in AUTOMATIC


@dataclass(frozen=True, slots=True)
class Block:
    """Why a wanted training does not start.

    Attributes:
        until: when that ends by itself; None when something must happen first.
    """

    reason: str
    message: str
    until: datetime | None = None


def normalised(trained: dict[str, Any]) -> dict[str, Any]:
    """The training-relevant part kept in status, with the defaults of today's types.

    An upgrade that adds a field with a default thereby asks for no training. A part that today's
    types cannot read is returned as it is, and so differs from any spec.
    """
    try:
        return HousingModelSpec.model_validate(trained).training_relevant()
    except ValueError:
        return trained


def spec_changed(spec: HousingModelSpec, status: HousingModelStatus) -> bool:
    """Whether the newest training, however it ended, was of another spec than today's."""
    if status.training is None:
        return True
    return normalised(status.training.spec) != spec.training_relevant()


def training_key(uid: str, relevant: dict[str, Any], wanted: Wanted, former: str) -> str:
    """Name of a training in MLflow, the same for all its attempts: 16 hexadecimal digits.

    Args:
        uid: of the HousingModel.
        relevant: the spec's training-relevant part.
        wanted: what asks for it.
        former: key of the training before it, so that a token that was used long ago (a
            person's `retrain` annotation set back) names a new training; empty for the first.
    """
    parts = [uid, json.dumps(relevant, sort_keys=True), wanted.trigger, wanted.token, former]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def wanted_training(
    spec: HousingModelSpec,
    status: HousingModelStatus,
    *,
    generation: int,
    annotations: dict[str, str],
    schedule_due: datetime | None,
) -> Wanted | None:
    """The gravest reason to train now: a changed spec, a person, drift, the schedule.

    Args:
        spec: today's.
        status: as it stands, the monitor's report included.
        generation: of the spec; the token of a changed spec, so that going back to a former spec
            trains again.
        annotations: of the HousingModel.
        schedule_due: newest date of the schedule that is not after now.
    """
    if spec_changed(spec, status):
        return Wanted("Spec", f"generation-{generation}")
    request = annotations.get(RETRAIN_ANNOTATION)
    if request and request[:256] != status.retraining.handled_request:
        return Wanted("Request", request[:256])
    drift = status.drift
    if (
        spec.retraining.on_drift
        and drift is not None
        and drift.verdict == "Drift"
        and drift.report_id != status.retraining.handled_report
        and status.production is not None
        and drift.model_version == status.production.version
    ):
        return Wanted("Drift", _with_listing(drift.report_id, status))
    if schedule_due is not None and _is_new(schedule_due, status):
        return Wanted("Schedule", _with_listing(format_time(schedule_due), status))
    return None


def _with_listing(cause: str, status: HousingModelStatus) -> str:
    """A token that changes with the dataset, as a run that found no new row pins what it read."""
    listing = status.drift.dataset_fingerprint if status.drift else None
    return f"{cause}-{listing}" if listing else cause


def _is_new(due: datetime, status: HousingModelStatus) -> bool:
    """A date is answered by the training that was started for it, or by any that began after it."""
    retraining, training = status.retraining, status.training
    if retraining.handled_schedule is not None:
        return due > parse_time(retraining.handled_schedule)
    if retraining.pending_trigger == "Schedule" or training is None:
        return True
    return due > parse_time(training.started_at)


def blocked(
    wanted: Wanted,
    spec: HousingModelSpec,
    status: HousingModelStatus,
    *,
    generation: int,
    now: datetime,
) -> Block | None:
    """What holds a wanted training back; None when it may start.

    Args:
        wanted: the training.
        spec: today's.
        status: as it stands, the monitor's report included.
        generation: of the spec.
        now: with a time zone.
    """
    if spec.suspend:
        return Block("Suspended", "spec.suspend is true: set it to false to go on")
    if not wanted.automatic:
        return None
    if status.candidate is not None:
        return Block(
            "CandidateInProgress",
            f"version {status.candidate.version} is on its way to production: "
            f"step {status.candidate.step}",
        )
    return (
        _no_new_data(wanted, spec, status)
        or _refused(status, generation)
        or _failure_backoff(status, now)
        or _cooldown(spec, status, now)
        or _budget(spec, status, now)
    )


def _no_new_data(
    wanted: Wanted, spec: HousingModelSpec, status: HousingModelStatus
) -> Block | None:
    seen = status.retraining.no_new_data_fingerprint
    if seen is None:
        return None
    current = status.drift.dataset_fingerprint if status.drift else None
    # The report may be older than the listing that the run read, and so differ from it for ever:
    # the same token would name the same training again.
    answered = status.training is not None and status.training.token == wanted.token
    if current is not None and current != seen and not answered:
        return None
    return Block(
        "NoNewData",
        "every row of the dataset was already known to the version in production: add files with "
        "newer listings under spec.dataset.uri"
        + (", or send true prices to /feedback" if spec.dataset.feedback == "Join" else "")
        + "; the next drift report notices them",
    )


def _refused(status: HousingModelStatus, generation: int) -> Block | None:
    """The same data and spec would make the version again that was rejected."""
    refused = status.retraining.refused
    current = status.drift.dataset_fingerprint if status.drift else None
    if refused is None or generation != refused.generation:
        return None
    # A listing that cannot be read does not end the block.
    if current not in (None, refused.dataset_fingerprint):
        return None
    reason = next(
        (entry.reason for entry in status.rejected_versions if entry.version == refused.version),
        "a person took the rejection back",
    )
    return Block(
        "SameDataRejected",
        f"the dataset is the one that version {refused.version} was trained on, which was rejected "
        f"({reason[:200]}): add files with newer listings under spec.dataset.uri, change the spec, "
        "or ask for a training by the annotation housing-operator.dev/retrain",
    )


def _failure_backoff(status: HousingModelStatus, now: datetime) -> Block | None:
    failures, training = status.retraining.failures, status.training
    if failures == 0 or training is None or training.finished_at is None:
        return None
    wait = min(FAILURE_BACKOFF * 2 ** min(failures - 1, 20), FAILURE_BACKOFF_LIMIT)
    until = parse_time(training.finished_at) + wait
    if now >= until:
        return None
    return Block(
        "FailureBackoff",
        f"the last {failures} training(s) failed ({training.message[:200]}); "
        f"next at {format_time(until)}",
        until,
    )


def _cooldown(spec: HousingModelSpec, status: HousingModelStatus, now: datetime) -> Block | None:
    if not status.retraining.starts:
        return None
    until = max(map(parse_time, status.retraining.starts)) + parse_duration(
        spec.retraining.cooldown
    )
    if now >= until:
        return None
    return Block(
        "Cooldown",
        f"spec.retraining.cooldown is {spec.retraining.cooldown}; next at {format_time(until)}",
        until,
    )


def _budget(spec: HousingModelSpec, status: HousingModelStatus, now: datetime) -> Block | None:
    starts = recent_starts(status.retraining.starts, now)
    limit = spec.retraining.max_per_day
    if len(starts) < limit:
        return None
    until = parse_time(starts[-limit]) + BUDGET_PERIOD
    return Block(
        "BudgetExhausted",
        f"{len(starts)} trainings in 24 hours, and spec.retraining.maxPerDay is {limit}; "
        f"next at {format_time(until)}",
        until,
    )


def recent_starts(starts: list[str], now: datetime) -> list[str]:
    """The starts that still count for the budget, oldest first."""
    return sorted(start for start in starts if now - parse_time(start) < BUDGET_PERIOD)
