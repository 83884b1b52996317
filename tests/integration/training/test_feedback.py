"""Predictions whose true price came back are trained on, once each, when the spec joins them."""

import csv
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from housing_core import storage
from housing_core.api.spec import Dataset
from housing_core.bundle import read_summary
from housing_core.log_reading.dataset import list_dataset
from housing_core.registry import Registry
from housing_core.storage import fingerprint, list_files
from housing_monitoring.log.compaction import compact
from housing_training.data.preparation import prepare_rows
from housing_training.data.splitting import rows_digest
from housing_training.progress import Progress
from tests.integration.training.conftest import Train
from tests.integration.training.program import Program, task
from tests.mlflow_server import MlflowServer, stock_client
from tests.prediction_logs import write_labels, write_predictions

ASKED = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
SOLD = ASKED + timedelta(days=3)
FILED, PREDICTED, LABELLED = 1000, 300, 250


@dataclass(frozen=True)
class Home:
    """A dataset and a prediction log of real listings, which have none in common."""

    folder: Path
    rows: list[dict[str, str]]

    @property
    def files(self) -> Path:
        return self.folder / "listings"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def write(self, name: str, rows: list[dict[str, str]]) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return path

    def label(self, model: str, numbers: range, time: datetime) -> None:
        rows = self.rows[FILED:]
        prices = [(f"r{n // 10}", n % 10, float(rows[n]["Fiyat"])) for n in numbers]
        write_labels(self.log, f"training-test.{model}", prices, time)

    def task(self, model: str, key: str, **fields: Any) -> dict[str, Any]:
        joined = {"feedback": "Join"}
        return task(
            self.files, name=model, key=key, dataset=joined, log_uri=str(self.log), **fields
        )


def asked(row: dict[str, str]) -> dict[str, Any]:
    """A listing as a client sends it: numbers as numbers, and nothing where nothing is known."""
    return {
        name: int(text) if text.isdecimal() else text
        for name, text in row.items()
        if name not in ("", "Fiyat") and text
    }


def home(folder: Path, istanbul: Path, model: str) -> Home:
    with istanbul.open(encoding="utf-8") as file:
        every = {tuple(list(row.values())[1:]): row for row in csv.DictReader(file)}
    found = Home(folder, list(every.values())[: FILED + PREDICTED])
    found.write("listings/a.csv", found.rows[:FILED])
    predicted = found.rows[FILED:]
    for start in range(0, PREDICTED, 10):
        rows = [asked(row) for row in predicted[start : start + 10]]
        request, time = f"r{start // 10}", ASKED + timedelta(minutes=start)
        write_predictions(found.log, f"training-test.{model}", rows, time, request_id=request)
    found.label(model, range(LABELLED), SOLD)
    return found


def test_labelled_predictions_are_listings_like_those_of_a_file(
    train: Train, istanbul: Path, registry: Registry, tmp_path: Path
) -> None:
    model = "joined"
    given = home(tmp_path, istanbul, model)
    write_labels(given.log, f"training-test.{model}", [("nobody", 0, 1e6)], SOLD)
    ended = train(given.task(model, "joined"))
    assert ended.code == 0, ended.output
    assert ended.outcome is not None
    name = f"training-test.{model}"
    summary = read_summary(registry.download_bundle(name, "1", tmp_path / "bundle"))
    assert (summary.rows, summary.feedback_rows) == (FILED + LABELLED, LABELLED)
    one_file = given.write("together.csv", given.rows[: FILED + LABELLED])
    dataset = Dataset.model_validate({"uri": str(one_file), "target": {"column": "Fiyat"}})
    same = prepare_rows(list_files(str(one_file), [".csv"]), dataset, 0.2, Progress())
    assert summary.dataset_digest == rows_digest(same.identity)
    assert summary.holdout_rows == same.holdout.sum()

    said = f"{LABELLED} of the {FILED + LABELLED} rows came to /feedback"
    assert said in ended.outcome.message
    assert f"{FILED} rows read from 1 files and {LABELLED} from feedback" in ended.output
    assert "1 prices for no prediction that the log still has are left out" in ended.messages
    client = stock_client(registry.tracking_uri)
    run = client.get_run(summary.run_id)
    assert run.data.metrics["feedback_rows"] == LABELLED
    assert run.data.params["dataset.feedback"] == "Join"
    card = client.get_model_version(name, "1").description
    assert f"{LABELLED} of them predictions whose price came to `/feedback`" in card

    # The monitor reports this fingerprint, whatever became of the log's files meanwhile.
    joined = Dataset.model_validate(given.task(model, "")["dataset"])
    assert ended.outcome.dataset_fingerprint == fingerprint(
        list_dataset(joined, str(given.log), name)
    )
    drift = {"trigger": "Drift", "needs_new_rows": True, "production_version": "1"}
    none = train(given.task(model, "none", **drift))
    assert none.outcome is not None
    assert none.outcome.outcome == "NoNewData"
    assert "add listings to it, or send true prices to /feedback" in none.outcome.message
    assert none.outcome.dataset_fingerprint == ended.outcome.dataset_fingerprint

    given.label(model, range(LABELLED, LABELLED + 7), SOLD + timedelta(hours=5))
    more = train(given.task(model, "more", **drift))
    assert more.outcome is not None
    assert more.outcome.outcome == "Registered", more.outcome.message
    assert more.outcome.dataset_fingerprint != none.outcome.dataset_fingerprint
    second = read_summary(registry.download_bundle(name, "2", tmp_path / "second"))
    assert (second.new_rows, second.feedback_rows) == (7, LABELLED + 7)


def test_feedback_is_left_alone_when_the_spec_does_not_join_it(
    train: Train, istanbul: Path, registry: Registry, tmp_path: Path
) -> None:
    given = home(tmp_path, istanbul, "ignored")
    ended = train(task(given.files, name="ignored", key="ignored"))
    assert ended.code == 0, ended.output
    bundle = registry.download_bundle("training-test.ignored", "1", tmp_path / "bundle")
    assert (read_summary(bundle).rows, read_summary(bundle).feedback_rows) == (FILED, 0)


def test_a_killed_training_goes_on_with_the_same_rows_when_the_log_was_compacted(
    istanbul: Path, mlflow_server: MlflowServer, registry: Registry, tmp_path: Path
) -> None:
    model = "kept"
    given = home(tmp_path, istanbul, model)
    todo = given.task(model, "kept")
    killed = Program(todo, mlflow_server.url, tmp_path / "1")
    killed.wait_for("8 of 20 trees")
    killed.kill()
    now = SOLD + timedelta(days=1)
    for hour in given.log.glob("*/*/*"):
        place = storage.locate(str(hour))
        files = storage.list_folder(place)
        table = "feedback" if "feedback" in str(hour) else "predictions"
        if compact(place, files, table, now).files:
            for file in files:
                Path(file.uri).unlink()
    given.label(model, range(LABELLED, PREDICTED), now)
    ended = Program({**todo, "attempt": 2}, mlflow_server.url, tmp_path / "2").end()
    assert ended.code == 0, ended.output
    assert any(message.startswith("resumed") for message in ended.messages)
    bundle = registry.download_bundle(f"training-test.{model}", "1", tmp_path / "bundle")
    assert read_summary(bundle).feedback_rows == LABELLED


@pytest.mark.parametrize("damage", ["half", "no log"])
def test_a_log_that_cannot_be_read_is_no_traceback(
    train: Train, istanbul: Path, tmp_path: Path, damage: str
) -> None:
    given = home(tmp_path, istanbul, "damaged")
    if damage == "half":
        for file in given.log.glob("predictions/*/*/*"):
            file.write_bytes(file.read_bytes()[:100])
    else:
        shutil.rmtree(given.log)
    ended = train(given.task("damaged", damage.replace(" ", "-")))
    assert ended.code == 0, ended.output
    assert "Traceback" not in ended.output
    said = {
        "half": f"{LABELLED} prices for no prediction that the log still has are left out",
        "no log": "dataset.feedback: no true price of a prediction has come yet",
    }
    assert said[damage] in ended.messages
