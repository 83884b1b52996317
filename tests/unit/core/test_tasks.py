from typing import Any

import pytest

from housing_core import tasks
from housing_core.api.spec import Dataset, Target, Thresholds, Training
from housing_core.tasks import (
    ENVIRONMENT_VARIABLE,
    TERMINATION_MESSAGE_LIMIT,
    Crewing,
    MonitoringTask,
    ServingTask,
    TaskError,
    TrainingOutcome,
    TrainingTask,
    WorkerTask,
)

DATASET = Dataset(uri="pvc://listings/istanbul", target=Target(column="Fiyat"))
TASKS: list[Any] = [
    TrainingTask(
        namespace="homes",
        name="istanbul",
        key="0123abcd",
        attempt=2,
        trigger="Drift",
        token="report-1",
        dataset=DATASET,
        training=Training(),
        needs_new_rows=True,
        production_version="3",
        crewing=Crewing(tls_folder="/mnt/tls"),
    ),
    WorkerTask(
        namespace="homes",
        name="istanbul",
        scheduler="tls://istanbul-train-0123abcd-2:8786",
        tls_folder="/mnt/tls",
    ),
    ServingTask(
        namespace="homes",
        name="istanbul",
        track="production",
        version="3",
        policy_file="/etc/policy.json",
        log_uri="pvc://istanbul-log",
        model_cache="/cache",
    ),
    MonitoringTask(
        namespace="homes",
        name="istanbul",
        production_version="3",
        log_uri="pvc://istanbul-log",
        dataset=DATASET,
        window_seconds=86_400,
        min_samples=200,
        evaluation_window_seconds=30 * 86_400,
        min_labels=100,
        thresholds=Thresholds(psi=0.3),
    ),
]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: type(task).__name__)
def test_a_task_arrives_as_it_was_sent(task: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, task.to_environment())
    assert type(task).from_environment() == task
    assert task.model_name == "homes.istanbul"


@pytest.mark.parametrize("task", TASKS, ids=lambda task: type(task).__name__)
def test_equal_tasks_give_equal_texts(task: Any) -> None:
    assert task.to_environment() == task.model_copy(deep=True).to_environment()


@pytest.mark.parametrize("text", [None, ""])
def test_a_program_without_a_task_says_what_to_set(
    text: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is None:
        monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    else:
        monkeypatch.setenv(ENVIRONMENT_VARIABLE, text)
    with pytest.raises(TaskError, match="HOUSING_TASK is not set"):
        MonitoringTask.from_environment()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "MonitoringTask"),
        (TASKS[1].to_environment(), "production_version"),
        (TASKS[2].to_environment().replace('"window_seconds":86400', '"window_seconds":"x"'), "x"),
        (TASKS[2].to_environment()[:-1] + ',"surprise":1}', "surprise"),
    ],
)
def test_what_is_no_such_task_is_named(
    text: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, text)
    with pytest.raises(TaskError, match="HOUSING_TASK is not a MonitoringTask") as caught:
        MonitoringTask.from_environment()
    assert named in str(caught.value)


def test_an_outcome_arrives_as_it_was_sent() -> None:
    outcome = TrainingOutcome(outcome="Registered", version="3", run_id="r", message="Şile: tamam")
    assert TrainingOutcome.from_termination_message(outcome.to_termination_message()) == outcome


@pytest.mark.parametrize("character", ["a", "ş", "日", "🏠", '"', "\n", "\x00", "\ud800"], ids=repr)
@pytest.mark.parametrize("length", [1, 2_000, 4_096, 100_000])
def test_a_long_message_is_cut_to_what_the_kubelet_keeps(character: str, length: int) -> None:
    outcome = TrainingOutcome(outcome="InvalidData", version="3", message=character * length)
    text = outcome.to_termination_message()
    assert len(text.encode()) <= TERMINATION_MESSAGE_LIMIT
    found = TrainingOutcome.from_termination_message(text)
    assert found is not None
    assert (found.outcome, found.version) == ("InvalidData", "3")
    kept = character if character != "\ud800" else "?"
    assert set(found.message) == {kept}
    # No more is cut than must be: a character is six bytes of JSON at most.
    assert len(found.message) == length or len(text.encode()) > TERMINATION_MESSAGE_LIMIT - 6


@pytest.mark.parametrize("text", ["", "OOMKilled", "{}", '{"outcome": "Surprise"}'])
def test_a_message_that_is_no_outcome_is_none(text: str) -> None:
    assert TrainingOutcome.from_termination_message(text) is None


def test_the_limit_is_the_kubelet_s() -> None:
    assert tasks.TERMINATION_MESSAGE_LIMIT == 4_096
