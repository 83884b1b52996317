"""What cannot be trained on ends the program with a message and never with a traceback.

Every reason for a refusal has its test in tests/unit/training; here are some of each kind, whole.
"""

import gzip
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from housing_core import __version__
from housing_core.registry import Registry
from housing_core.tasks import INVALID_DATA_EXIT_CODE
from tests.integration.training.conftest import Train
from tests.integration.training.program import task
from tests.mlflow_server import stock_client
from tests.unit.training.listings import dirty_rows, to_csv

GOOD = to_csv(dirty_rows(300)).encode()


@pytest.mark.parametrize(
    ("name", "content", "dataset", "message"),
    [
        ("missing", None, {}, "dataset.uri: there is nothing at"),
        ("empty.csv", b"", {}, "empty.csv is empty"),
        (
            "photo.csv",
            b"\xff\xd8\xff\xe0" + bytes(range(32)) * 50,
            {},
            "photo.csv is a binary file",
        ),
        ("cut.csv.gz", gzip.compress(GOOD)[:-100], {}, "cut.csv.gz is a truncated"),
        (
            "text.csv",
            GOOD.replace(b"TL", b"").translate(None, b"0123456789"),
            {},
            "'Fiyat' holds no number above zero",
        ),
        ("twelve.csv", to_csv(dirty_rows(12)).encode(), {}, "12 different rows"),
        (
            "duplicates.csv",
            to_csv(dirty_rows(1) * 300).encode(),
            {},
            "1 different rows with a price above zero, of 300 in all; at least 100 are needed",
        ),
        (
            "one-price.csv",
            ("Fiyat,x,y\n" + "".join(f"5000TL,a{n % 7},{n}.5\n" for n in range(200))).encode(),
            {},
            "dataset.target.quantiles: 0.4 falls on the price 5,000.00, which leaves no price for "
            "class 'Low': 100% of the rows have that price; choose other quantiles",
        ),
        (
            "half-equal.csv",
            (
                "Fiyat,x,y\n" + "".join(f"{max(n, 200)},a{n % 7},{n}.5\n" for n in range(400))
            ).encode(),
            {},
            "0.4 falls on the price 200.00, which leaves no price for class 'Low'",
        ),
        (
            "cross.csv",
            GOOD,
            {"crosses": [{"name": "d_h", "columns": ["İlçe", "HeatingType"]}]},
            "'d_h' combines 'HeatingType', which is not in the data; its columns are 'İlçe'",
        ),
        (
            "target.csv",
            GOOD,
            {"target": {"column": "price"}},
            "no column 'price'; its columns are 'İlçe'",
        ),
    ],
)
def test_bad_data_is_a_terminal_failure_that_says_what_to_do(
    *,
    train: Train,
    registry: Registry,
    tmp_path: Path,
    name: str,
    content: bytes | None,
    dataset: dict[str, Any],
    message: str,
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    ended = train(task(tmp_path / name, name="bad", key=name, dataset=dataset))
    assert ended.code == INVALID_DATA_EXIT_CODE
    assert ended.outcome is not None
    assert ended.outcome.outcome == "InvalidData"
    assert message in ended.outcome.message
    assert "Traceback" not in ended.output
    assert ended.lines[-1]["level"] == "error"
    run = stock_client(registry.tracking_uri).get_run(ended.outcome.run_id or "")
    assert run.info.status == "FAILED"
    assert message in run.data.tags["message"]
    assert registry.versions("training-test.bad") == []


def program(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    return subprocess.run(
        [sys.executable, "-m", "housing_training", *arguments],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_and_version_answer() -> None:
    assert "HOUSING_TASK" in program("--help").stdout
    assert program("--version").stdout.strip() == __version__


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "HOUSING_TASK is not set"),
        ({"HOUSING_TASK": "{"}, "HOUSING_TASK is not a TrainingTask"),
        ({"HOUSING_TASK": "good"}, "MLFLOW_TRACKING_URI is not set"),
    ],
)
def test_a_pod_that_was_set_up_wrongly_says_so(
    tmp_path: Path, environment: dict[str, str], message: str
) -> None:
    if environment.get("HOUSING_TASK") == "good":
        import json

        environment = {"HOUSING_TASK": json.dumps(task(tmp_path, name="n", key="k"))}
    log = tmp_path / "termination-log"
    ended = program(HOUSING_TERMINATION_LOG=str(log), **environment)
    assert ended.returncode == 1
    assert message in log.read_text()
    assert "Traceback" not in ended.stderr
