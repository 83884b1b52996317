"""Labelled predictions as listings: what was asked for, with the price that came to `/feedback`."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from housing_core.api.spec import Dataset
from housing_core.cleaning import BadValueError, NumberRule, clean_number, clean_text
from housing_core.log_reading.dataset import Feedback
from housing_core.log_reading.files import NotOfTheLogError, microseconds, read_features
from housing_core.log_reading.labels import find_predictions, read_labels
from housing_training.data.columns import are_numbers
from housing_training.data.numbers import learn_numbers, write_number
from housing_training.data.reading import Cells, Listings, cells, list_columns
from housing_training.data.splitting import Mask, hash_rows
from housing_training.data.target import Prices, read_prices

UNKNOWN = "for no prediction that the log still has"
NAMED_FILES = 20
"""Files that cannot be read and are named; the others are counted."""

_ODD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class LabelledPredictions:
    """Predictions whose true price is known, each once, in an order that compaction keeps.

    Attributes:
        features: (rows,) JSON texts, a dictionary-encoded column each; null where one was absent.
        prices: (rows,).
        times: (rows,) when they were asked for, in microseconds since 1970.
        messages: what a person should know of the reading.

    """

    features: pa.Table
    prices: Prices
    times: NDArray[np.int64]
    messages: list[str]


def read_labelled(feedback: Feedback) -> LabelledPredictions:
    """Read the labelled predictions of every version and track from the prediction log.

    Raises:
        StorageError: when the log cannot be listed or read.

    """
    uri, model, until = feedback.uri, feedback.model, feedback.until
    labels = read_labels(uri, model, start=None, now=until)
    tables, times, positions = [], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for found in find_predictions(uri, model, labels, start=None, now=until, unknown=UNKNOWN):
        try:
            features = read_features(found.stretch).take(pa.array(found.rows))
        except NotOfTheLogError as error:
            labels.unread[found.stretch.file.uri] = str(error)
            labels.skipped["for predictions whose features cannot be read"] += len(found.rows)
            continue
        tables.append(features)
        times.append(microseconds(found.answers))
        positions.append(found.labels)
    joined = np.concatenate(positions)
    order = np.argsort(joined)
    if tables:
        features = pa.concat_tables(tables, promote_options="default").unify_dictionaries()
        features = features.take(pa.array(order))
    else:
        features = pa.table({})
    unread = [f"{uri} is not read: it {why}" for uri, why in sorted(labels.unread.items())]
    left_out = [f"{count} prices {why} are left out" for why, count in (+labels.skipped).items()]
    return LabelledPredictions(
        features=features,
        prices=labels.prices[joined[order]],
        times=np.concatenate(times)[order],
        messages=[
            *labels.messages,
            *unread[:NAMED_FILES],
            *([f"{len(unread) - NAMED_FILES} more files"] if len(unread) > NAMED_FILES else []),
            *left_out,
        ],
    )


def join_feedback(listings: Listings, labelled: LabelledPredictions, dataset: Dataset) -> Listings:
    """Put labelled predictions below the listings of the files, as a further file would be.

    Numbers are written as their column writes them, so that they are read, and teach how it is to be
    read, as its other cells. Columns that only one side has are missing on the other. By
    `split.timeColumn`, a prediction that has nothing there has the day when it was asked for. What
    the files hold with the same price is left out.

    Args:
        listings: of the files.
        labelled: what `read_labelled` gave.
        dataset: of the spec.

    Raises:
        InvalidDataError: when no row of the files has a price.

    """
    target = dataset.target.column
    messages = [*listings.messages, *labelled.messages]
    stored = target in listings.numeric
    priced = read_prices(target, cells(listings.frame, target), stored_as_numbers=stored)
    columns: dict[str, Cells] = {}
    left_out = np.zeros(len(labelled.prices), bool)
    for name in labelled.features.column_names:
        column = labelled.features[name].combine_chunks()
        if name == target:
            other = column.is_valid().to_numpy(zero_copy_only=False)
            messages += _counted(other & ~left_out, f"{target!r} was no price then but an input")
        else:
            rule = _number_rule(listings, name, dataset)
            columns[name], other, example = _as_written(
                name, column, rule, stored=name in listings.numeric
            )
            messages += _counted(other & ~left_out, example)
        left_out |= other
    columns[target] = _encoded([write_number(float(p), priced.rule) for p in labelled.prices])
    time_column = dataset.split.time_column if dataset.split else None
    numeric = listings.numeric
    if time_column is not None:
        columns[time_column] = _with_days(columns.get(time_column), labelled.times)
        numeric -= {time_column}
    shared = [name for name in columns if name in listings.frame.columns]
    frame = _stacked(listings.frame, columns, len(labelled.prices))
    homes = hash_rows(frame, shared, target).features
    keys = homes + _ODD * np.append(priced.prices, labelled.prices).view(np.uint64)
    files = len(listings.frame)
    known = np.isin(keys[files:], keys[:files]) & ~left_out
    messages += _counted(known, "the files hold the same listing with that price")
    kept = np.append(np.ones(files, bool), ~left_out & ~known)
    messages += _only_in(set(listings.frame.columns) - set(columns), "the files")
    messages += _only_in(set(columns) - set(listings.frame.columns), "the labelled predictions")
    return Listings(frame[kept], numeric, messages)


def _number_rule(listings: Listings, name: str, dataset: Dataset) -> NumberRule | None:
    """How the files write the numbers of a column; None where it holds categories."""
    if name not in listings.frame.columns:
        return None
    if name in listings.numeric:
        return NumberRule()
    wanted = next((column.kind for column in dataset.columns if column.name == name), None)
    crossed = any(name in cross.columns for cross in dataset.crosses or ())
    if crossed or wanted not in (None, "Numeric"):
        return None
    column = cells(listings.frame, name)
    counted = zip(column.texts, column.counts.tolist(), strict=True)
    learned = learn_numbers(counted, known_to_be=wanted == "Numeric")
    return learned.rule if wanted == "Numeric" or are_numbers(learned) else None


def _as_written(
    name: str, column: pa.DictionaryArray, rule: NumberRule | None, *, stored: bool
) -> tuple[Cells, Mask, str]:
    """The cells of a column; (rows,) which could not be read; and an example of these."""
    texts: list[str | None] = []
    bad = []
    example = ""
    for position, text in enumerate(column.dictionary.to_pylist()):
        try:
            texts.append(_text(name, json.loads(text), rule, stored=stored))
        except (ValueError, RecursionError) as error:
            texts.append(None)
            bad.append(position)
            why = error if isinstance(error, BadValueError) else f"{text[:60]!r} is no JSON text"
            example = example or f"column {name!r}: {why}"
    codes = column.indices.fill_null(-1).to_numpy()
    return _encoded([*texts, None], codes), np.isin(codes, bad), example


def _text(name: str, value: object, rule: NumberRule | None, *, stored: bool) -> str | None:
    """A raw value as a file would hold it; raises ValueError when none could."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    written = value if isinstance(value, str) else None
    if written is not None:
        written.encode()  # refuses half of a surrogate pair
    if rule is None:
        return clean_text(name, value) if written is None else written
    if written is not None and not stored and not written.strip().isdecimal():
        return written
    try:
        number = clean_number(name, value, rule)
    except BadValueError:
        if written is None:
            raise
        number = math.nan
    if math.isnan(number):
        return None if stored else written
    return write_number(number, rule)


def _encoded(texts: Sequence[str | None], codes: NDArray[np.integer] | None = None) -> Cells:
    """Texts, of which several may be equal and None is no text, as a column; one row each without codes."""
    distinct: dict[str, int] = {}
    table = np.array(
        [-1 if text is None else distinct.setdefault(text, len(distinct)) for text in texts],
        np.int64,
    )
    return Cells(table if codes is None else table[codes], list(distinct))


def _with_days(column: Cells | None, times: NDArray[np.int64]) -> Cells:
    days = [f"{datetime.fromtimestamp(t / 1e6, UTC):%Y-%m-%d}" for t in times.tolist()]
    if column is None:
        return _encoded(days)
    own = [column.texts[code] if code >= 0 else None for code in column.codes]
    return _encoded([text or day for text, day in zip(own, days, strict=True)])


def _stacked(frame: pd.DataFrame, below: dict[str, Cells], rows: int) -> pd.DataFrame:
    """A frame and further rows below it; a column that one of them lacks is missing there."""
    stacked = {}
    for name in dict.fromkeys([*frame.columns, *below]):
        above = cells(frame, name) if name in frame else Cells(np.full(len(frame), -1), [])
        more = below.get(name, Cells(np.full(rows, -1), []))
        positions = {text: position for position, text in enumerate(above.texts)}
        table = [positions.setdefault(text, len(positions)) for text in more.texts]
        codes = np.append(above.codes, np.array([*table, -1], np.int64)[more.codes])
        categories = pd.Index(list(positions), dtype=object)
        stacked[name] = pd.Categorical.from_codes(codes, categories=categories)
    return pd.DataFrame(stacked, copy=False)


def _counted(rows: Mask, why: str) -> list[str]:
    count = int(rows.sum())
    return [f"{count} labelled predictions are left out: {why}"] if count else []


def _only_in(names: set[str], place: str) -> list[str]:
    shown = list_columns(sorted(names))
    return [f"only {place} have {shown}; it counts as missing elsewhere"] if shown else []
