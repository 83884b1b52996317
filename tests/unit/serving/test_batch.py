"""Files of listings: read, answered and written part by part."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from housing_serving.batch import reading
from housing_serving.routes import batch as route
from housing_serving.scheduling import work_queue
from housing_serving.service import Service
from tests.unit.serving.api_client import ApiClient

PARQUET = "application/vnd.apache.parquet"
HEADER = "area,rooms,ilçe\n"


def _send(api: ApiClient, content: bytes, kind: str = "text/csv", accept: str = "*/*") -> Any:
    headers = {"Content-Type": kind, "Accept": accept}
    return api.post("/predict/batch", content=content, headers=headers)


def _rows(answer: Any) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text)))


def _parquet(**columns: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def test_each_row_of_a_csv_is_answered(api: ApiClient, service: Service) -> None:
    text = f'{HEADER}"120 m2",3,Kadıköy\n"1.250","5","Şile"\n,,\n'
    answer = _send(api, text.encode())
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["x-model-name"] == "tests.tiny"
    assert answer.headers["x-model-version"] == "1"
    assert answer.headers["x-serving-from"] == "Production"
    assert answer.headers["x-ignored-fields"] == "[]"
    rows = _rows(answer)
    assert [row["class"] for row in rows] == ["High", "Medium", "Low"]
    assert rows[0] == {
        "row": "0",
        "class": "High",
        "probability_Low": "0.05",
        "probability_Medium": "0.05",
        "probability_High": "0.9",
        "error": "",
    }
    (entry,) = service.log._queue
    assert entry.requests[0].request_id == answer.headers["x-request-id"]  # type: ignore[attr-defined]
    assert entry.columns == ("area", "rooms", "ilçe")  # type: ignore[attr-defined]
    assert json.loads(entry.texts)[:3] == ["120 m2", "3", "Kadıköy"]  # type: ignore[attr-defined]


def test_rows_that_are_wrong_are_named_and_lose_no_others(api: ApiClient, service: Service) -> None:
    lines = [
        b"120,3,Kadik\xf6y",  # latin-1
        b"large,3,x",
        b"80,2",
        b"",
        b"120,3,y",
        b"1,2,3,4",
        "80,2,Kadıköy".encode(),
        b"2e39,1,z",
    ]
    rows = _rows(_send(api, HEADER.encode() + b"\n".join(lines)))
    assert [(row["row"], row["class"]) for row in rows] == [
        *(("0", ""), ("1", ""), ("2", ""), ("3", "Low"), ("4", ""), ("5", "Medium"), ("6", ""))
    ]
    assert "is not UTF-8" in rows[0]["error"]
    assert rows[1]["error"].startswith("field 'area': \"large\" is not a number")
    assert rows[2]["error"] == "the row has 2 fields, the header has 3"
    assert rows[4]["error"] == "the row has 4 fields, the header has 3"
    assert "a finite number" in rows[6]["error"]
    (entry,) = service.log._queue
    assert list(entry.positions) == [3, 5]  # type: ignore[attr-defined]  # a LogEntry


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_gives_the_columns(api: ApiClient, delimiter: str) -> None:
    lines = [["Note, of mine", "area", "rooms", "ilçe"], ["x", "120,5", "3", "Kadıköy"]]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(lines)
    answer = _send(api, b"\xef\xbb\xbf" + text.getvalue().encode())
    assert [row["class"] for row in _rows(answer)] == ["High"]
    assert answer.headers["x-ignored-fields"] == '["Note, of mine"]'


def test_quoted_fields_may_hold_line_ends(api: ApiClient) -> None:
    rows = _rows(_send(api, f'{HEADER}120,3,"Kadı\nköy"\r\n120,3,Kadıköy\r\n'.encode()))
    assert [row["class"] for row in rows] == ["Low", "High"]


def test_a_quote_that_is_not_closed_is_named_with_its_line(api: ApiClient) -> None:
    text = HEADER + '120,3,Kadıköy\n1,2,"' + "x\n" * 100_000 + "120,3,Kadıköy\n"
    rows = _rows(_send(api, text.encode()))
    assert rows[0]["class"] == "High"
    assert rows[1]["error"].startswith("line 3: field larger than field limit")
    assert rows[-1]["class"] == "High"


def test_a_line_without_end_is_not_held(api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LONGEST_LINE", 1000)
    text = HEADER + "1," + "x" * 100_000 + "\n120,3,Kadıköy\n"
    rows = _rows(_send(api, text.encode()))
    assert [row["class"] for row in rows] == ["", "High"]


def test_many_rows_come_back_in_their_order(api: ApiClient, service: Service) -> None:
    service.log.start()
    rows = 5_000
    text = HEADER + "".join(f"{i},{i % 9},Kadıköy\n" for i in range(rows))
    answered = _rows(_send(api, text.encode()))
    service.log.close(10)
    assert [int(row["row"]) for row in answered] == list(range(rows))
    assert [row["class"] for row in answered] == ["Medium"] * 101 + ["High"] * (rows - 101)
    files = Path(service.task.log_uri).rglob("*.parquet")
    logged = [i for file in files for i in pq.read_table(file).column("row").to_pylist()]
    assert sorted(logged) == list(range(rows))


def test_parquet_comes_and_goes(api: ApiClient) -> None:
    content = _parquet(
        area=[120.5, None, 80.0],
        rooms=pa.array([3, 5, None], pa.int32()),
        ilçe=pa.array(["Kadıköy", None, "Kadıköy"]).dictionary_encode(),
        Note=[["a"], ["b"], None],
    )
    answer = _send(api, content, PARQUET, PARQUET)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == PARQUET
    assert answer.headers["x-ignored-fields"] == '["Note"]'
    table = pq.read_table(io.BytesIO(answer.content))
    assert table.column_names == [
        *("row", "class", "probability_Low", "probability_Medium", "probability_High", "error")
    ]
    assert table.column("class").to_pylist() == ["High", "Medium", "Medium"]
    assert table.column("error").to_pylist() == [None] * 3


def test_parquet_with_a_bad_row_names_it(api: ApiClient) -> None:
    answer = _send(api, _parquet(area=["120", "large"], ilçe=["Kadıköy", "x"]), PARQUET)
    assert [row["class"] for row in _rows(answer)] == ["High", ""]


def test_an_infinite_number_is_named(api: ApiClient) -> None:
    (row,) = _rows(_send(api, _parquet(area=[float("inf")]), PARQUET))
    assert row["error"].startswith("field 'area': inf is not a finite number")


def _broken_page() -> bytes:
    content = bytearray(_parquet(area=[str(i) for i in range(10_000)]))
    content[5_000:6_000] = b"\0" * 1_000
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "kind", "accept", "status", "part"),
    [
        (b"", "text/csv", "*/*", 400, "the first line is empty"),
        (b"\n1,2\n", "text/csv", "*/*", 400, "the first line is empty"),
        (b"price,name\n1,2\n", "text/csv", "*/*", 422, '["price","name"]'),
        (b"il\xe7e\n1\n", "text/csv", "*/*", 422, "the model takes"),
        (b"area,area\n1,2\n", "text/csv", "*/*", 422, "'area' is there twice"),
        (b"x", PARQUET, "*/*", 400, "no Parquet file"),
        (b"PAR1" * 10, PARQUET, "*/*", 400, "no Parquet file"),
        (_broken_page(), PARQUET, "*/*", 400, "broken"),
        (_parquet(price=[1]), PARQUET, "*/*", 422, '["price"]'),
        (_parquet(area=[[1]]), PARQUET, "*/*", 422, "list"),
        (b"{}", "application/json", "*/*", 415, "application/json"),
        (b"area\n1\n", "text/csv; charset=latin-1", "*/*", 415, "latin-1"),
        (b"area\n1\n", "text/csv", "application/json", 406, "application/json"),
    ],
)
def test_files_that_are_no_use_are_refused_before_the_answer_begins(
    api: ApiClient, *, content: bytes, kind: str, accept: str, status: int, part: str
) -> None:
    answer = _send(api, content, kind, accept)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert part in answer.json()["detail"]


def test_a_file_over_the_limit_is_refused(api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "BATCH_LIMIT_BYTES", 100)
    assert _send(api, b"area\n" + b"1\n" * 100).status_code == 413
    assert _send(api, b"area\n1\n").status_code == 200


def test_no_more_files_than_the_limit_are_held(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route, "MOST_AT_A_TIME", 0)
    answer = _send(api, b"area\n1\n")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"


def test_an_answer_that_has_begun_is_ended_however_many_others_wait(
    api: ApiClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_file = route.answer_file

    def others_come(*arguments: Any) -> Iterator[bytes]:
        monkeypatch.setattr(work_queue, "WAITING_CALLS", -work_queue.THREADS)
        return answer_file(*arguments)

    monkeypatch.setattr(route, "answer_file", others_come)
    assert len(_rows(_send(api, (HEADER + "120,3,x\n" * 300).encode()))) == 300
    assert _send(api, f"{HEADER}120,3,x\n".encode()).status_code == 503


def test_a_place_is_free_again_after_each_file(api: ApiClient) -> None:
    for content, status in ((b"area\n1\n", 200), (b"", 400)) * (route.MOST_AT_A_TIME + 1):
        assert _send(api, content).status_code == status
