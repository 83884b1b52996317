"""Files → rows that can be learned from: read, priced, without duplicates, on their sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from housing_core.api.spec import Dataset
from housing_core.cleaning import NumberRule
from housing_core.log_reading.dataset import split_listing
from housing_core.storage import DataFile
from housing_training.data.columns import content_columns
from housing_training.data.feedback import join_feedback, read_labelled
from housing_training.data.reading import Listings, cells, list_columns, read_listings
from housing_training.data.splitting import (
    Hashes,
    Mask,
    first_of_each,
    group_hashes,
    hash_rows,
    is_holdout,
    newest,
    relisted,
)
from housing_training.data.target import Prices, read_prices
from housing_training.data.times import Times, read_times
from housing_training.errors import InvalidDataError
from housing_training.progress import Progress

MIN_ROWS = 100
"""Fewer rows make scores that say nothing: a holdout of a fifth of them is twenty rows."""

MIN_HOLDOUT_ROWS = 10


@dataclass(frozen=True)
class Rows:
    """Distinct rows with a usable price.

    Attributes:
        listings: raw.
        feedback: how many of the rows came as labelled predictions; they are the last ones.
        prices: (rows,).
        identity: (rows,) hash of each row.
        homes: (rows,) hash of each row without its price.
        groups: (rows,) hash of each row's group, when the spec splits by groups.
        times: (rows,) rising with time, when the spec splits by time.
        training: (rows,) whether a row is learned from.
        holdout: (rows,) whether a row is kept for evaluation. Relisted homes are on neither side.
        price_rule: how the data writes prices.

    """

    listings: Listings
    feedback: int
    prices: Prices
    identity: Hashes
    homes: Hashes
    groups: Hashes | None
    times: Times | None
    training: Mask
    holdout: Mask
    price_rule: NumberRule


def prepare_rows(
    files: Sequence[DataFile], dataset: Dataset, holdout_fraction: float, progress: Progress
) -> Rows:
    """Read a dataset and split it.

    Args:
        files: what `list_dataset` gave.
        dataset: of the spec.
        holdout_fraction: share of the rows that is held out.
        progress: is told what was read and left out.

    Raises:
        InvalidDataError: when it cannot be trained on.
        StorageError: when a file cannot be opened.

    """
    target = dataset.target.column
    files, feedback = split_listing(files)
    listings = read_listings(files, dataset.format, target)
    from_files = len(listings.frame)
    if from_files == 0:
        raise InvalidDataError(f"{dataset.uri} holds no rows: add listings")
    if feedback is not None:
        listings = join_feedback(listings, read_labelled(feedback), dataset)
    elif dataset.feedback == "Join":
        progress.say("dataset.feedback: no true price of a prediction has come yet")
    for message in listings.messages:
        progress.say(message)
    content = content_columns(list(listings.frame.columns), target, dataset.columns)
    _check_split(dataset, list(listings.frame.columns))
    hashes = hash_rows(listings.frame, content, target)
    distinct = first_of_each(hashes.identity)
    priced = read_prices(
        target, cells(listings.frame, target), stored_as_numbers=target in listings.numeric
    )
    usable = distinct & ~np.isnan(priced.prices)
    progress.say(
        f"{from_files} rows read from {len(files)} files"
        + (f" and {len(distinct) - from_files} from feedback: " if feedback else ": ")
        + f"{int((~distinct).sum())} duplicates left out, "
        f"{int((distinct & np.isnan(priced.prices)).sum())} without a price above zero left out",
        rows=int(usable.sum()),
    )
    if priced.unusable:
        progress.say(f"an example of what is no price in {target!r}: {priced.example[:60]!r}")
    identity = hashes.identity[usable]
    kept, groups, times = listings.take(usable), None, None
    if dataset.split is None:
        holdout = is_holdout(identity, holdout_fraction)
    elif dataset.split.group_column is not None:
        groups = group_hashes(kept.frame, dataset.split.group_column, identity)
        holdout = is_holdout(groups, holdout_fraction)
        progress.say(f"{len(np.unique(groups))} groups, {len(np.unique(groups[holdout]))} held out")
    else:
        column = dataset.split.time_column or ""
        times = read_times(column, cells(kept.frame, column))
        holdout = newest(times, holdout_fraction)
        progress.say(f"the {int(holdout.sum())} newest rows by {column!r} are held out")
    again = relisted(hashes.features[usable], holdout)
    if again.any():
        progress.say(
            f"{int(again.sum())} rows of the holdout differ from one of the training part in the "
            "price only; they are left out of the evaluation"
        )
    rows = Rows(
        listings=kept,
        feedback=int(usable[from_files:].sum()),
        prices=priced.prices[usable],
        identity=identity,
        homes=hashes.features[usable],
        groups=groups,
        times=times,
        training=~holdout,
        holdout=holdout & ~again,
        price_rule=priced.rule,
    )
    if len(rows.prices) < MIN_ROWS:
        raise InvalidDataError(
            f"{dataset.uri} holds {len(rows.prices)} different rows with a price above zero, of "
            f"{len(distinct)} in all; at least {MIN_ROWS} are needed: add listings"
        )
    if rows.holdout.sum() < MIN_HOLDOUT_ROWS or rows.training.sum() < MIN_HOLDOUT_ROWS:
        by = "training.holdoutFraction"
        if dataset.split is not None:
            by += " by dataset.split"
        raise InvalidDataError(
            f"{by}: {holdout_fraction} of {len(rows.prices)} rows leaves "
            f"{int(rows.holdout.sum())} rows to evaluate and {int(rows.training.sum())} to learn "
            f"from; at least {MIN_HOLDOUT_ROWS} are needed on each side: add listings or change "
            "the fraction or the split"
        )
    return rows


def _check_split(dataset: Dataset, names: list[str]) -> None:
    """The column to split by must be there; it may be one that is no input.

    Raises:
        InvalidDataError: when it is not, or is the target.

    """
    if dataset.split is None:
        return
    field, column = (
        ("groupColumn", dataset.split.group_column)
        if dataset.split.group_column is not None
        else ("timeColumn", dataset.split.time_column)
    )
    if column not in names:
        raise InvalidDataError(
            f"dataset.split.{field}: the data has no column {column!r}; its columns are "
            f"{list_columns(names)}"
        )
    if column == dataset.target.column:
        raise InvalidDataError(
            f"dataset.split.{field}: {column!r} is the target; rows cannot be parted by their price"
        )
