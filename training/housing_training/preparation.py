"""Files → rows that can be learned from: read, priced, without duplicates, on their sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from housing_core.api.spec import Dataset
from housing_core.cleaning import NumberRule
from housing_core.storage import DataFile
from housing_training.columns import content_columns
from housing_training.errors import InvalidDataError
from housing_training.progress import Progress
from housing_training.reading import Listings, cells, read_listings
from housing_training.splitting import (
    Hashes,
    Mask,
    first_of_each,
    hash_rows,
    is_holdout,
    relisted,
)
from housing_training.target import Prices, read_prices

MIN_ROWS = 100
"""Fewer rows make scores that say nothing: a holdout of a fifth of them is twenty rows."""

MIN_HOLDOUT_ROWS = 10


@dataclass(frozen=True)
class Rows:
    """Distinct rows with a usable price.

    Attributes:
        listings: raw.
        prices: (rows,).
        identity: (rows,) hash of each row.
        training: (rows,) whether a row is learned from.
        holdout: (rows,) whether a row is kept for evaluation. Relisted homes are on neither side.
        price_rule: how the data writes prices.

    """

    listings: Listings
    prices: Prices
    identity: Hashes
    training: Mask
    holdout: Mask
    price_rule: NumberRule


def prepare_rows(
    files: Sequence[DataFile], dataset: Dataset, holdout_fraction: float, progress: Progress
) -> Rows:
    """Read a dataset and split it.

    Raises:
        InvalidDataError: when it cannot be trained on.
        StorageError: when a file cannot be opened.

    """
    target = dataset.target.column
    listings = read_listings(files, dataset.format, target)
    for message in listings.messages:
        progress.say(message)
    content = content_columns(list(listings.frame.columns), target, dataset.columns)
    hashes = hash_rows(listings.frame, content, target)
    distinct = first_of_each(hashes.identity)
    if len(distinct) == 0:
        raise InvalidDataError(f"{dataset.uri} holds no rows: add listings")
    priced = read_prices(
        target, cells(listings.frame, target), stored_as_numbers=target in listings.numeric
    )
    usable = distinct & ~np.isnan(priced.prices)
    progress.say(
        f"{len(distinct)} rows read from {len(files)} files: "
        f"{int((~distinct).sum())} duplicates left out, "
        f"{int((distinct & np.isnan(priced.prices)).sum())} without a price above zero left out",
        rows=int(usable.sum()),
    )
    if priced.unusable:
        progress.say(f"an example of what is no price in {target!r}: {priced.example[:60]!r}")
    identity = hashes.identity[usable]
    holdout = is_holdout(identity, holdout_fraction)
    again = relisted(hashes.features[usable], holdout)
    if again.any():
        progress.say(
            f"{int(again.sum())} rows of the holdout differ from one of the training part in the "
            "price only; they are left out of the evaluation"
        )
    rows = Rows(
        listings=listings.take(usable),
        prices=priced.prices[usable],
        identity=identity,
        training=~holdout,
        holdout=holdout & ~again,
        price_rule=priced.rule,
    )
    if len(rows.prices) < MIN_ROWS:
        raise InvalidDataError(
            f"{dataset.uri} holds {len(rows.prices)} different rows with a price above zero; "
            f"at least {MIN_ROWS} are needed: add listings"
        )
    if rows.holdout.sum() < MIN_HOLDOUT_ROWS or rows.training.sum() < MIN_HOLDOUT_ROWS:
        raise InvalidDataError(
            f"training.holdoutFraction: {holdout_fraction} of {len(rows.prices)} rows leaves "
            f"{int(rows.holdout.sum())} rows to evaluate and {int(rows.training.sum())} to learn "
            f"from; at least {MIN_HOLDOUT_ROWS} are needed on each side: add listings or change "
            "the fraction"
        )
    return rows
