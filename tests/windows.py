"""Windows for tests of monitoring, from typed columns instead of a prediction log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from housing_core.bundle import FeatureProfile
from housing_monitoring.columns import CategoricalColumn, NumericColumn
from housing_monitoring.log.window import Window
from housing_monitoring.measures.performance import CONFIDENCE_BINS
from housing_monitoring.measures.tally import NumberTally, Tally, blocks_of, tally_of

Column = NumericColumn | CategoricalColumn


def numbers(values: np.ndarray) -> NumericColumn:
    """A column of these rows, NaN where missing."""
    return NumericColumn(values, np.arange(len(values)))


def tally(profile: FeatureProfile, column: Column) -> Tally:
    """What is kept of a column whose rows came in this order."""
    rows = len(column.codes)
    found = tally_of(profile, rows)
    if isinstance(found, NumberTally):
        assert isinstance(column, NumericColumn)
        found.add(column, _blocks(rows))
    else:
        assert isinstance(column, CategoricalColumn)
        found.add(column, _blocks(rows))
    return found


def window_of(
    columns: Mapping[str, Column],
    profiles: Mapping[str, FeatureProfile],
    classes: Sequence[str] | np.ndarray,
    *,
    confidence: np.ndarray | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    digest: str = "d",
    **more: Any,
) -> Window:
    """A window whose rows came in this order; a feature without a profile is left out."""
    rows = len(classes)
    blocks, size = _blocks(rows), blocks_of(rows)
    names = np.asarray(classes)
    sure = np.full(rows, 0.8) if confidence is None else confidence
    bins = np.minimum((sure * CONFIDENCE_BINS).astype(int), CONFIDENCE_BINS - 1)
    cells = np.bincount(blocks * CONFIDENCE_BINS + bins, minlength=size * CONFIDENCE_BINS)
    return Window(
        rows=rows,
        digest=digest,
        start=start if rows else None,
        end=end if rows else None,
        features={
            name: tally(profiles[name], column)
            for name, column in columns.items()
            if name in profiles and rows
        },
        classes={
            str(name): np.bincount(blocks[names == name], minlength=size)
            for name in np.unique(names)
        },
        confidences=cells.reshape(size, CONFIDENCE_BINS),
        **more,
    )


def _blocks(rows: int) -> np.ndarray:
    return (np.arange(rows) * blocks_of(rows) // max(rows, 1)).astype(np.int32)
