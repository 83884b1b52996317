"""The price and the classes that it is cut into (seed 4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from housing_core.cleaning import BadValueError, NumberRule, clean_number
from housing_training.data.numbers import learn_numbers
from housing_training.data.reading import Cells
from housing_training.errors import InvalidDataError

Prices = np.ndarray[Any, np.dtype[np.float64]]
Classes = np.ndarray[Any, np.dtype[np.int64]]

UNEVEN_SHARE = 0.05
"""How far a class's share may be from that of its quantiles without a word; 0 to 1."""


@dataclass(frozen=True, slots=True)
class Target:
    """Prices of all rows.

    Attributes:
        prices: (rows,) NaN where a row has no usable price.
        unusable: rows without one.
        example: one of the texts that are no price.
        rule: how prices are written.

    """

    prices: Prices
    unusable: int
    example: str
    rule: NumberRule


def read_prices(name: str, column: Cells, *, stored_as_numbers: bool) -> Target:
    """Read the target column. A usable price is a finite number above zero.

    Raises:
        InvalidDataError: when no row has one.

    """
    counts = column.counts
    texts = zip(column.texts, counts.tolist(), strict=True)
    learned = learn_numbers(texts, known_to_be=True)
    values = np.full(len(column.texts) + 1, np.nan)  # the last stands for no text
    for position, text in enumerate(column.texts):
        try:
            value = float(text) if stored_as_numbers else clean_number(name, text, learned.rule)
        except (BadValueError, ValueError):
            continue
        if np.isfinite(value) and value > 0:
            values[position] = value
    prices = values[column.codes]
    bad = np.flatnonzero(np.isnan(prices))
    example = column.texts[column.codes[bad[0]]] if len(bad) and column.codes[bad[0]] >= 0 else ""
    if len(bad) == len(prices):
        raise InvalidDataError(
            f"dataset.target.column: {name!r} holds no number above zero in any of its "
            f"{len(prices)} rows, for example {example[:60]!r}; name the column that holds the price"
        )
    rule = NumberRule() if stored_as_numbers else learned.rule
    return Target(prices, len(bad), example, rule)


def percentile_boundaries(
    prices: Prices, quantiles: Sequence[float], classes: Sequence[str]
) -> list[float]:
    """Cut the training prices at percentiles.

    Args:
        prices: (rows,) of the training part.
        quantiles: rising shares.
        classes: one name more than there are quantiles.

    Returns:
        One price per quantile; a price equal to it belongs to the class above.

    Raises:
        InvalidDataError: when two quantiles fall on one price, or a class would be empty.

    """
    if len(classes) != len(quantiles) + 1:
        raise InvalidDataError(
            f"dataset.target.classes: {len(quantiles)} quantiles make {len(quantiles) + 1} classes, "
            f"but {len(classes)} are named"
        )
    boundaries = [float(b) for b in np.quantile(prices, list(quantiles))]
    lowest = float(prices.min())
    for position, boundary in enumerate(boundaries):
        below = boundaries[position - 1] if position else lowest
        if boundary <= below:
            raise InvalidDataError(
                f"dataset.target.quantiles: {quantiles[position]} falls on the price "
                f"{boundary:,.2f}, which leaves no price for class {classes[position]!r}: "
                f"{np.mean(prices == boundary):.0%} of the rows have that price; "
                "choose other quantiles"
            )
    return boundaries


def classify(prices: Prices, boundaries: Sequence[float]) -> Classes:
    """(rows,) index of each price's class."""
    return np.searchsorted(np.asarray(boundaries), prices, side="right").astype(np.int64)


def uneven_classes(
    prices: Prices, labels: Classes, quantiles: Sequence[float], classes: Sequence[str]
) -> list[str]:
    """Classes that are not as large as the quantiles say, since many rows share a price.

    Args:
        prices: (rows,) of the training part.
        labels: (rows,) class of each.
        quantiles: that the classes were cut at.
        classes: one name more than there are quantiles.

    Returns:
        A message for each that is off by more than `UNEVEN_SHARE`.

    """
    wanted = np.diff([0.0, *quantiles, 1.0])
    shares = np.bincount(labels, minlength=len(classes)) / len(labels)
    distinct, counts = np.unique(prices, return_counts=True)
    most = int(counts.argmax())
    return [
        f"class {name!r} holds {share:.0%} of the training part instead of {part:.0%}: "
        f"{counts[most] / len(prices):.0%} of it has the price {distinct[most]:,.2f}"
        for name, share, part in zip(classes, shares, wanted, strict=True)
        if abs(share - part) > UNEVEN_SHARE
    ]


def check_classes(
    labels: Classes, boundaries: Sequence[float], classes: Sequence[str], part: str
) -> None:
    """Every class must occur.

    Raises:
        InvalidDataError: naming the class that does not.

    """
    counts = np.bincount(labels, minlength=len(classes))
    for position, count in enumerate(counts):
        if count == 0:
            shown = ", ".join(f"{boundary:,.2f}" for boundary in boundaries)
            raise InvalidDataError(
                f"dataset.target: no row of the {part} is of class {classes[position]!r} with the "
                f"boundaries {shown}; add listings, choose other quantiles, or set boundaries to "
                "Recompute"
            )
