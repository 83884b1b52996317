"""True prices: who may send them, what is taken, and what is written down."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest

from housing_core.cleaning import NumberRule
from housing_core.prediction_log import feedback_schema
from housing_core.tasks import ServingTask
from housing_serving.app import create_app
from housing_serving.formats.feedback import parse_feedback
from housing_serving.http.problems import Problem
from housing_serving.log import writer
from housing_serving.log.feedback import FeedbackEntry, Price, feedback_tables
from housing_serving.routes.feedback import check_token
from housing_serving.service import Service
from housing_serving.versions.readiness import Serving
from tests.unit.serving.api_client import ApiClient

TURKISH = NumberRule(decimal=",", thousands=".", suffixes=("tl",))


def _refused(body: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        parse_feedback(orjson.dumps(body), TURKISH)
    return caught.value


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"requestId": "a", "price": 3_100_000}, [Price("a", 0, 3.1e6)]),
        ({"requestId": "a", "row": 2, "price": 0.5}, [Price("a", 2, 0.5)]),
        ({"requestId": "a", "price": "3.100.000 TL"}, [Price("a", 0, 3.1e6)]),
        (
            [{"requestId": "a", "price": 1}, {"requestId": "b", "row": 1, "price": "2,5"}],
            [Price("a", 0, 1.0), Price("b", 1, 2.5)],
        ),
    ],
)
def test_prices_are_taken_as_people_write_them(body: Any, expected: list[Price]) -> None:
    assert parse_feedback(orjson.dumps(body), TURKISH) == expected


@pytest.mark.parametrize(
    ("price", "shown"),
    [
        (0, "0"),
        (-1, "-1"),
        ("large", '"large"'),
        (None, "null"),
        (True, "true"),
        ("n/a", '"n/a"'),
        ([1], "[1]"),
        ({"amount": 1}, '{"amount":1}'),
        (1e39, "1e+39"),
    ],
)
def test_what_is_no_price_is_named(price: Any, shown: str) -> None:
    problem = _refused([{"requestId": "a", "price": 1}, {"requestId": "a", "price": price}])
    assert problem.status == 422
    assert problem.detail == (
        f"item 1, field 'price': {shown} is not a finite price above zero; nothing was taken"
    )
    assert problem.extensions["errors"][0]["field"] == "price"


@pytest.mark.parametrize(
    ("item", "parts"),
    [
        (1, ["item 0", "1 is not a JSON object"]),
        ({}, ["'requestId'", "null"]),
        ({"requestId": "two words", "price": 1}, ["'requestId'", "two words"]),
        ({"requestId": "x" * 129, "price": 1}, ["'requestId'", "xxx"]),
        ({"requestId": "a"}, ["'price'", "null"]),
        ({"requestId": "a", "row": -1, "price": 1}, ["'row'", "-1"]),
        ({"requestId": "a", "row": 1.5, "price": 1}, ["'row'", "1.5"]),
        ({"requestId": "a", "row": None, "price": 1}, ["'row'", "null"]),
        ({"requestId": "a", "row": 2**31, "price": 1}, ["'row'", "2147483648"]),
        ({"requestId": "a", "prise": 1}, ["'prise'", "requestId, row, price"]),
    ],
)
def test_any_other_mistake_is_named_too(item: Any, parts: list[str]) -> None:
    problem = _refused(item)
    assert problem.status == 422
    for part in parts:
        assert part in problem.detail


def test_the_first_ten_mistakes_are_listed() -> None:
    errors = _refused([{"requestId": "a", "price": 0}] * 20).extensions["errors"]
    assert [error["row"] for error in errors] == list(range(10))


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"[]", 422), (b'{"price": NaN}', 400), (b"", 400), (b"[" + b"1," * 10_000 + b"1]", 413)],
)
def test_a_body_without_prices_is_refused(body: bytes, status: int) -> None:
    with pytest.raises(Problem) as caught:
        parse_feedback(body, TURKISH)
    assert caught.value.status == status


def test_prices_become_rows_by_the_contract() -> None:
    time = datetime(2026, 11, 23, 15, 59, tzinfo=UTC)
    later = datetime(2026, 11, 23, 16, 1, tzinfo=UTC)
    entries = [
        FeedbackEntry(time, [Price("a", 0, 3.1e6), Price("b", 7, 1.0)], 10),
        FeedbackEntry(later, [Price("c", 0, 2.0)], 10),
    ]
    first, second = feedback_tables("ns.model", entries)
    assert first[0] == "feedback/model=ns.model/hour=2026-11-23T15"
    assert second[0] == "feedback/model=ns.model/hour=2026-11-23T16"
    assert first[1].schema == feedback_schema()
    assert first[1].to_pylist() == [
        {"request_id": "a", "row": 0, "time": time, "price": 3.1e6},
        {"request_id": "b", "row": 7, "time": time, "price": 1.0},
    ]


def _status(file: Path | None, authorization: str | None) -> int:
    try:
        check_token(str(file) if file else None, authorization)
    except Problem as problem:
        return problem.status
    return 200


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("Bearer s3cret", 200),
        ("bearer s3cret", 200),
        ("Bearer  s3cret ", 200),
        (None, 401),
        ("", 401),
        ("Bearer", 401),
        ("Bearer ", 401),
        ("Bearer wrong", 401),
        ("Bearer s3cret2", 401),
        ("Basic s3cret", 401),
        ("s3cret", 401),
        ("Bearer \u015f", 401),
    ],
)
def test_only_the_token_opens(tmp_path: Path, authorization: str | None, status: int) -> None:
    file = tmp_path / "token"
    file.write_text("s3cret\n")
    assert _status(file, authorization) == status


def test_a_rotated_token_counts_at_once_and_none_while_there_is_none(tmp_path: Path) -> None:
    file = tmp_path / "token"
    assert _status(file, "Bearer ") == 503
    file.write_text("\n")
    assert _status(file, "Bearer ") == 503
    file.write_text("old")
    assert _status(file, "Bearer old") == 200
    file.write_text("new")
    assert (_status(file, "Bearer old"), _status(file, "Bearer new")) == (401, 200)
    assert _status(None, "Bearer new") == 404


@pytest.fixture
def taking(task: ServingTask, serving: Serving, tmp_path: Path) -> Service:
    token = tmp_path / "token"
    token.write_text("s3cret")
    service = Service.for_task(task.model_copy(update={"feedback_token_file": str(token)}))
    service.loader._serving = serving
    return service


def test_accepted_prices_are_on_disk_once_the_server_has_ended(
    taking: Service, task: ServingTask
) -> None:
    client = ApiClient(create_app(taking))
    body = [{"requestId": "a", "price": "3.100.000"}, {"requestId": "a", "row": 1, "price": 5}]
    answer = client.post("/feedback", json=body, headers={"Authorization": "Bearer s3cret"})
    assert answer.status_code == 202
    assert answer.json() == {"requestId": answer.headers["x-request-id"], "accepted": 2}
    taking.feedback.start()
    taking.feedback.close(5)
    (file,) = Path(task.log_uri).rglob("*.parquet")
    assert file.relative_to(task.log_uri).parts[:2] == ("feedback", "model=tests.tiny")
    assert pq.read_table(file).column("price").to_pylist() == [3.1e6, 5.0]
    value = taking.metrics.registry.get_sample_value("housing_feedback_rows_total")
    assert value == 2


def test_without_the_token_nothing_is_read_or_taken(taking: Service) -> None:
    client = ApiClient(create_app(taking))
    answer = client.post("/feedback", content=b"nonsense")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="feedback"'
    assert answer.headers["content-type"] == "application/problem+json"
    assert taking.feedback.backlog_rows == 0


def test_a_full_backlog_sends_prices_away_and_says_when_to_come_again(
    taking: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "BACKLOG_ROWS", 1)
    client = ApiClient(create_app(taking))
    headers = {"Authorization": "Bearer s3cret"}
    item = {"requestId": "a", "price": 1}
    assert client.post("/feedback", json=item, headers=headers).status_code == 202
    answer = client.post("/feedback", json=item, headers=headers)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"


def test_where_feedback_is_not_set_up_the_answer_says_what_to_set(api: ApiClient) -> None:
    answer = api.post("/feedback", json={"requestId": "a", "price": 1})
    assert answer.status_code == 404
    assert "spec.serving.feedback.tokenSecretRef" in answer.json()["detail"]
