"""The prediction log in a bucket of a real S3-compatible server."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from housing_core import storage
from housing_core.registry import Registry
from tests.bundles import ROWS, register_tiny_bundle
from tests.integration.serving.conftest import MakeTask, StartServing
from tests.s3_server import S3Server

BACKLOG = "housing_prediction_log_backlog_rows"
WRITTEN = "housing_prediction_log_rows_total"
FAILED = "housing_prediction_log_failed_writes_total"
LOST = "housing_prediction_log_dropped_rows_total"


def logged(uri: str) -> Counter[str]:
    """Request id → rows, of all files below a URI."""
    found: Counter[str] = Counter()
    for file in storage.list_files(uri, (".parquet",)):
        with storage.open_file(file.uri) as content:
            found.update(pq.read_table(content)["request_id"].to_pylist())
    return found


def test_rows_go_to_s3_wait_while_it_is_away_and_none_is_lost_at_the_end(
    registry: Registry,
    make_task: MakeTask,
    start: StartServing,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = S3Server(tmp_path / "s3")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    uri = "s3://log/homes"
    task = make_task("1", log_uri=uri)
    register_tiny_bundle(registry, task.model_name)
    server.start()
    try:
        (server.folder / "log").mkdir()
        serving = start(task)
        serving.wait_for("1", "Production")

        def ask() -> str:
            answer = serving.predict(ROWS)
            assert answer.status_code == 200
            return str(answer.json()["requestId"])

        before = ask()
        serving.wait_until(lambda: serving.metric(WRITTEN) == len(ROWS), 30)
        assert logged(uri) == {before: len(ROWS)}

        server.stop()
        meanwhile = [ask() for _ in range(3)]
        serving.wait_until(lambda: bool(serving.metric(FAILED)), 60)
        assert serving.metric(BACKLOG) == 3 * len(ROWS)
        server.start()
        serving.wait_until(lambda: serving.metric(BACKLOG) == 0, 90)
        assert logged(uri) == dict.fromkeys([before, *meanwhile], len(ROWS))

        last = ask()
        assert serving.metric(f'{LOST}{{reason="backlog_full"}}') in (None, 0)
        assert serving.stop() == 0
        assert logged(uri) == dict.fromkeys([before, *meanwhile, last], len(ROWS))
    finally:
        server.stop()
