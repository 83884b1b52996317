"""What a killed pod loses of its prediction log: the last moments, and not a row of before."""

from __future__ import annotations

import time
from pathlib import Path

import pyarrow.parquet as pq

from housing_core.registry import Registry
from housing_serving.log.writer import FLUSH_SECONDS
from tests.bundles import ROWS, register_tiny_bundle
from tests.integration.serving.conftest import MakeTask, StartServing

SLACK_SECONDS = 3.0
"""For a machine that is busy with other things; one file takes some milliseconds to write."""


def logged(folder: Path) -> dict[str, int]:
    """Request id → rows, from the files that are complete; each of them can be read."""
    counts: dict[str, int] = {}
    for file in folder.rglob("*.parquet"):
        if not file.name.startswith("."):
            for name in pq.read_table(file, columns=["request_id"])["request_id"].to_pylist():
                counts[name] = counts.get(name, 0) + 1
    return counts


def test_sigkill_loses_at_most_what_was_answered_since_the_last_file(
    registry: Registry, make_task: MakeTask, start: StartServing, tmp_path: Path
) -> None:
    task = make_task("1")
    register_tiny_bundle(registry, task.model_name)
    serving = start(task)
    serving.wait_for("1", "Production")
    answered: dict[str, float] = {}
    end = time.monotonic() + 3 * FLUSH_SECONDS + SLACK_SECONDS
    while time.monotonic() < end:
        answer = serving.predict(ROWS)
        assert answer.status_code == 200
        answered[answer.json()["requestId"]] = time.monotonic()
    killed = time.monotonic()
    serving.process.kill()
    serving.process.wait()

    found = logged(tmp_path / "log")
    assert set(found.values()) == {len(ROWS)}  # a request whole, or not at all
    assert found.keys() <= answered.keys()
    lost = {name: killed - when for name, when in answered.items() if name not in found}
    oldest = max(lost.values(), default=0.0)
    print(
        f"of {len(answered)} answered requests {len(lost)} are not in the log, "
        f"the oldest answered {oldest:.2f} s before the kill"
    )
    assert oldest <= FLUSH_SECONDS + SLACK_SECONDS
    assert len(found) > len(lost)
