"""What the benchmark of serving says of what it has measured."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.bench.serving import load, report
from tests.bench.serving.__main__ import MOST_LINES, Result, _check_silence
from tests.bench.serving.log_cost import cost_of, section
from tests.bench.serving.results_page import (
    LOG_HEADING,
    SOAK_HEADING,
    write_comparison,
    write_log_cost,
    write_soak,
)
from tests.bench.serving.servers import LIMIT, OURS, SWITCHED_LOG, TWO_WORKERS

PEER = "BentoML"


def result(name: str, *rates: float, cpu: float = 160.0) -> Result:
    """A server that answers so many requests a second in each pass."""
    passes = len(rates)
    return Result(
        name,
        cold_start=[1.5] * passes,
        megabytes=[170.0] * passes,
        alone=[load.Window(rate, 0.2, 0.5, 0, cpu) for rate in rates],
        together=[load.Window(rate, 5.0, 17.0 + n, 0, cpu + n) for n, rate in enumerate(rates)],
        own_alone=[(0.2, 0.4)] * passes,
        own_together=[(5.1, 9.0 + n) for n in range(passes)],
        batch=[40.0] * passes,
        windows=6 * passes,
    )


def table(*results: Result) -> str:
    return report.table(list(results), 3, 8.0, {"1": [20.0, 60.0], "32": [9.0, 45.0]})


def slices(event_loop: float, noise: float, thread: float = 2.0) -> dict[str, object]:
    """Slices of 200 rows whose requests take 100 µs and more and more; with the log so much longer."""
    found = [(False, 0, 1_000_000)]
    for i in range(400):
        is_on = i % 2 == 0
        taken = 100 + i / 100 + is_on * event_loop + (noise if i % 4 < 2 else -noise)
        found.append((is_on, 200, round(200 * taken * 1e3)))
    return {"slices": found, "logged_rows": 1_000, "log_nanoseconds": thread * 1e6}


@pytest.mark.parametrize(
    ("event_loop", "noise", "reached"),
    [(1.5, 0.5, True), (1.5, 20.0, False), (4.0, 0.5, False), (-1.0, 0.5, True)],
)
def test_the_log_is_cheap_where_the_interval_of_its_cost_is_below_5_percent(
    event_loop: float, noise: float, reached: bool
) -> None:
    cost = cost_of(slices(event_loop, noise))
    assert statistics.fmean(cost.event_loop) == pytest.approx(event_loop, abs=0.2)
    assert cost.thread == 2.0
    assert ("is reached" in section(cost)) == reached


def test_each_command_writes_its_part_of_the_page_and_leaves_the_others(tmp_path: Path) -> None:
    page = tmp_path / "serving.md"
    write_soak(page, f"{SOAK_HEADING}\n\nnone failed\n")
    write_log_cost(page, f"{LOG_HEADING}\n\n4 %\n")
    write_comparison(page, "# Serving\n\nfast\n")
    write_log_cost(page, f"{LOG_HEADING}\n\n3 %\n")
    assert page.read_text("utf-8") == (
        f"# Serving\n\nfast\n\n{LOG_HEADING}\n\n3 %\n\n{SOAK_HEADING}\n\nnone failed\n"
    )


def test_variants_of_ours_are_no_peers() -> None:
    ours = (result(OURS, 6_000), result(SWITCHED_LOG, 6_100), result(TWO_WORKERS, 9_000))
    assert "best peer" not in table(*ours, result(LIMIT, 7_000))
    assert f"20.0× {PEER}" in table(*ours, result(LIMIT, 7_000), result(PEER, 300))


def test_every_figure_of_several_passes_has_its_range() -> None:
    (line,) = (one for one in table(result(OURS, 5_900, 6_100)).splitlines() if OURS in one)
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[1] == "6,000 (5,900–6,100)"
    assert cells[2] == "5.00 (5.00–5.00) / 17.50 (17.00–18.00)"
    assert cells[3] == "5.10 (5.10–5.10) / 9.50 (9.00–10.00)"
    assert cells[9] == "160 (160–161)"
    assert cells[-1] == "0 of 12"


def test_a_server_that_logs_its_requests_is_refused() -> None:
    _check_silence(b"MLflow does not answer\n" * 100, "/predict")
    with pytest.raises(AssertionError, match="POST /predict"):
        _check_silence(b"POST /predict 200\n" * (MOST_LINES + 1), "/predict")


def test_our_own_generator_waits_for_every_answer_of_its_connections() -> None:
    answered: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            answered.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    took = load.ask_at_once(server.server_address[1], "/", [b"a", b"b"], 0.3, 8)
    server.shutdown()
    server.server_close()
    assert len(took) == len(answered) >= 8
    assert set(answered) == {b"a", b"b"}


def test_a_process_that_has_ended_is_still_counted_to_those_that_started_it() -> None:
    before = load.tree_seconds(os.getpid())
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", burn], check=True)
    assert load.tree_seconds(os.getpid()) - before >= 0.25
