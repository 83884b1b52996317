"""Small requests that are classified together."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from housing_core.tasks import ServingTask
from housing_serving import predictor
from housing_serving.http.problems import Problem
from housing_serving.inference.encoding import Listing
from housing_serving.inference.graphs import Predictions
from housing_serving.inference.model import Model
from housing_serving.log.tables import LogEntry, Received, json_texts
from housing_serving.metrics import Metrics
from housing_serving.predictor import Predictor, Question
from housing_serving.scheduling.batching import (
    BATCH_ROWS,
    TURN_ROWS,
    WAITING_REQUESTS,
    WAITING_ROWS,
    Batcher,
)
from housing_serving.versions.readiness import Serving

NOW = datetime(2026, 11, 25, tzinfo=UTC)
LOW, HIGH = {"rooms": 1}, {"area": 120, "ilçe": "Kadıköy"}


class Setup:
    """A batcher, and what its predictor was asked and has logged."""

    def __init__(self, task: ServingTask, serving: Serving) -> None:
        self.entries: list[LogEntry] = []
        self.batches: list[int] = []
        self.metrics = Metrics()
        self.predictor = Predictor(task, lambda: serving, self.metrics, self.entries.append)
        answer_all = self.predictor.answer_all

        def counted(questions: list[Question]) -> list[bytes | Problem]:
            self.batches.append(len(questions))
            return answer_all(questions)

        self.predictor.answer_all = counted  # type: ignore[assignment, method-assign]
        self.batcher = Batcher(self.predictor, self.metrics)

    def ask(self, *listings: list[dict[str, object]]) -> list[dict[str, object] | BaseException]:
        """Send requests at once, numbered from 0."""

        async def scenario() -> list[bytes | BaseException]:
            return await asyncio.gather(
                *(
                    self.batcher.answer(Question(rows, Received(str(number), NOW, 10)))
                    for number, rows in enumerate(listings)
                ),
                return_exceptions=True,
            )

        found = asyncio.run(scenario())
        return [one if isinstance(one, BaseException) else json.loads(one) for one in found]


@pytest.fixture
def setup(task: ServingTask, serving: Serving) -> Setup:
    return Setup(task, serving)


def test_requests_of_one_moment_are_one_batch_and_each_gets_its_own_answer(setup: Setup) -> None:
    answers = setup.ask([LOW], [HIGH, LOW], [HIGH])
    assert setup.batches == [3]
    found = [
        (answer["requestId"], [one["class"] for one in answer["predictions"]])  # type: ignore[index, attr-defined]
        for answer in answers
    ]
    assert found == [("0", ["Low"]), ("1", ["High", "Low"]), ("2", ["High"])]
    (entry,) = setup.entries
    logged = list(zip((one.request_id for one in entry.requests), entry.counts, strict=True))
    assert logged == [("0", 1), ("1", 2), ("2", 1)]
    rows = [LOW, HIGH, LOW, HIGH]
    assert entry.texts == json_texts([[row.get(name) for row in rows] for name in entry.columns])


def test_a_request_that_is_alone_waits_for_nobody(setup: Setup) -> None:
    setup.batcher.under_way = ["this one"]
    with pytest.raises(StopIteration) as ended:
        setup.batcher.answer(Question([HIGH], Received("0", NOW, 10))).send(None)
    assert json.loads(ended.value.value)["predictions"][0]["class"] == "High"
    setup.batcher.under_way = ["this one", "another", "a third"]
    setup.ask([LOW], [HIGH])
    assert setup.batches == [1, 2]


def test_a_bad_request_leaves_the_others_of_its_batch_unharmed(setup: Setup) -> None:
    low, bad, high = setup.ask([LOW], [{"area": "large"}], [HIGH])
    assert isinstance(bad, Problem)
    assert (bad.status, bad.kind) == (422, "invalid-listings")
    assert not isinstance(low, BaseException)
    assert not isinstance(high, BaseException)
    (entry,) = setup.entries
    assert [one.request_id for one in entry.requests] == ["0", "2"]


def test_bad_requests_do_not_make_the_good_ones_be_answered_one_by_one(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    classify = predictor._classify

    def counted(model: Model, rows: Sequence[Listing]) -> tuple[bytes, Predictions]:
        asked.append(len(rows))
        return classify(model, rows)

    monkeypatch.setattr(predictor, "_classify", counted)
    answers = setup.ask(*([{"area": "large"}] if i % 20 == 7 else [LOW] for i in range(60)))
    assert sum(isinstance(answer, Problem) for answer in answers) == 3
    assert asked == [60, 57]


def test_many_bad_requests_alone_are_each_told_so(setup: Setup) -> None:
    answers = setup.ask(*[[{"area": f"large {i}"}] for i in range(30)])
    assert [f"large {i}" in str(answer) for i, answer in enumerate(answers)] == [True] * 30
    assert setup.entries == []


def test_a_batch_is_bounded_and_the_rest_follows(setup: Setup) -> None:
    answers = setup.ask(*[[LOW]] * (BATCH_ROWS + 3))
    assert setup.batches == [BATCH_ROWS, 3]
    assert not any(isinstance(answer, BaseException) for answer in answers)
    assert setup.metrics.registry.get_sample_value("housing_requests_queued") == 0


def test_all_that_waits_is_answered_in_a_turn_but_no_more_rows_than_a_turn_has(
    setup: Setup,
) -> None:
    async def scenario() -> list[int]:
        questions = [Question([LOW] * 32, Received(str(i), NOW, 10)) for i in range(32)]
        asked = [asyncio.ensure_future(setup.batcher.answer(one)) for one in questions]
        turns = []
        while not all(one.done() for one in asked):
            await asyncio.sleep(0)
            turns.append(32 * sum(setup.batches) - sum(turns))
        return [rows for rows in turns if rows]

    assert asyncio.run(scenario()) == [TURN_ROWS, TURN_ROWS]


def test_rows_that_wait_are_bounded_too(setup: Setup) -> None:
    most = WAITING_ROWS // 32
    answers = setup.ask(*[[LOW] * 32] * (most + 1))
    assert [isinstance(answer, Problem) for answer in answers] == [False] * most + [True]


def test_what_would_wait_too_long_is_sent_away(setup: Setup) -> None:
    answers = setup.ask(*[[LOW]] * (WAITING_REQUESTS + 2))
    refused = [answer for answer in answers if isinstance(answer, Problem)]
    assert [(problem.status, problem.kind) for problem in refused] == [(503, "busy")] * 2
    assert refused[0].headers["Retry-After"] == "5"
    sample = setup.metrics.registry.get_sample_value
    assert sample("housing_requests_rejected_total", {"reason": "queue_full"}) == 2
    assert sum(len(entry.requests) for entry in setup.entries) == WAITING_REQUESTS


def test_without_a_model_each_gets_503(task: ServingTask) -> None:
    for answer in Setup(task, Serving()).ask([LOW], [LOW]):
        assert isinstance(answer, Problem)
        assert answer.kind == "no-model"
