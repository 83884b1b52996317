"""Dirt that must neither stop a training nor be learned from, and faults that must be waited for."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from housing_core.registry import Registry, RegistryUnavailableError
from housing_training.tracking import patiently
from tests.unit.training.listings import dirty_rows, to_csv, write
from tests.unit.training.test_learning import train


def test_constant_columns_and_mixed_ones_do_not_stop_a_training(tmp_path: Path) -> None:
    rows = [
        {**row, "Ülke": "Türkiye", "Kat": "Bahçe" if n % 3 else str(n % 9), "Sıfır": "0"}
        for n, row in enumerate(dirty_rows(600))
    ]
    found = train(tmp_path, write(tmp_path, to_csv(rows)), {}, candidate="EncodedBoosting")
    kinds = {column.name: column.kind for column in found.prepared.columns.inputs}
    assert kinds["Kat"] == "Categorical"
    assert "in every row" in found.prepared.columns.ignored["Ülke"]
    assert "in every row" in found.prepared.columns.ignored["Sıfır"]


def test_prices_that_are_infinite_or_negative_are_left_out(tmp_path: Path) -> None:
    rows = dirty_rows(600)
    for row, price in zip(
        rows, ["inf", "-1,200,000TL", "1e999", "0", "-∞", "NaN"] * 5, strict=False
    ):
        row["Fiyat"] = price
    found = train(tmp_path, write(tmp_path, to_csv(rows)), {}, candidate="EncodedForest")
    assert len(found.rows.prices) == 570
    assert np.isfinite(found.rows.prices).all()
    assert found.rows.prices.min() > 0


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


def test_a_hundred_thousand_addresses_make_a_bounded_model(tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    areas = chance.integers(40, 250, 125_000)
    prices = (areas * chance.uniform(9_000, 40_000, 125_000)).astype(int)
    # Most addresses occur once, some twice: a street is no row number.
    addresses = np.arange(125_000) % 100_000
    content = "Adres,Alan,Fiyat\n" + "".join(
        f"{chr(65 + address % 26)}{chr(97 + address % 23)} Sokak {address},{area} m2,{price}\n"
        for address, area, price in zip(addresses, areas, prices, strict=True)
    )
    found = train(tmp_path, write(tmp_path, content), {}, candidate="EncodedBoosting")
    assert found.prepared.columns.kind("Adres") == "HighCardinality"
    assert (tmp_path / "model.onnx").stat().st_size < 2_000_000
    assert found.evaluated.scores.macro_f1 > 0.5


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
