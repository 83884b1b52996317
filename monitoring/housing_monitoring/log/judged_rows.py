"""The first of two passes over the log: which rows are judged, and what tells them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from housing_core import prediction_log as log
from housing_core.log_reading.files import (
    PREDICTIONS,
    READERS,
    LogFile,
    NotOfTheLogError,
    Stretch,
    microseconds,
    microseconds_of,
    read_columns,
)
from housing_core.log_reading.identity import digest, identities
from housing_monitoring.columns import encoded, rows_of
from housing_monitoring.measures.performance import CONFIDENCE_BINS

TRACK = "production"

OF_VERSION = "of model version "
"""How the reason of rows of another version begins, in `Window.skipped_rows`."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which rows are judged: those of a version, start <= time <= now; and the version's classes."""

    version: str
    classes: list[str]
    start: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """Of the rows of one stretch, what tells them apart; feature values are read later.

    Attributes:
        judged: bool, (rows,); which rows are of the window.
        identities, times, classes, confidences: (judged rows,); the class is a position in `names`.
        names: of the predicted classes.

    """

    stretch: Stretch
    judged: NDArray[np.bool_]
    identities: NDArray[np.uint64]
    times: NDArray[np.int64]
    classes: NDArray[np.unsignedinteger]
    names: list[str]
    confidences: NDArray[np.uint8]


@dataclass(slots=True)
class Read:
    """What one file gives: parts, or why it gives none, and why rows were left out."""

    parts: list[Part] = field(default_factory=list)
    not_read: str = ""
    left_out: Counter[str] = field(default_factory=Counter)


def read_parts(files: Sequence[LogFile], asked: Asked) -> Iterator[tuple[LogFile, Read]]:
    """Read what tells rows apart.

    Raises:
        StorageError: when a file cannot be fetched.

    """
    with ThreadPoolExecutor(READERS) as pool:
        yield from zip(files, pool.map(lambda file: _read(file, asked), files), strict=True)


def _read(file: LogFile, asked: Asked) -> Read:
    found = Read()
    try:
        for stretch, rows in read_columns(file, PREDICTIONS):
            found.parts.append(_judged(stretch, rows, found.left_out, asked))
    except NotOfTheLogError as error:
        return Read(not_read=str(error))
    return found


def _judged(stretch: Stretch, rows: pa.Table, left_out: Counter[str], asked: Asked) -> Part:
    times = microseconds(rows)
    judged = times >= microseconds_of(asked.start)
    later = times > microseconds_of(asked.now)
    left_out["later than now"] += int(later.sum())
    judged &= ~later
    for column, wanted, reason in (
        (log.MODEL_VERSION, asked.version, OF_VERSION),
        (log.TRACK, TRACK, "of track "),
    ):
        texts, codes = encoded(rows[column])
        names = texts.to_pylist()
        for name, count in zip(names, rows_of(codes[judged], len(names)).tolist(), strict=True):
            if name != wanted:
                left_out[f"{reason}{name}"] += count
        judged &= np.array([name == wanted for name in names], np.bool_)[codes]
    left_out += Counter()  # drops zeros
    kept = rows if judged.all() else rows.filter(pa.array(judged))
    texts, codes = encoded(kept[log.PREDICTED_CLASS])
    names = texts.to_pylist()
    return Part(
        stretch=stretch,
        judged=judged,
        identities=identities(kept),
        times=microseconds(kept),
        classes=codes.astype(np.min_scalar_type(len(names))),
        names=names,
        confidences=_confidence(kept[log.PROBABILITIES], names, codes, asked.classes),
    )


def _confidence(
    probabilities: pa.ChunkedArray, names: list[str], codes: NDArray[np.int32], classes: list[str]
) -> NDArray[np.uint8]:
    """(rows,) bin of the predicted class's probability, which need not be the largest one."""
    lists = probabilities.combine_chunks()
    starts, ends = lists.offsets.to_numpy()[:-1], lists.offsets.to_numpy()[1:]
    values = lists.values.fill_null(0).to_numpy(zero_copy_only=False)
    positions = {name: position for position, name in enumerate(classes)}
    table = np.array([positions.get(name, 0) for name in names], np.int32)
    wanted = starts + table[codes]
    found = np.zeros(len(codes))
    there = wanted < ends
    found[there] = values[wanted[there]]
    bins = np.clip(found * CONFIDENCE_BINS, 0, CONFIDENCE_BINS - 1)
    return np.nan_to_num(bins).astype(np.uint8)


def each_once(parts: list[Part]) -> tuple[list[Part], int, str]:
    """Each row where it was read first, how many were left out for that, and the rows' digest."""
    ordered = _joined(parts)
    ordered.sort()
    again = ordered[1:] == ordered[:-1]
    twice = int(np.count_nonzero(again))
    if not twice:
        return parts, 0, digest(ordered)
    numbers = _joined(parts)
    first = np.zeros(len(numbers), np.bool_)
    first[np.unique(numbers, return_index=True)[1]] = True
    ends = np.cumsum([len(part.identities) for part in parts])
    kept = [_with(part, keep) for part, keep in zip(parts, np.split(first, ends[:-1]), strict=True)]
    return kept, twice, digest(ordered[np.append(True, ~again)])


def _with(part: Part, keep: NDArray[np.bool_]) -> Part:
    judged = part.judged.copy()
    judged[judged] = keep
    return replace(
        part,
        judged=judged,
        identities=part.identities[keep],
        times=part.times[keep],
        classes=part.classes[keep],
        confidences=part.confidences[keep],
    )


def _joined(parts: list[Part]) -> NDArray[np.uint64]:
    return np.concatenate([np.zeros(0, np.uint64), *(part.identities for part in parts)])
