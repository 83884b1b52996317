"""The memory of a server that answers files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from housing_core.registry import Registry
from tests.bundles import register_tiny_bundle
from tests.integration.serving.conftest import MakeTask, StartServing
from tests.integration.serving.serving_process import ServingProcess

ROWS = 20_000
LARGER = 10
LINE = f"120,3,Kadıköy,{'x' * 300}\n".encode()
MEGABYTE = 1024**2


def _answer(serving: ServingProcess, rows: int) -> tuple[int, float]:
    """Lines of the answer to a file of so many rows, and the most memory meanwhile in MB."""

    def body() -> Iterator[bytes]:
        yield "area,rooms,ilçe,note\n".encode()
        for _ in range(rows // 1_000):
            yield LINE * 1_000

    process = Path(f"/proc/{serving.process.pid}")
    (process / "clear_refs").write_text("5")  # begins its peak anew
    headers = {"Content-Type": "text/csv"}
    with serving.client.stream(
        "POST", "/predict/batch", content=body(), headers=headers, timeout=120
    ) as answer:
        assert answer.status_code == 200
        lines = sum(part.count(b"\n") for part in answer.iter_bytes())
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", (process / "status").read_text())
    return lines, int(peak) / 1024


def test_a_file_of_ten_times_the_rows_takes_no_more_memory(
    registry: Registry, make_task: MakeTask, start: StartServing
) -> None:
    task = make_task("1")
    register_tiny_bundle(registry, task.model_name)
    serving = start(task)
    serving.wait_for("1", "Production")
    _answer(serving, ROWS)  # what the first one makes stays
    lines, before = _answer(serving, ROWS)
    assert lines == ROWS + 1
    lines, after = _answer(serving, ROWS * LARGER)
    assert lines == ROWS * LARGER + 1
    assert len(LINE) * ROWS * (LARGER - 1) > 50 * MEGABYTE
    assert after - before < 16
    assert serving.stop() == 0
