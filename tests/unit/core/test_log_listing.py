"""What a dataset means when feedback joins it: the same entry whatever becomes of the log's files."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from housing_core import storage
from housing_core.api.spec import Dataset
from housing_core.log_reading.dataset import Feedback, FeedbackError, list_dataset, split_listing
from housing_core.storage import DataFile, fingerprint
from housing_monitoring.log.compaction import compact
from tests.prediction_logs import write_labels

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MODEL = "homes.istanbul"


@pytest.fixture
def listings(tmp_path: Path) -> Path:
    file = tmp_path / "listings.csv"
    file.write_text("price\n1\n", "utf-8")
    return file


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def listed(listings: Path, log: Path | str, feedback: str = "Join") -> list[DataFile]:
    dataset = Dataset.model_validate(
        {"uri": str(listings), "target": {"column": "price"}, "feedback": feedback}
    )
    return list_dataset(dataset, str(log), MODEL)


def label(log: Path, time: datetime, request: str = "a", model: str = MODEL) -> Path:
    return write_labels(log, model, [(request, 0, 1e6)], time)


def test_feedback_is_one_entry_with_the_time_of_the_newest_price(listings: Path, log: Path) -> None:
    label(log, NOON - timedelta(days=40))
    label(log, NOON + timedelta(microseconds=7))
    label(log, NOON)
    files, feedback = split_listing(listed(listings, log))
    assert [file.uri for file in files] == [str(listings)]
    assert feedback == Feedback(str(log), MODEL, NOON + timedelta(microseconds=7))


@pytest.mark.parametrize("feedback", ["Ignore", "Join"])
def test_without_a_price_of_this_model_there_are_the_files_alone(
    listings: Path, log: Path, feedback: str
) -> None:
    label(log, NOON, model="homes.izmir")
    files = listed(listings, log, feedback)
    assert split_listing(files) == (files, None)
    assert [file.uri for file in files] == [str(listings)]


def test_feedback_that_is_ignored_is_not_listed(listings: Path, log: Path) -> None:
    label(log, NOON)
    assert len(listed(listings, log, "Ignore")) == 1


def test_a_new_price_changes_the_fingerprint_and_what_is_done_to_the_log_does_not(
    listings: Path, log: Path
) -> None:
    old = label(log, NOON - timedelta(days=90)).parent
    hour = label(log, NOON).parent
    label(log, NOON + timedelta(minutes=1), "b")
    before = fingerprint(listed(listings, log))
    folder = storage.locate(str(hour))
    merged = compact(folder, storage.list_folder(folder), "feedback", NOON + timedelta(hours=2))
    assert merged.files == 2
    shutil.rmtree(old)
    assert fingerprint(listed(listings, log)) == before
    label(log, NOON + timedelta(minutes=2), "c")
    assert fingerprint(listed(listings, log)) != before


def test_a_log_that_cannot_be_listed_names_the_field(listings: Path) -> None:
    with pytest.raises(FeedbackError, match=r"^dataset\.feedback: 'ftp://logs/a': ftp:// is not"):
        listed(listings, "ftp://logs/a")


def test_files_that_are_none_of_the_log_hide_no_price(listings: Path, log: Path) -> None:
    label(log, NOON)
    later = label(log, NOON + timedelta(hours=1))
    later.write_bytes(b"half")
    (later.parent / "notes.txt").write_text("not the log's", "utf-8")
    (later.parent.parent / "hour=broken").mkdir()
    _, feedback = split_listing(listed(listings, log))
    assert feedback is not None
    assert feedback.until == NOON
