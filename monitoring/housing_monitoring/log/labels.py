"""Ground truth: the prices that came to `/feedback`, joined with what was predicted."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from housing_core import prediction_log as log
from housing_monitoring.columns import encoded
from housing_monitoring.log.files import (
    PREDICTIONS,
    READERS,
    LogFile,
    NotOfTheLogError,
    list_hours,
    microseconds,
    microseconds_of,
    read_columns,
)
from housing_monitoring.log.identity import identities
from housing_monitoring.log.judged_rows import TRACK
from housing_monitoring.log.window import CLOCK_DISAGREEMENT
from housing_monitoring.measures.performance import Labelled
from housing_monitoring.profile import Profile

MOST_LABELS = 1_000_000
"""The newest labels that are joined: more would say no more of the accuracy."""

MOST_PREDICTIONS = 50_000_000
"""Predictions that are looked through for them, the newest first."""

UNKNOWN = "for no prediction in the evaluation window"

_ANSWERS = pa.schema([field for field in PREDICTIONS if field.name != log.PROBABILITIES])


@dataclass(slots=True)
class _Labels:
    """The labels that are looked for, each (request id, row) once, in the order of its number."""

    identities: NDArray[np.uint64]
    prices: NDArray[np.float64]
    skipped: Counter[str] = field(default_factory=Counter)


def read_labelled(
    uri: str, model: str, version: str, profile: Profile, *, start: datetime, now: datetime
) -> Labelled:
    """The predictions of a version, start <= time <= now, whose true price is known.

    Labels may come days after the prediction, so both are looked for in the whole evaluation
    window. What is read is bounded: without labels no prediction is read, predictions are read
    from the newest back until every label has found its own, and `MOST_LABELS` and
    `MOST_PREDICTIONS` end it; a message says so. Of two labels for one prediction the later counts,
    whether the clocks of pods agree or not: a label may seem older than its prediction.

    Args:
        uri: of the prediction log.
        model: `<namespace>.<name>`.
        version: version number of the registered model.
        profile: of the version; its boundaries part the prices.
        start: oldest time, aware.
        now: newest time, aware.

    Raises:
        StorageError: when the log cannot be listed or read.

    """
    messages: list[str] = []
    unread: dict[str, str] = {}
    labels = _read_labels(uri, model, (start, now), messages, unread)
    left = np.ones(len(labels.identities), np.bool_)
    search = _Search(labels, version, profile.classes, left, unread)
    looked_at = 0
    if left.any():
        hours = list(list_hours(uri, "predictions", model, start, now + CLOCK_DISAGREEMENT))
        for files in reversed(hours):
            looked_at += search.look_in(files)
            if not left.any():
                break
            if looked_at > MOST_PREDICTIONS:
                messages.append(
                    f"{looked_at:,} predictions were looked through for labels; older ones were not"
                )
                break
        labels.skipped[UNKNOWN] += int(left.sum())
    return replace(
        _labelled(search, profile.boundaries, messages), skipped_files=dict(sorted(unread.items()))
    )


def _read_labels(
    uri: str,
    model: str,
    span: tuple[datetime, datetime],
    messages: list[str],
    unread: dict[str, str],
) -> _Labels:
    start, now = span
    skipped: Counter[str] = Counter()
    kept: list[tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.float64]]] = []
    count = 0
    for files in reversed(
        list(list_hours(uri, "feedback", model, start, now + CLOCK_DISAGREEMENT))
    ):
        for rows in _rows_of(files, log.feedback_schema(), unread):
            times, prices = microseconds(rows), rows[log.PRICE].to_numpy()
            later = times > microseconds_of(now)
            skipped["later than now"] += int(later.sum())
            priced = np.isfinite(prices) & (prices > 0)
            skipped["with no price above zero"] += int((~later & ~priced).sum())
            good = ~later & priced & (times >= microseconds_of(start))
            kept.append((identities(rows.filter(pa.array(good))), times[good], prices[good]))
            count += int(good.sum())
        if count >= MOST_LABELS:
            messages.append(f"the newest {count:,} labels were read; older ones were not")
            break
    if count == 0:
        return _Labels(np.zeros(0, np.uint64), np.zeros(0), +skipped)
    numbers, times, prices = (np.concatenate(column) for column in zip(*kept, strict=True))
    # By number, then time, then price: which of two equal times counts must not be up to chance.
    order = np.lexsort((prices, times, numbers))
    numbers = numbers[order]
    last = np.append(numbers[1:] != numbers[:-1], True)
    skipped["replaced by a later label"] += int((~last).sum())
    return _Labels(numbers[last], prices[order][last], +skipped)


@dataclass(slots=True)
class _Search:
    """The search for the predictions that have a label.

    Attributes:
        version, classes: of the judged version.
        left: bool, (labels,); those without a prediction yet.
        unread: files that could not be read → why.
        positions, times, predicted: of the found ones: which label, when and what was answered.

    """

    labels: _Labels
    version: str
    classes: list[str]
    left: NDArray[np.bool_]
    unread: dict[str, str]
    positions: list[NDArray[np.int64]] = field(default_factory=list)
    times: list[NDArray[np.int64]] = field(default_factory=list)
    predicted: list[NDArray[np.int64]] = field(default_factory=list)

    def look_in(self, files: list[LogFile]) -> int:
        """Look through some files; returns how many predictions they hold."""
        tables = _rows_of(files, _ANSWERS, self.unread)
        for rows in tables:
            self._match(rows)
        return sum(len(rows) for rows in tables)

    def _match(self, rows: pa.Table) -> None:
        wanted, skipped = self.labels.identities, self.labels.skipped
        numbers = identities(rows)
        positions = np.searchsorted(wanted, numbers)
        positions[positions == len(wanted)] = 0
        where = np.flatnonzero((wanted[positions] == numbers) & self.left[positions])
        # A prediction that was logged twice is one.
        _, first = np.unique(positions[where], return_index=True)
        where = where[first]
        self.left[positions[where]] = False
        matched = rows.take(where)
        of_version = _is(matched[log.MODEL_VERSION], self.version)
        asked = of_version & _is(matched[log.TRACK], TRACK)
        skipped["for predictions of another version or track"] += int((~asked).sum())
        names, codes = encoded(matched[log.PREDICTED_CLASS])
        numbers_of = {name: number for number, name in enumerate(self.classes)}
        predicted = np.array([numbers_of.get(n, -1) for n in names.to_pylist()], np.int64)[codes]
        known = asked & (predicted >= 0)
        skipped["for predictions of a class that the version does not have"] += int(
            (asked & ~known).sum()
        )
        self.positions.append(positions[where][known])
        self.times.append(microseconds(matched)[known])
        self.predicted.append(predicted[known])


def _is(texts: pa.ChunkedArray, wanted: str) -> NDArray[np.bool_]:
    """(rows,) whether the text is this one."""
    names, codes = encoded(texts)
    same: NDArray[np.bool_] = np.array([name == wanted for name in names.to_pylist()], np.bool_)
    return same[codes]


def _rows_of(files: list[LogFile], columns: pa.Schema, unread: dict[str, str]) -> list[pa.Table]:
    """Rows of the files that can be read; the others go into `unread`, with the reason."""

    def rows(file: LogFile) -> list[pa.Table] | str:
        try:
            return [found for _, found in read_columns(file, columns)]
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


def _labelled(search: _Search, boundaries: list[float], messages: list[str]) -> Labelled:
    labels = search.labels
    skipped = dict(sorted((+labels.skipped).items()))
    if not any(len(positions) for positions in search.positions):
        return replace(Labelled.none(), skipped=skipped, messages=tuple(messages))
    positions, times, predicted = (
        np.concatenate(column) for column in (search.positions, search.times, search.predicted)
    )
    order = np.argsort(times, kind="stable")
    positions = positions[order]
    prices = labels.prices[positions]
    return Labelled(
        # A price equal to a boundary belongs to the class above it.
        truth=np.searchsorted(np.asarray(boundaries), prices, side="right"),
        predicted=predicted[order],
        times=times[order],
        skipped=skipped,
        messages=tuple(messages),
    )
