"""Several workers in one pod."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import httpx
import pyarrow.parquet as pq

from housing_core.registry import Registry
from tests.bundles import ROWS, register_tiny_bundle
from tests.integration.serving.conftest import MakeTask, StartServing

REQUESTS = 60


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
