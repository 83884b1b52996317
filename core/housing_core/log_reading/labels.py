"""Ground truth: the prices that came to `/feedback`, and the predictions that they are of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from housing_core import prediction_log as log
from housing_core.log_reading.files import (
    CLOCK_DISAGREEMENT,
    PREDICTIONS,
    READERS,
    LogFile,
    NotOfTheLogError,
    Stretch,
    list_hours,
    microseconds,
    microseconds_of,
    read_columns,
)
from housing_core.log_reading.identity import identities

MOST_LABELS = 1_000_000
"""The newest labels that are read: more would say no more of the accuracy, or teach no more."""

MOST_PREDICTIONS = 50_000_000
"""Predictions that are looked through for them, the newest first."""

_ANSWERS = pa.schema([field for field in PREDICTIONS if field.name != log.PROBABILITIES])


@dataclass(slots=True)
class Labels:
    """True prices, each (request id, row) once, in the order of its number.

    Attributes:
        identities: (labels,) the number of each one's (request id, row).
        prices: (labels,) above zero.
        skipped: why labels were left out → how many.
        unread: URIs of files that could not be read → why.
        messages: what a person should know.

    """

    identities: NDArray[np.uint64]
    prices: NDArray[np.float64]
    skipped: Counter[str] = field(default_factory=Counter)
    unread: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Found:
    """The predictions of a stretch that have a label, each once.

    Attributes:
        rows: (found,) their positions in the stretch.
        answers: their columns, but features and probabilities.
        labels: (found,) position of each one's label in `Labels`.

    """

    stretch: Stretch
    rows: NDArray[np.int64]
    answers: pa.Table
    labels: NDArray[np.int64]


def read_labels(uri: str, model: str, *, start: datetime | None, now: datetime) -> Labels:
    """The labels that came at start <= time <= now, at most about `MOST_LABELS` of the newest.

    Of two labels for one prediction the later counts.

    Args:
        uri: of the prediction log.
        model: `<namespace>.<name>`.
        start: aware; None for all there are.
        now: aware.

    Raises:
        StorageError: when the log cannot be listed or read.

    """
    labels = Labels(np.zeros(0, np.uint64), np.zeros(0))
    kept: list[tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.float64]]] = []
    count = 0
    for files in reversed(
        list(list_hours(uri, "feedback", model, start, now + CLOCK_DISAGREEMENT))
    ):
        for _, rows in _rows_of(files, log.feedback_schema(), labels.unread):
            times, prices = microseconds(rows), rows[log.PRICE].to_numpy()
            later = times > microseconds_of(now)
            labels.skipped["later than now"] += int(later.sum())
            priced = np.isfinite(prices) & (prices > 0)
            labels.skipped["with no price above zero"] += int((~later & ~priced).sum())
            good = ~later & priced
            if start is not None:
                good &= times >= microseconds_of(start)
            kept.append((identities(rows.filter(pa.array(good))), times[good], prices[good]))
            count += int(good.sum())
        if count >= MOST_LABELS:
            labels.messages.append(f"the newest {count:,} labels were read; older ones were not")
            break
    if count:
        numbers, times, prices = (np.concatenate(column) for column in zip(*kept, strict=True))
        # By number, then time, then price: which of two equal times counts must not be up to chance.
        order = np.lexsort((prices, times, numbers))
        numbers = numbers[order]
        last = np.append(numbers[1:] != numbers[:-1], True)
        labels.skipped["replaced by a later label"] += int((~last).sum())
        labels.identities, labels.prices = numbers[last], prices[order][last]
    return labels


def find_predictions(
    uri: str, model: str, labels: Labels, *, start: datetime | None, now: datetime, unknown: str
) -> Iterator[Found]:
    """The predictions of start <= time <= now that have a label, the newest hour first.

    Labels may come days after the prediction. What is read is bounded: without labels no prediction
    is read, predictions are read from the newest back until every label has found its own, and
    `MOST_PREDICTIONS` ends it. Once all are found, `labels` also says what was left out of them.
    A label may seem older than its prediction, as the clocks of pods may disagree.

    Args:
        uri: of the prediction log.
        model: `<namespace>.<name>`.
        labels: what `read_labels` gave.
        start: aware; None for all there are.
        now: aware.
        unknown: what labels without a prediction are counted as, among `labels.skipped`.

    Raises:
        StorageError: when the log cannot be listed or read.

    """
    left = np.ones(len(labels.identities), np.bool_)
    if not left.any():
        return
    looked_at = 0
    hours = list(list_hours(uri, "predictions", model, start, now + CLOCK_DISAGREEMENT))
    for files in reversed(hours):
        for stretch, rows in _rows_of(files, _ANSWERS, labels.unread):
            looked_at += len(rows)
            if (found := _match(stretch, rows, labels, left)) is not None:
                yield found
        if not left.any():
            break
        if looked_at > MOST_PREDICTIONS:
            labels.messages.append(
                f"{looked_at:,} predictions were looked through for labels; older ones were not"
            )
            break
    labels.skipped[unknown] += int(left.sum())


def _match(
    stretch: Stretch, rows: pa.Table, labels: Labels, left: NDArray[np.bool_]
) -> Found | None:
    """The rows that have one of the labels that are left, which then are not."""
    wanted, numbers = labels.identities, identities(rows)
    positions = np.searchsorted(wanted, numbers)
    positions[positions == len(wanted)] = 0
    where = np.flatnonzero((wanted[positions] == numbers) & left[positions])
    # A prediction that was logged twice is one.
    _, first = np.unique(positions[where], return_index=True)
    where = where[first]
    if not len(where):
        return None
    left[positions[where]] = False
    return Found(stretch, where, rows.take(where), positions[where])


def _rows_of(
    files: list[LogFile], columns: pa.Schema, unread: dict[str, str]
) -> list[tuple[Stretch, pa.Table]]:
    """Rows of the files that can be read; the others go into `unread`, with the reason."""

    def rows(file: LogFile) -> list[tuple[Stretch, pa.Table]] | str:
        try:
            return list(read_columns(file, columns))
        except NotOfTheLogError as error:
            return str(error)

    tables = []
    with ThreadPoolExecutor(READERS) as pool:
        for file, found in zip(files, pool.map(rows, files), strict=True):
            if isinstance(found, str):
                unread[file.uri] = found
            else:
                tables += found
    return tables
