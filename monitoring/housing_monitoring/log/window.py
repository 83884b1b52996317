"""The window: the rows of the prediction log that a report judges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from housing_core.cleaning import CleaningRules
from housing_core.log_reading.files import (
    CHUNK_ROWS,
    CLOCK_DISAGREEMENT,
    READERS,
    LogFile,
    NotOfTheLogError,
    list_hours,
    read_features,
)
from housing_monitoring.columns import categorical_column, numeric_column
from housing_monitoring.log.judged_rows import Asked, Part, each_once, read_parts
from housing_monitoring.measures.performance import CONFIDENCE_BINS
from housing_monitoring.measures.tally import NumberTally, Tally, blocks_of, tally_of
from housing_monitoring.profile import Profile

COPY = "is a copy: other files hold each of its rows"
"""Why a file was passed over that counts nothing."""


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
        skipped_files: files that were not read, or are copies of others → why.
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


def read_window(
    uri: str, model: str, version: str, profile: Profile | None, *, start: datetime, now: datetime
) -> Window:
    """Read the rows that production answered with one version, start <= time <= now.

    The log is read twice: first what tells rows apart, then the features of those that count, a
    chunk at a time. So 10,000,000 rows need no more memory than their numbers and times.

    Half-written, foreign and corrupt files, and copies of others, are skipped and named. Rows of
    other versions and tracks, rows that are later than now and rows that were logged twice are
    counted.

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
    spoiled: dict[str, str] = {}
    classes = profile.classes if profile else []
    while True:
        try:
            return _window(files, spoiled, profile, Asked(version, classes, start, now))
        except _SpoiledError as error:
            # Only now is it known that these rows cannot be judged, and other bins may be due.
            spoiled |= error.files


class _SpoiledError(Exception):
    """Files whose rows can be told apart, and whose features cannot be read: their URIs → why."""

    def __init__(self, files: dict[str, str]) -> None:
        super().__init__(f"{len(files)} files")
        self.files = files


def _window(
    files: list[LogFile], spoiled: dict[str, str], profile: Profile | None, asked: Asked
) -> Window:
    skipped_files = dict(spoiled)
    skipped_rows: Counter[str] = Counter()
    parts: list[Part] = []
    left = [file for file in files if file.uri not in spoiled]
    for file, read in read_parts(left, asked):
        skipped_rows.update(read.left_out)
        if read.not_read:
            skipped_files[file.uri] = read.not_read
        parts += read.parts
    found = parts
    parts, twice, digest = each_once(found)
    if twice:
        skipped_rows["logged twice"] = twice
        skipped_files |= dict.fromkeys(_files_of(found) - _files_of(parts), COPY)
    times = np.concatenate([np.zeros(0, np.int64), *(part.times for part in parts)])
    blocks = _blocks(times)
    features, messages = _features(parts, blocks, profile)
    return Window(
        rows=len(times),
        digest=digest,
        start=_time(times.min()) if len(times) else None,
        end=_time(times.max()) if len(times) else None,
        features=features,
        classes=_classes(parts, blocks),
        confidences=_confidences(parts, blocks),
        skipped_files=skipped_files,
        skipped_rows=dict(sorted(skipped_rows.items())),
        messages=tuple(messages),
    )


def _files_of(parts: list[Part]) -> set[str]:
    """The files that have a row in the window."""
    return {part.stretch.file.uri for part in parts if len(part.identities)}


def _blocks(times: NDArray[np.int64]) -> NDArray[np.int32]:
    """The block of each row: rows that came together share one, and all are of one size."""
    rows = len(times)
    blocks = np.zeros(rows, np.int32)
    if rows:
        # Of the same request they have the same time, and keep the order of the file.
        size = blocks_of(rows)
        ends = -(-np.arange(size + 1) * rows // size)
        in_order = np.repeat(np.arange(size, dtype=np.int32), np.diff(ends))
        blocks[np.argsort(times, kind="stable")] = in_order
    return blocks


def _classes(parts: list[Part], blocks: NDArray[np.int32]) -> dict[str, NDArray[np.int64]]:
    size = blocks_of(len(blocks))
    classes: dict[str, NDArray[np.int64]] = {}
    for part, inside in _aligned(parts, blocks):
        for code, name in enumerate(part.names):
            rows = inside[part.classes == code]
            if len(rows):
                classes[name] = classes.get(name, 0) + np.bincount(rows, minlength=size)
    return classes


def _confidences(parts: list[Part], blocks: NDArray[np.int32]) -> NDArray[np.int64]:
    counts = np.zeros((blocks_of(len(blocks)), CONFIDENCE_BINS), np.int64)
    for part, inside in _aligned(parts, blocks):
        cells = inside.astype(np.int64) * CONFIDENCE_BINS + part.confidences
        counts += np.bincount(cells, minlength=counts.size).reshape(counts.shape)
    return counts


def _aligned(
    parts: list[Part], blocks: NDArray[np.int32]
) -> Iterator[tuple[Part, NDArray[np.int32]]]:
    end = 0
    for part in parts:
        start, end = end, end + len(part.times)
        if end > start:
            yield part, blocks[start:end]


def _features(
    parts: list[Part], blocks: NDArray[np.int32], profile: Profile | None
) -> tuple[dict[str, Tally], list[str]]:
    """What is kept of each feature that has a profile, and which have none."""
    if profile is None or len(blocks) == 0:
        return {}, []
    tallies, messages = _tallies(profile, len(blocks))
    if not tallies:
        return {}, messages
    spoiled: dict[str, str] = {}
    with ThreadPoolExecutor(READERS) as pool:
        for chunk in _chunks(_aligned(parts, blocks)):
            read = pool.map(lambda part: _texts(part, list(tallies)), [part for part, _ in chunk])
            texts = []
            for (part, _), found in zip(chunk, read, strict=True):
                if isinstance(found, str):
                    spoiled[part.stretch.file.uri] = found
                else:
                    texts.append(found)
            if not spoiled:
                inside = np.concatenate([rows for _, rows in chunk])
                _add(tallies, pa.concat_tables(texts), inside, profile.rules)
    if spoiled:
        raise _SpoiledError(spoiled)
    return tallies, messages


def _tallies(profile: Profile, rows: int) -> tuple[dict[str, Tally], list[str]]:
    """An empty tally of each feature that has a profile, and which have none."""
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
            tallies[name] = tally_of(reference, rows)
    return tallies, messages


def _add(
    tallies: dict[str, Tally], texts: pa.Table, blocks: NDArray[np.int32], rules: CleaningRules
) -> None:
    """Count the rows of a chunk."""
    for name, tally in tallies.items():
        if isinstance(tally, NumberTally):
            rule = rules.numbers[name]
            tally.add(numeric_column(name, texts[name], rule, rules.missing_words), blocks)
        else:
            tally.add(categorical_column(name, texts[name], rules.missing_words), blocks)


def _chunks(
    aligned: Iterable[tuple[Part, NDArray[np.int32]]],
) -> Iterator[list[tuple[Part, NDArray[np.int32]]]]:
    """Parts whose features are read together."""
    chunk: list[tuple[Part, NDArray[np.int32]]] = []
    size = 0
    for part, inside in aligned:
        rows = len(part.judged)
        if chunk and size + rows > CHUNK_ROWS:
            yield chunk
            chunk, size = [], 0
        chunk.append((part, inside))
        size += rows
    if chunk:
        yield chunk


def _texts(part: Part, names: list[str]) -> pa.Table | str:
    """The features of the judged rows, or why they cannot be read."""
    try:
        texts = read_features(part.stretch, names)
    except NotOfTheLogError as error:
        return str(error)
    if len(texts) != len(part.judged):
        return "changed while the log was read"
    return texts if part.judged.all() else texts.filter(pa.array(part.judged))


def _time(microseconds: np.int64) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(microseconds))
