"""The end of a pod under load: no failed request, and a complete prediction log."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest

from housing_core.registry import Registry
from housing_serving.server import DRAIN_SECONDS
from housing_serving.workers import STOP_SECONDS
from tests.bundles import ROWS, register_tiny_bundle
from tests.integration.serving.conftest import MakeTask, StartServing
from tests.integration.serving.serving_process import ServingProcess

BODY = json.dumps(ROWS[0])
HEADERS = {"Content-Type": "application/json"}


class _Client(threading.Thread):
    """Asks on one kept connection until the server closes it."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.request_ids: list[str] = []
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            while True:
                self.connection.request("POST", "/predict", BODY, HEADERS)
                answer = self.connection.getresponse()
                content = json.loads(answer.read())
                assert answer.status == 200, content
                self.request_ids.append(content["requestId"])
                if answer.headers["Connection"] == "close":
                    return
        except (OSError, AssertionError, http.client.HTTPException) as error:
            self.error = error


def _logged_ids(folder: Path) -> list[str]:
    files = [pq.read_table(file, columns=["request_id"]) for file in folder.rglob("*.parquet")]
    return [name for file in files for name in file.column("request_id").to_pylist()]


def _start(
    registry: Registry, make_task: MakeTask, start: StartServing, **changes: Any
) -> ServingProcess:
    task = make_task("1", **changes)
    register_tiny_bundle(registry, task.model_name)
    serving = start(task)
    serving.wait_for("1", "Production")
    return serving


def test_sigterm_under_keep_alive_load_fails_no_request_and_logs_every_one(
    registry: Registry, make_task: MakeTask, start: StartServing, tmp_path: Path
) -> None:
    serving = _start(registry, make_task, start)
    clients = [_Client(serving.port) for _ in range(8)]
    for client in clients:
        client.start()
    serving.wait_until(lambda: sum(len(client.request_ids) for client in clients) > 100, 30)
    told = time.monotonic()
    serving.terminate()
    serving.wait_until(lambda: serving.ready().status_code == 503, DRAIN_SECONDS)
    # Nodes go on sending to a pod for a moment after it was told to end.
    late = _Client(serving.port)
    late.run()
    health = serving.health().status
    for client in clients:
        client.join(30)
    drained = time.monotonic() - told
    assert serving.stop() == 0
    assert drained < DRAIN_SECONDS, "this machine was too busy to show anything"
    assert health == "ok"
    assert len(late.request_ids) == 1
    assert [client.error for client in [*clients, late]] == [None] * 9
    answered = [name for client in [*clients, late] for name in client.request_ids]
    assert sorted(_logged_ids(tmp_path / "log")) == sorted(answered)


def test_a_request_that_is_still_being_sent_is_answered(
    registry: Registry, make_task: MakeTask, start: StartServing
) -> None:
    serving = _start(registry, make_task, start)
    body = BODY.encode()
    head = (
        f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", serving.port), timeout=30) as slow:
        slow.sendall(head.encode() + body[:5])
        serving.terminate()
        time.sleep(7)  # beyond the time in which new connections are taken
        slow.sendall(body[5:])
        answer = b""
        while part := slow.recv(65_536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in answer
    assert serving.stop() == 0


def test_several_workers_end_in_time_and_lose_nothing_whatever_clients_hold_open(
    registry: Registry, make_task: MakeTask, start: StartServing, tmp_path: Path
) -> None:
    serving = _start(registry, make_task, start, workers=2)
    serving.wait_until(lambda: serving.metric("housing_workers") == 2, 60)
    clients = [_Client(serving.port) for _ in range(8)]
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(8):  # for both workers
            stuck = socket.create_connection(("127.0.0.1", serving.port), timeout=30)
            stack.enter_context(stuck).sendall(head)
        for client in clients:
            client.start()
        serving.wait_until(lambda: sum(len(client.request_ids) for client in clients) > 50, 30)
        large = json.dumps(ROWS * (serving.task.max_rows // len(ROWS))).encode()
        busy = [threading.Thread(target=_post, args=(serving.port, large)) for _ in range(12)]
        for thread in busy:
            thread.start()
        begun = time.monotonic()
        assert serving.stop() == 0
        took = time.monotonic() - begun
        for thread in [*clients, *busy]:
            thread.join(30)
    assert took < STOP_SECONDS
    assert "had to be killed" not in serving.log_file.read_text()
    assert [client.error for client in clients] == [None] * 8
    answered = {name for client in clients for name in client.request_ids}
    assert answered <= set(_logged_ids(tmp_path / "log"))


def _post(port: int, body: bytes) -> None:
    """Send one request, answered or not."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with suppress(OSError, http.client.HTTPException):
        connection.request("POST", "/predict", body, HEADERS)
        connection.getresponse().read()
    connection.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_at_any_moment_of_its_beginning_a_process_ends_well_when_told(
    registry: Registry, make_task: MakeTask, start: StartServing, workers: int
) -> None:
    task = make_task("1", workers=workers)
    register_tiny_bundle(registry, task.model_name)
    told = []
    for number in range(8):
        begun = start(task, listens=False)
        time.sleep(number / 2)
        begun.terminate()
        told.append(begun)
    for each in told:
        assert each.process.wait(STOP_SECONDS) == 0, each.log_file.read_text()[-4000:]


def test_a_worker_that_waits_for_its_model_ends_at_once_when_told(
    make_task: MakeTask, start: StartServing
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # as an MLflow that never answers
        silent.settimeout(30)
        serving = start(make_task("1", workers=2), f"http://127.0.0.1:{silent.getsockname()[1]}")
        first, _ = silent.accept()
        (worker,) = psutil.Process(serving.process.pid).children()
        worker.kill()
        second, _ = (
            silent.accept()
        )  # of its replacement, which serves nothing before it has a model
        told = time.monotonic()
        assert serving.stop() == 0
        assert time.monotonic() - told < DRAIN_SECONDS
        first.close()
        second.close()


def test_a_place_for_the_log_that_is_away_costs_no_prediction(
    registry: Registry, make_task: MakeTask, start: StartServing, tmp_path: Path
) -> None:
    place = tmp_path / "log"
    place.write_text("a file where the folder should be")
    serving = _start(registry, make_task, start)
    for _ in range(20):
        assert serving.predict(ROWS).status_code == 200
    serving.wait_until(lambda: "rows wait to be logged" in serving.log_file.read_text(), 30)
    assert serving.metric("housing_prediction_log_backlog_rows") == 20 * len(ROWS)
    place.unlink()
    serving.wait_until(
        lambda: serving.metric("housing_prediction_log_rows_total") == 20 * len(ROWS), 30
    )
    assert serving.metric("housing_prediction_log_backlog_rows") == 0
    assert len(_logged_ids(place)) == 20 * len(ROWS)
    assert serving.stop() == 0
