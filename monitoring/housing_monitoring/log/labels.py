"""Ground truth: what a version answered where the true price came to `/feedback`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from housing_core import prediction_log as log
from housing_core.log_reading.files import microseconds
from housing_core.log_reading.labels import Labels, find_predictions, read_labels
from housing_monitoring.columns import encoded
from housing_monitoring.log.judged_rows import TRACK
from housing_monitoring.measures.performance import Labelled
from housing_monitoring.profile import Profile

UNKNOWN = "for no prediction in the evaluation window"


def read_labelled(
    uri: str, model: str, version: str, profile: Profile, *, start: datetime, now: datetime
) -> Labelled:
    """The predictions of a version, start <= time <= now, whose true price is known.

    Labels may come days after the prediction, so both are looked for in the whole evaluation
    window; what is read of them is bounded, and a message says so.

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
    labels = read_labels(uri, model, start=start, now=now)
    numbers_of = {name: number for number, name in enumerate(profile.classes)}
    positions, times, predicted = [], [], []
    for found in find_predictions(uri, model, labels, start=start, now=now, unknown=UNKNOWN):
        answers = found.answers
        asked = _is(answers[log.MODEL_VERSION], version) & _is(answers[log.TRACK], TRACK)
        labels.skipped["for predictions of another version or track"] += int((~asked).sum())
        names, codes = encoded(answers[log.PREDICTED_CLASS])
        classes = np.array([numbers_of.get(n, -1) for n in names.to_pylist()], np.int64)[codes]
        known = asked & (classes >= 0)
        labels.skipped["for predictions of a class that the version does not have"] += int(
            (asked & ~known).sum()
        )
        positions.append(found.labels[known])
        times.append(microseconds(answers)[known])
        predicted.append(classes[known])
    joined = _joined(labels, positions, times, predicted, profile.boundaries)
    return replace(
        joined,
        skipped=dict(sorted((+labels.skipped).items())),
        messages=tuple(labels.messages),
        skipped_files=dict(sorted(labels.unread.items())),
    )


def _is(texts: pa.ChunkedArray, wanted: str) -> NDArray[np.bool_]:
    """(rows,) whether the text is this one."""
    names, codes = encoded(texts)
    same: NDArray[np.bool_] = np.array([name == wanted for name in names.to_pylist()], np.bool_)
    return same[codes]


def _joined(
    labels: Labels,
    positions: list[NDArray[np.int64]],
    times: list[NDArray[np.int64]],
    predicted: list[NDArray[np.int64]],
    boundaries: list[float],
) -> Labelled:
    """The found predictions, the oldest first."""
    if not any(len(part) for part in positions):
        return Labelled.none()
    when = np.concatenate(times)
    order = np.argsort(when, kind="stable")
    prices = labels.prices[np.concatenate(positions)[order]]
    return Labelled(
        # A price equal to a boundary belongs to the class above it.
        truth=np.searchsorted(np.asarray(boundaries), prices, side="right"),
        predicted=np.concatenate(predicted)[order],
        times=when[order],
    )
