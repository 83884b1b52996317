"""The listing of a dataset, to which labelled predictions may belong.

Training reads what is listed here, and monitoring makes the same fingerprint of it: a change of the
fingerprint means that there may be rows to learn from which the last training did not see.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from housing_core import prediction_log as log
from housing_core import storage
from housing_core.api.spec import Dataset
from housing_core.log_reading.files import (
    READERS,
    LogFile,
    NotOfTheLogError,
    current_files,
    hours_of,
    log_files,
    microseconds,
    read_columns,
)
from housing_core.storage import DataFile

_FEEDBACK = "/" + log.model_folder("feedback", "")

_TIMES = pa.schema([log.feedback_schema().field(log.TIME)])


class FeedbackError(storage.StorageError):
    """The feedback that joins a dataset cannot be listed; the message names the field."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """The true prices of a model's predictions up to a time, as an entry of a listing names them.

    Attributes:
        uri: of the prediction log.
        model: `<namespace>.<name>`.
        until: time of the newest price, aware.

    """

    uri: str
    model: str
    until: datetime


def list_dataset(dataset: Dataset, log_uri: str | None, model: str) -> list[DataFile]:
    """The files that a dataset means and, where the spec joins it, what has come to `/feedback`.

    All the feedback of a model is one entry, with the time of the newest price as its version: the
    files of the log become others whenever they are compacted, and the rows remain the same.

    Args:
        dataset: of the spec.
        log_uri: where the predictions are logged; None where the dataset takes none of them.
        model: `<namespace>.<name>`.

    Raises:
        StorageError: when the dataset is not there, or one of the two cannot be listed.
        FeedbackError: when the latter is the feedback, and it is not merely away.

    """
    files = storage.list_files(dataset.uri, storage.DATASET_SUFFIXES[dataset.format])
    if dataset.feedback == "Join" and log_uri is not None:
        try:
            files += _list_feedback(log_uri, model)
        except storage.StorageUnavailableError:
            raise
        except storage.StorageError as error:
            raise FeedbackError(f"dataset.feedback: {error}") from error
    return files


def split_listing(files: Sequence[DataFile]) -> tuple[list[DataFile], Feedback | None]:
    """What `list_dataset` gave → the files of listings, and the feedback, if any has come."""
    listings, feedback = [], None
    for file in files:
        uri, separator, model = file.uri.rpartition(_FEEDBACK)
        if separator and "/" not in model:
            newest = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(file.version))
            feedback = Feedback(uri, model, newest)
        else:
            listings.append(file)
    return listings, feedback


def _list_feedback(uri: str, model: str) -> list[DataFile]:
    place = storage.locate(uri).child(log.model_folder("feedback", model))
    for name in reversed(hours_of(place)):
        folder = place.child(name)
        files = log_files(folder, current_files(folder))
        with ThreadPoolExecutor(READERS) as pool:
            newest = max(pool.map(_newest, files), default=0)
        if newest:
            return [DataFile(f"{place.prefix}{place.path}", 0, str(newest))]
    return []


def _newest(file: LogFile) -> int:
    """Time of the newest row, in microseconds since 1970; 0 for a file without any, or not the log's."""
    try:
        return max(
            (int(microseconds(rows).max(initial=0)) for _, rows in read_columns(file, _TIMES)),
            default=0,
        )
    except NotOfTheLogError:
        return 0
