"""Prices in any convention, and faults of MLflow that must be waited for.

What else is hard to learn from goes through the whole program in tests/integration/training.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from housing_core.registry import Registry, RegistryUnavailableError
from housing_training.tracking import patiently
from tests.unit.training.listings import dirty_rows, to_csv, write
from tests.unit.training.test_learning import train


@pytest.mark.parametrize(
    ("thousands", "decimal"), [(",", "."), (".", ","), ("", "."), (" ", ","), ("'", ".")]
)
def test_prices_are_read_in_either_convention(tmp_path: Path, thousands: str, decimal: str) -> None:
    rows, expected = dirty_rows(300), []
    for row in rows:
        price = float(row["Fiyat"].partition("TL")[0].replace(",", "")) + 0.5
        expected.append(price)
        text = f"{price:,.2f}".replace(",", "\x1f").replace(".", decimal)
        row["Fiyat"] = text.replace("\x1f", thousands) + " TL"
    found = train(tmp_path, write(tmp_path, to_csv(rows, "|")), {}, candidate="EncodedBoosting")
    assert sorted(found.rows.prices) == pytest.approx(sorted(expected))


class Failing(ThreadingHTTPServer):
    """MLflow behind which the database is gone: 500 until it has been asked often enough."""

    answers_after = 3
    asked = 0


class Handler(BaseHTTPRequestHandler):
    server: Failing

    def do_GET(self) -> None:
        self.server.asked += 1
        ready = self.server.asked > self.server.answers_after
        body = json.dumps({} if ready else {"error_code": "INTERNAL_ERROR", "message": "no db"})
        self.send_response(200 if ready else 500)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Failing]:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    server = Failing(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_minute_of_500_is_waited_for(failing: Failing) -> None:
    slept: list[float] = []
    registry = Registry(f"http://127.0.0.1:{failing.server_port}")
    found = patiently(lambda: registry.versions("a.b"), now=lambda: sum(slept), sleep=slept.append)
    assert found == []
    assert slept == [1.0, 2.0, 4.0]


def test_500_without_end_is_given_up(failing: Failing) -> None:
    failing.answers_after = 1000
    slept: list[float] = []
    registry = Registry(f"http://127.0.0.1:{failing.server_port}")
    with pytest.raises(RegistryUnavailableError, match="500 error responses"):
        patiently(lambda: registry.versions("a.b"), now=lambda: sum(slept), sleep=slept.append)
    assert sum(slept) > 200
