"""The window: the rows of the prediction log that a report judges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from housing_core import prediction_log as log
from housing_core import storage
from housing_monitoring.columns import categorical_column, numeric_column
from housing_monitoring.identity import digest, identities
from housing_monitoring.log_files import (
    CHUNK_ROWS,
    PREDICTIONS,
    READERS,
    WHOLE_FILE_BYTES,
    NotOfTheLogError,
    Stretch,
    list_hours,
    read_columns,
    read_features,
)
from housing_monitoring.performance import CONFIDENCE_BINS
from housing_monitoring.profile import Profile
from housing_monitoring.tally import NumberTally, Tally, blocks_of, tally_of

TRACK = "production"

OF_VERSION = "of model version "
"""How the reason of rows of another version begins, in `Window.skipped_rows`."""

CLOCK_DISAGREEMENT = timedelta(hours=1)
"""How far ahead of this clock rows are looked for, so that they can be counted and named."""


@dataclass(frozen=True, slots=True)
class Window:
    """The judged rows, each once, and what was left out.

    Attributes:
        rows: number of judged rows.
        digest: equal for equal sets of judged rows.
        start, end: times of the oldest and the newest judged row; None when there is none.
        features: what is kept of each feature's values, by name.
        classes: int64, (blocks,), rows of each predicted class.
        confidences: int64, (blocks, CONFIDENCE_BINS), rows by the predicted class's probability.
        skipped_files: files that were not read → why.
        skipped_rows: why rows were not judged → how many.
        messages: what a person should know of the rows.

    """

    rows: int
    digest: str
    start: datetime | None
    end: datetime | None
    features: dict[str, Tally]
    classes: dict[str, NDArray[np.int64]]
    confidences: NDArray[np.int64]
    skipped_files: dict[str, str] = field(default_factory=dict)
    skipped_rows: dict[str, int] = field(default_factory=dict)
    messages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Asked:
    """Which rows are judged: those of a version, start <= time <= now; and the version's classes."""

    version: str
    classes: list[str]
    start: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class _Part:
    """Of the rows of one stretch, what tells them apart; feature values are read later.

    Attributes:
        judged: bool, (rows,); which rows are of the window.
        identities, times, classes, confidences: (judged rows,).

    """

    stretch: Stretch
    judged: NDArray[np.bool_]
    identities: NDArray[np.uint64]
    times: NDArray[np.int64]
    classes: pl.Series
    confidences: NDArray[np.uint8]


@dataclass(slots=True)
class _Read:
    """What one file gives: parts, or why it gives none, and why rows were left out."""

    parts: list[_Part] = field(default_factory=list)
    not_read: str = ""
    left_out: Counter[str] = field(default_factory=Counter)


def read_window(
    uri: str, model: str, version: str, profile: Profile | None, *, start: datetime, now: datetime
) -> Window:
    """Read the rows that production answered with one version, start <= time <= now.

    The log is read twice: first what tells rows apart, then the features of those that count, a
    chunk at a time. So 10,000,000 rows need no more memory than their numbers and times.

    Half-written, foreign and corrupt files are skipped and named. Rows of other versions and
    tracks, rows that are later than now and rows that were logged twice are counted.

    Args:
        uri: of the prediction log.
        model: `<namespace>.<name>`.
        version: version number of the registered model.
        profile: of the version; None when it has none, and its features are not read.
        start: oldest time, aware.
        now: newest time, aware.

    Raises:
        StorageError: when the log cannot be listed or read.

    """
    hours = list_hours(uri, "predictions", model, start, now + CLOCK_DISAGREEMENT)
    files = [file for hour in hours for file in hour]
    spoiled: dict[storage.DataFile, str] = {}
    classes = profile.classes if profile else []
    while True:
        try:
            return _window(files, spoiled, profile, _Asked(version, classes, start, now))
        except _SpoiledError as error:
            # Only now is it known that these rows cannot be judged, and other bins may be due.
            spoiled |= error.files


class _SpoiledError(Exception):
    """Files whose rows can be told apart, and whose features cannot be read."""

    def __init__(self, files: dict[storage.DataFile, str]) -> None:
        super().__init__(f"{len(files)} files")
        self.files = files


def _window(
    files: list[storage.DataFile],
    spoiled: dict[storage.DataFile, str],
    profile: Profile | None,
    asked: _Asked,
) -> Window:
    skipped_files: dict[str, str] = {file.uri: why for file, why in spoiled.items()}
    skipped_rows: Counter[str] = Counter()
    parts: list[_Part] = []
    left = [file for file in files if file not in spoiled]
    with ThreadPoolExecutor(READERS) as pool:
        reads = pool.map(lambda file: _read(file, asked), left)
        for file, read in zip(left, reads, strict=True):
            skipped_rows.update(read.left_out)
            if read.not_read:
                skipped_files[file.uri] = read.not_read
            parts += read.parts
    parts, twice = _unique(parts)
    if twice:
        skipped_rows["logged twice"] = twice
    times = np.concatenate([part.times for part in parts] or [np.zeros(0, np.int64)])
    numbers = np.concatenate([part.identities for part in parts] or [np.zeros(0, np.uint64)])
    blocks = _blocks(times)
    features, messages = _features(parts, blocks, profile)
    return Window(
        rows=len(times),
        digest=digest(numbers),
        start=_time(times.min()) if len(times) else None,
        end=_time(times.max()) if len(times) else None,
        features=features,
        classes=_classes(parts, blocks),
        confidences=_confidences(parts, blocks),
        skipped_files=skipped_files,
        skipped_rows=dict(sorted(skipped_rows.items())),
        messages=tuple(messages),
    )


def _read(file: storage.DataFile, asked: _Asked) -> _Read:
    found = _Read()
    try:
        for stretch, rows in read_columns(file, PREDICTIONS):
            found.parts.append(_judged(stretch, rows, found.left_out, asked))
    except NotOfTheLogError as error:
        return _Read(not_read=str(error))
    return found


def _judged(
    stretch: Stretch,
    rows: pl.DataFrame,
    left_out: Counter[str],
    asked: _Asked,
) -> _Part:
    judged = rows[log.TIME] >= asked.start
    later = rows[log.TIME] > asked.now
    left_out["later than now"] += int(later.sum())
    judged = judged & ~later
    for name, wanted, reason in (
        (log.MODEL_VERSION, asked.version, OF_VERSION),
        (log.TRACK, TRACK, "of track "),
    ):
        others = rows.filter(judged & (rows[name] != wanted))[name]
        for value, count in others.value_counts().iter_rows():
            left_out[f"{reason}{value}"] += count
        judged = judged & (rows[name] == wanted)
    left_out += Counter()  # drops zeros
    kept = rows if judged.all() else rows.filter(judged)
    bins = np.clip(_confidence(kept, asked.classes) * CONFIDENCE_BINS, 0, CONFIDENCE_BINS - 1)
    return _Part(
        stretch=stretch,
        judged=judged.to_numpy(),
        identities=identities(kept),
        times=kept[log.TIME].to_physical().to_numpy(),
        classes=kept[log.PREDICTED_CLASS].cast(pl.Categorical),
        confidences=np.nan_to_num(bins).astype(np.uint8),
    )


def _confidence(rows: pl.DataFrame, classes: list[str]) -> NDArray[np.float64]:
    """(rows,) probability of the predicted class, which need not be the largest one."""
    positions = rows[log.PREDICTED_CLASS].replace_strict(
        {name: position for position, name in enumerate(classes)}, default=0, return_dtype=pl.Int64
    )
    found = rows[log.PROBABILITIES].list.get(positions, null_on_oob=True)
    return found.cast(pl.Float64).fill_null(0.0).to_numpy()


def _unique(parts: list[_Part]) -> tuple[list[_Part], int]:
    """Each row once, where it was read first; and how many were left out for that."""
    numbers = np.concatenate([part.identities for part in parts] or [np.zeros(0, np.uint64)])
    ordered = np.sort(numbers)
    twice = int(np.count_nonzero(ordered[1:] == ordered[:-1]))
    if not twice:
        return parts, 0
    first = np.zeros(len(numbers), np.bool_)
    first[np.unique(numbers, return_index=True)[1]] = True
    ends = np.cumsum([len(part.identities) for part in parts])
    return [
        _with(part, keep) for part, keep in zip(parts, np.split(first, ends[:-1]), strict=True)
    ], twice


def _with(part: _Part, keep: NDArray[np.bool_]) -> _Part:
    judged = part.judged.copy()
    judged[judged] = keep
    return _Part(
        part.stretch,
        judged,
        part.identities[keep],
        part.times[keep],
        part.classes.filter(pl.Series(keep)),
        part.confidences[keep],
    )


def _blocks(times: NDArray[np.int64]) -> NDArray[np.int32]:
    """The block of each row: rows that came together share one, and all are of one size."""
    rows = len(times)
    blocks = np.zeros(rows, np.int32)
    if rows:
        # Of the same request they have the same time, and keep the order of the file.
        blocks[np.argsort(times, kind="stable")] = np.arange(rows) * blocks_of(rows) // rows
    return blocks


def _classes(parts: list[_Part], blocks: NDArray[np.int32]) -> dict[str, NDArray[np.int64]]:
    size = blocks_of(len(blocks))
    classes: dict[str, NDArray[np.int64]] = {}
    for part, inside in _aligned(parts, blocks):
        for name in part.classes.unique().cast(pl.String).sort():
            rows = inside[(part.classes == name).to_numpy()]
            counts = np.bincount(rows, minlength=size)
            classes[name] = classes[name] + counts if name in classes else counts
    return classes


def _confidences(parts: list[_Part], blocks: NDArray[np.int32]) -> NDArray[np.int64]:
    counts = np.zeros((blocks_of(len(blocks)), CONFIDENCE_BINS), np.int64)
    for part, inside in _aligned(parts, blocks):
        cells = inside.astype(np.int64) * CONFIDENCE_BINS + part.confidences
        counts += np.bincount(cells, minlength=counts.size).reshape(counts.shape)
    return counts


def _aligned(
    parts: list[_Part], blocks: NDArray[np.int32]
) -> Iterator[tuple[_Part, NDArray[np.int32]]]:
    end = 0
    for part in parts:
        start, end = end, end + len(part.times)
        if end > start:
            yield part, blocks[start:end]


def _features(
    parts: list[_Part],
    blocks: NDArray[np.int32],
    profile: Profile | None,
) -> tuple[dict[str, Tally], list[str]]:
    """What is kept of each feature that has a profile, and which have none."""
    if profile is None or len(blocks) == 0:
        return {}, []
    rules, messages = profile.rules, []
    tallies: dict[str, Tally] = {}
    for name in (*rules.numbers, *rules.texts):
        reference = profile.reference.features.get(name)
        if reference is None:
            messages.append(f"{name} has no reference profile, so it was not compared")
        elif (reference.kind == "Numeric") != (name in rules.numbers):
            messages.append(
                f"{name}: the reference profile is {reference.kind}, the cleaning rules say otherwise"
            )
        else:
            tallies[name] = tally_of(reference, len(blocks))
    spoiled: dict[storage.DataFile, str] = {}
    for chunk in _chunks(_aligned(parts, blocks)):
        try:
            texts = _texts([part for part, _ in chunk], list(tallies))
        except NotOfTheLogError:
            spoiled |= _spoiled([part for part, _ in chunk], list(tallies))
            continue
        inside = np.concatenate([rows for _, rows in chunk])
        for name, tally in tallies.items():
            if isinstance(tally, NumberTally):
                rule = rules.numbers[name]
                tally.add(numeric_column(name, texts[name], rule, rules.missing_words), inside)
            else:
                tally.add(categorical_column(name, texts[name], rules.missing_words), inside)
    if spoiled:
        raise _SpoiledError(spoiled)
    return tallies, messages


def _chunks(
    aligned: Iterable[tuple[_Part, NDArray[np.int32]]],
) -> Iterator[list[tuple[_Part, NDArray[np.int32]]]]:
    """Parts whose features are read together: many small files, or one stretch of a large one."""
    chunk: list[tuple[_Part, NDArray[np.int32]]] = []
    size = 0
    for part, inside in aligned:
        rows = len(part.judged)
        if chunk and (size + rows > CHUNK_ROWS or part.stretch.file.size > WHOLE_FILE_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append((part, inside))
        size += rows
    if chunk:
        yield chunk


def _texts(parts: list[_Part], names: list[str]) -> pl.DataFrame:
    texts = read_features([part.stretch for part in parts], names)
    judged = np.concatenate([part.judged for part in parts])
    if len(texts) != len(judged):
        raise NotOfTheLogError("changed while the log was read")
    return texts if judged.all() else texts.filter(pl.Series(judged))


def _spoiled(parts: list[_Part], names: list[str]) -> dict[storage.DataFile, str]:
    """The files among these whose features cannot be read → why."""
    found = {}
    for part in parts:
        try:
            _texts([part], names)
        except NotOfTheLogError as error:
            found[part.stretch.file] = str(error)
    return found


def _time(microseconds: np.int64) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(microseconds))
