"""What the operator hands to each program, and what training hands back.

A task travels as JSON in the environment variable `HOUSING_TASK`; the outcome of a training is
the termination message of its container.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from housing_core.api.spec import Dataset, Thresholds, Training
from housing_core.api.status import Outcome, Trigger

ENVIRONMENT_VARIABLE = "HOUSING_TASK"

INVALID_DATA_EXIT_CODE = 65
"""EX_DATAERR of sysexits.h: the data cannot be trained on, and another attempt would not change that."""

LOG_NOT_KEPT_EXIT_CODE = 74
"""EX_IOERR of sysexits.h: the report is made, and the prediction log could not be compacted or cut;
another attempt would make a second report and fare no better."""

TERMINATION_MESSAGE_LIMIT = 4096
"""Bytes of a termination message that the kubelet keeps."""


class TaskError(Exception):
    """The environment holds no usable task."""


class _Task(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    namespace: str
    name: str

    @property
    def model_name(self) -> str:
        """Name of the registered model and of the experiment in MLflow."""
        return f"{self.namespace}.{self.name}"

    def to_environment(self) -> str:
        """The task as it travels; equal tasks give equal texts.

        What has its default is left out: a new field with a default starts no pod anew.
        """
        return self.model_dump_json(exclude_none=True, exclude_defaults=True)

    @classmethod
    def from_environment(cls) -> Self:
        """The task that the operator gave.

        Raises:
            TaskError: when it is missing or not a task of this kind.

        """
        text = os.environ.get(ENVIRONMENT_VARIABLE)
        if not text:
            raise TaskError(
                f"{ENVIRONMENT_VARIABLE} is not set: the operator sets it, or give it a JSON task"
            )
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise TaskError(f"{ENVIRONMENT_VARIABLE} is not a {cls.__name__}: {error}") from error


ADDRESS_VARIABLE = "HOUSING_POD_ADDRESS"
"""Of the pods of a training on several: where the others reach this one."""

IMAGE_VARIABLE = "HOUSING_IMAGE"
"""Of the pods of a training: the image that they run, which no program can see from inside."""

SCHEDULER_PORT = 8786
"""Where a training on several pods listens for its workers."""


class Crewing(BaseModel):
    """How a training and its workers find and trust each other.

    Attributes:
        tls_folder: with `tls.crt` and `tls.key`, which both sides show and trust.
        port: that the training listens on.

    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tls_folder: str
    port: int = SCHEDULER_PORT


class TrainingTask(_Task):
    """One training.

    Attributes:
        key: names run, checkpoints and version in MLflow, whatever the attempt.
        needs_new_rows: end with NoNewData, registering nothing, when every row was seen by
            `production_version`.
        production_version: the champion to compare with, whose boundaries `Keep` keeps.
        crewing: where its workers come, when it has any.
        log_uri: of the prediction log, when its labelled predictions join the dataset.

    """

    key: str
    attempt: int
    trigger: Trigger
    token: str
    dataset: Dataset
    training: Training
    needs_new_rows: bool = False
    production_version: str | None = None
    crewing: Crewing | None = None
    log_uri: str | None = None


class WorkerTask(_Task):
    """One worker of a training.

    Attributes:
        scheduler: address of the training, `tls://<host>:<port>`.
        tls_folder: as in `Crewing`.

    """

    scheduler: str
    tls_folder: str


class TrainingOutcome(BaseModel):
    """How a training ended.

    Attributes:
        dataset_fingerprint: digest of the listing that was read, where it came so far.
        message: for a person: which field, which value, what to do.

    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    outcome: Outcome
    version: str | None = None
    run_id: str | None = None
    dataset_fingerprint: str | None = None
    message: str = ""

    def to_termination_message(self) -> str:
        """The outcome as JSON within the kubelet's limit; the message is cut where it must be."""
        message = self.message.encode(errors="replace").decode()

        def text(length: int) -> str:
            cut = self.model_copy(update={"message": message[:length]})
            return cut.model_dump_json(exclude_none=True)

        lengths = range(1, len(message) + 1)
        limit = TERMINATION_MESSAGE_LIMIT
        return text(bisect_right(lengths, limit, key=lambda n: len(text(n).encode())))

    @classmethod
    def from_termination_message(cls, text: str) -> TrainingOutcome | None:
        """The outcome in a termination message; None when it holds none (a killed container)."""
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            return None


class ServingTask(_Task):
    """One serving pod.

    Attributes:
        version: the pinned version, first link of the fallback chain.
        policy_file: JSON file that the operator keeps current, a `ServingPolicy`.
        log_uri: where the prediction log goes.
        model_cache: folder with the last good copies of models, third link of the chain.
        max_rows: most listings in one request.
        workers: processes that answer.
        feedback_token_file: file with the token that feedback must carry; no feedback is taken
            when it is None, or while the file is not there.
        baked_models: read-only folder, baked into the image or mounted, with a bundle or a
            downloaded MLflow model in `<folder>/<namespace>.<name>/<version>/`: the last link of
            the chain, and none where the folder is not there.

    """

    track: Literal["production", "staging"]
    version: str
    policy_file: str
    log_uri: str
    model_cache: str
    max_rows: int = 10_000
    workers: int = 1
    feedback_token_file: str | None = None
    baked_models: str = "/opt/models"


class ServingPolicy(BaseModel):
    """What may change while the pods run; a ConfigMap mounted as a file.

    Attributes:
        confirmed_version: the version whose rollout has finished. A pod that is pinned to it may
            be ready while it serves from a fallback; a pod of an unfinished rollout may not, so
            that no old pod goes before a new one answers with the pinned version.
        rejected_versions: never served from, whatever the link.

    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    confirmed_version: str | None = None
    rejected_versions: list[str] = []


FallbackLevel = Literal["Production", "Staging", "LocalCopy", "None"]
"""Links of the chain of seed 4.8; `Production` is the pinned version, whatever the track."""


class ServingHealth(BaseModel):
    """The body of `GET /health`, which the operator reads too.

    Attributes:
        version: the version that answers now; None when none could be loaded.
        serving_from: the link of the fallback chain that it came from.
        since: RFC 3339, when it was loaded.
        golden_rows: rows whose answers were checked at load, all of them right.
        latency_p95_seconds: 95th percentile of one prediction over the golden rows at load.
        message: why it is not the pinned version, when it is not.

    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    status: Literal["ok", "degraded", "unavailable"]
    model_name: str
    track: str
    pinned_version: str
    version: str | None = None
    serving_from: FallbackLevel = "None"
    since: str | None = None
    golden_rows: int = 0
    latency_p95_seconds: float | None = None
    message: str = ""


class MonitoringTask(_Task):
    """One run of the monitor.

    Attributes:
        production_version: the version whose predictions are judged.
        dataset: for the fingerprint of its file listing.
        window_seconds: how far back the window goes.
        retention_days: days that the prediction log is kept.
        evaluation_window_seconds: how far back predictions are joined with labels.

    """

    production_version: str
    log_uri: str
    dataset: Dataset
    window_seconds: int
    min_samples: int
    evaluation_window_seconds: int
    min_labels: int
    thresholds: Thresholds
    retention_days: int = 90
