"""Listings to compare with: drawn from the reference profile of the training data. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from housing_core.bundle import CategoricalProfile, NumericProfile, Reference, Schema
from housing_core.cleaning import MISSING_TEXT
from housing_serving.inference.encoding import Inputs

SEED = 20261125
"""Fixed, so that the same request has the same answer in every pod."""


def draw_background(schema: Schema, reference: Reference, rows: int) -> Inputs:
    """Typed listings whose every column is spread as in the training data.

    A Latin hypercube: each column takes one value from each of `rows` equal shares of its
    distribution, and the columns are shuffled against each other, so that they are independent.

    Returns:
        Inputs of the graph, each of shape (rows, 1).

    """
    random = np.random.default_rng(SEED)
    drawn: Inputs = {}
    for position, column in enumerate(schema.columns):
        shares = (random.permutation(rows) + 0.5) / rows
        profile = reference.features.get(column.name)
        if isinstance(profile, CategoricalProfile) and column.kind != "Numeric":
            values: NDArray[Any] = _texts(profile, shares)
        elif isinstance(profile, NumericProfile) and column.kind == "Numeric":
            values = _numbers(profile, shares)
        elif column.kind == "Numeric":
            values = np.full(rows, np.nan, np.float32)
        else:
            values = np.full(rows, MISSING_TEXT, object)
        drawn[Schema.input_name(position)] = values.reshape(-1, 1)
    return drawn


def _numbers(profile: NumericProfile, shares: NDArray[np.float64]) -> NDArray[np.float32]:
    """Values at these shares of a column's distribution; missing ones come first."""
    values = np.full(len(shares), np.nan)
    missing = profile.missing / max(profile.rows, 1)
    lowest, highest = profile.minimum, profile.maximum
    if lowest is not None and highest is not None:
        edges = np.array([lowest, *profile.edges, highest])
        counts = np.array(profile.counts, float)
        ends = np.concatenate([[0.0], np.cumsum(counts) / counts.sum()])
        present = shares >= missing
        values[present] = np.interp((shares[present] - missing) / (1 - missing), ends, edges)
        if np.array_equal(edges, np.round(edges)):
            values = np.ceil(values)  # a bin ends with a value that is there: no half rooms
    return values.astype(np.float32)


def _texts(profile: CategoricalProfile, shares: NDArray[np.float64]) -> NDArray[Any]:
    """Categories at these shares; those that the profile only counts stand aside."""
    names = np.array([MISSING_TEXT, *profile.counts], dtype=object)
    counts = np.array([profile.missing, *profile.counts.values()], float)
    ends = np.cumsum(counts)
    if not ends[-1]:
        return np.full(len(shares), MISSING_TEXT, object)
    found: NDArray[Any] = names[np.searchsorted(ends, shares * ends[-1], side="right")]
    return found
