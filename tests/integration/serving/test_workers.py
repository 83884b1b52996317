"""Several workers in one pod."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import time
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import psutil
import pyarrow.parquet as pq
import pytest

from housing_core.registry import Registry
from housing_serving.workers import BEAT_SECONDS, SILENT_SECONDS
from tests.bundles import ROWS, register_tiny_bundle
from tests.integration.serving.conftest import MakeTask, StartServing
from tests.integration.serving.serving_process import ServingProcess
from tests.loopback import loopback_hosts

REQUESTS = 60
CONNECTIONS = 32
JSON = {"Content-Type": "application/json"}


def _workers(supervisor: int) -> set[int]:
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text()
    return {int(pid) for pid in children.split()}


def test_a_dead_worker_is_replaced_while_its_siblings_answer_and_nothing_is_miscounted(
    registry: Registry, make_task: MakeTask, start: StartServing, tmp_path: Path
) -> None:
    task = make_task("1", workers=2)
    register_tiny_bundle(registry, task.model_name)
    serving = start(task)
    serving.wait_for("1", "Production")
    # One connection each, so that both workers have some.
    serving.wait_until(lambda: serving.metric("housing_workers") == 2, 60)
    first = _workers(serving.process.pid)
    assert len(first) == 2
    answered = [_ask(serving.url) for _ in range(REQUESTS)]
    serving.wait_until(lambda: serving.metric("housing_prediction_log_rows_total") == REQUESTS, 30)
    victim = min(first)
    os.kill(victim, signal.SIGKILL)
    serving.wait_until(lambda: len(_workers(serving.process.pid) - first) == 1, 30)
    assert max(first) in _workers(serving.process.pid)
    serving.wait_until(lambda: serving.metric("housing_worker_restarts_total") == 1, 60)
    answered += [_ask(serving.url) for _ in range(REQUESTS)]
    sample = 'housing_requests_total{code="200",route="predict"}'
    assert serving.metric(sample) == len(answered)
    assert serving.metric("housing_request_rows_count") == len(answered)
    assert serving.metric("housing_requests_in_flight") == 0
    assert serving.stop() == 0
    files = [pq.read_table(file) for file in (tmp_path / "log").rglob("*.parquet")]
    logged = [name for file in files for name in file.column("request_id").to_pylist()]
    assert sorted(logged) == sorted(answered)
    versions = re.findall("serving version 1 from Production", serving.log_file.read_text())
    assert len(versions) == 3


def _ask(url: str) -> str:
    answer = httpx.post(f"{url}/predict", json=ROWS[0], timeout=30)
    assert answer.status_code == 200
    request_id: str = answer.json()["requestId"]
    return request_id


def _two_workers(registry: Registry, make_task: MakeTask, start: StartServing) -> ServingProcess:
    task = make_task("1", workers=2)
    register_tiny_bundle(registry, task.model_name)
    serving = start(task)
    serving.wait_for("1", "Production")
    serving.wait_until(lambda: serving.metric("housing_workers") == 2, 60)
    return serving


def test_connections_that_are_opened_at_once_are_shared_and_all_answered(
    registry: Registry, make_task: MakeTask, start: StartServing
) -> None:
    serving = _two_workers(registry, make_task, start)
    serving.client.close()
    for _ in range(5):
        with ExitStack() as stack:
            clients = [_Connection(serving.port) for _ in range(CONNECTIONS)]
            for client in clients:
                stack.callback(client.close)
            for client in clients:
                client.request("POST", "/predict", json.dumps(ROWS[0]), JSON)
            assert [client.getresponse().status for client in clients] == [200] * CONNECTIONS
            shares = [_open_connections(pid) for pid in _workers(serving.process.pid)]
        assert sum(shares) >= CONNECTIONS
        assert min(shares) >= CONNECTIONS / 8  # without sharing, often none
    assert serving.stop() == 0


def _open_connections(pid: int) -> int:
    found = psutil.Process(pid).net_connections("tcp")
    return sum(connection.status == psutil.CONN_ESTABLISHED for connection in found)


class _Connection(http.client.HTTPConnection):
    """One that does not wait until it is accepted."""

    def __init__(self, port: int) -> None:
        super().__init__("127.0.0.1", port, timeout=30)
        self.connect()


def test_between_a_workers_death_and_its_replacement_its_sibling_answers_every_new_connection(
    registry: Registry, make_task: MakeTask, start: StartServing
) -> None:
    serving = _two_workers(registry, make_task, start)
    first = _workers(serving.process.pid)
    victim = max(first)
    os.kill(victim, signal.SIGKILL)
    while psutil.pid_exists(victim) and psutil.Process(victim).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.001)
    alone = 0
    while not _workers(serving.process.pid) - first:
        _ask(serving.url)
        alone += 1
    assert alone > 0
    while serving.metric("housing_workers") != 2:
        _ask(serving.url)
    assert serving.stop() == 0


def test_a_worker_whose_event_loop_hangs_is_replaced_while_its_sibling_answers(
    registry: Registry, make_task: MakeTask, start: StartServing
) -> None:
    serving = _two_workers(registry, make_task, start)
    first = _workers(serving.process.pid)
    victim = min(first, key=_open_connections)  # not the one that tells the metrics
    serving.wait_until(lambda: _accepts(victim, serving.port), 60)
    os.kill(victim, signal.SIGSTOP)
    stopped, answered = time.monotonic(), 0
    while victim in _workers(serving.process.pid):
        _ask(serving.url)
        answered += 1
        assert time.monotonic() - stopped < SILENT_SECONDS * 2
    assert time.monotonic() - stopped > SILENT_SECONDS - 2 * BEAT_SECONDS
    assert answered > SILENT_SECONDS
    serving.wait_until(lambda: serving.metric("housing_worker_restarts_total") == 1, 60)
    assert len(_workers(serving.process.pid) & first) == 1
    assert "hangs: its event loop has not turned for 20 s" in serving.log_file.read_text()
    assert serving.stop() == 0


def _accepts(worker: int, port: int) -> bool:
    """Whether a worker takes a new connection."""
    with closing(_Connection(port)) as client:
        client.request("GET", "/health/live")
        assert client.getresponse().read()
        return _open_connections(worker) > 0


def test_the_liveness_probe_fails_where_the_only_worker_hangs(
    registry: Registry, make_task: MakeTask, start: StartServing
) -> None:
    serving = start(make_task("1"))
    os.kill(serving.process.pid, signal.SIGSTOP)
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{serving.url}/health/live", timeout=5)  # as long as the kubelet waits
    os.kill(serving.process.pid, signal.SIGCONT)
    assert httpx.get(f"{serving.url}/health/live", timeout=30).status_code == 200
    assert serving.stop() == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_every_address_answers(
    registry: Registry, make_task: MakeTask, start: StartServing, workers: int
) -> None:
    serving = start(make_task("1", workers=workers))
    for host in loopback_hosts():
        answer = httpx.get(f"http://{host}:{serving.port}/health/live", timeout=30)
        assert answer.status_code == 200
    assert serving.stop() == 0
