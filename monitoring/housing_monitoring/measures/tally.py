"""What is kept of a feature's values in the window: rows by bin and by block, and few sums.

A window is read a chunk at a time, so a tally takes any number of rows in bounded memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import mmh3
import numpy as np
from numpy.typing import NDArray

from housing_core.bundle import CategoricalProfile, FeatureProfile, NumericProfile
from housing_core.drift_report import Bin
from housing_monitoring.columns import CategoricalColumn, NumericColumn, rows_of
from housing_monitoring.measures.clustering import MOST_BLOCKS
from housing_monitoring.measures.statistics import Moments, moments, unseen_rows

LEAST_EXPECTED_ROWS = 5
"""A bin of its own needs this many rows in an unchanged window, or its PSI is all chance (Cochran's rule)."""

MOST_BINS = 500
"""Categories beyond these share one bin: more would only make the report larger."""

MOST_NEW_CATEGORIES = 100_000
"""New categories that are counted one by one; rows of further ones are counted together."""

MISSING_LABEL = "(missing)"
NEW_LABEL = "(new)"

Blocks = NDArray[np.int32]


def blocks_of(rows: int) -> int:
    """Blocks that a window of so many rows is cut into, each of rows that came together."""
    return min(rows, MOST_BLOCKS)


@dataclass(slots=True)
class NumberTally:
    """A numeric feature.

    Attributes:
        profile: of the training part.
        bins: the bins that it is compared in; the last one holds missing values.
        counts: int64, (blocks, bins); rows of the window.
        found: moments of the present values.
        outside: present values outside the profile's range.
        unreadable: values that were no numbers; they count as missing.

    """

    profile: NumericProfile
    bins: list[Bin]
    counts: NDArray[np.int64]
    found: Moments = field(default_factory=lambda: Moments(0))
    outside: int = 0
    unreadable: int = 0
    _bin_of: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    @classmethod
    def of(cls, profile: NumericProfile, rows: int) -> NumberTally:
        """An empty tally of a window of so many rows."""
        groups = _groups(profile.counts, rows / profile.rows if profile.rows else 0.0)
        bins = [_range_bin(profile, group) for group in groups]
        bin_of = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
        bins.append(Bin(kind="Missing", label=MISSING_LABEL, reference=profile.missing, window=0))
        counts = np.zeros((blocks_of(rows), len(bins)), np.int64)
        return cls(profile, bins, counts, _bin_of=bin_of)

    def add(self, column: NumericColumn, blocks: Blocks) -> None:
        """Count rows.

        Args:
            column: typed values.
            blocks: (rows,); the block of each row.

        """
        there = ~np.isnan(column.values)
        values = column.values[there]
        rows = rows_of(column.codes, len(column.values))[there]
        table = np.full(len(there) + 1, len(self.bins) - 1, np.int32)
        edges = np.asarray(self.profile.edges)
        table[:-1][there] = self._bin_of[np.searchsorted(edges, values, side="left")]
        _count(self.counts, blocks, table[column.codes])
        self.found = self.found.joined(moments(values, rows))
        low, high = self.profile.minimum, self.profile.maximum
        if low is not None and high is not None:
            self.outside += int(rows[(values < low) | (values > high)].sum())
        self.unreadable += column.unreadable


@dataclass(slots=True)
class CategoryTally:
    """A categorical feature.

    Attributes:
        profile: of the training part.
        bins: the bins that it is compared in: frequent categories, the rare ones, new ones, and
            missing values.
        counts: int64, (blocks, bins); rows of the window.
        unseen: rows of the reference that stand for categories it does not know (`unseen_rows`).
        forgotten: categories of the reference that the profile does not remember.
        new: rows of each new category.
        unreadable: values that were no categories; they count as missing.

    """

    profile: CategoricalProfile
    bins: list[Bin]
    counts: NDArray[np.int64]
    unseen: float
    forgotten: int
    new: dict[str, int] = field(default_factory=dict)
    unreadable: int = 0
    _known: dict[str, int] = field(default_factory=dict)
    _rare: frozenset[int] = frozenset()

    @classmethod
    def of(cls, profile: CategoricalProfile, rows: int) -> CategoryTally:
        """An empty tally of a window of so many rows."""
        rare = profile.cardinality - len(profile.counts)
        # A profile remembers so many categories at most; others look new when they come again.
        forgotten = max(0, rare - len(profile.other_hashes))
        unseen = unseen_rows(list(profile.counts.values()), profile.other, rare, forgotten)
        bins = _category_bins(profile, unseen, rows)
        return cls(
            profile,
            bins,
            np.zeros((blocks_of(rows), len(bins)), np.int64),
            unseen,
            forgotten,
            _known={
                **dict.fromkeys(profile.counts, len(bins) - 3),
                **{bin_.label: number for number, bin_ in enumerate(bins[:-3])},
            },
            _rare=frozenset(profile.other_hashes),
        )

    def add(self, column: CategoricalColumn, blocks: Blocks) -> None:
        """Count rows; arguments as of `NumberTally.add`."""
        rare, new, missing = range(len(self.bins) - 3, len(self.bins))
        table = np.full(len(column.categories) + 1, missing, np.int32)
        unknown = []
        for position, category in enumerate(column.categories):
            found = self._known.get(category)
            if found is None and mmh3.hash(category, signed=False) in self._rare:
                found = rare
            if found is None:
                found = new
                unknown.append(position)
            table[position] = found
        if unknown:
            rows = rows_of(column.codes, len(column.categories))
            for position in unknown:
                category = column.categories[position]
                counted = category in self.new or len(self.new) < MOST_NEW_CATEGORIES
                if rows[position] and counted:
                    self.new[category] = self.new.get(category, 0) + int(rows[position])
        _count(self.counts, blocks, table[column.codes])
        self.unreadable += column.unreadable


Tally = NumberTally | CategoryTally


def tally_of(profile: FeatureProfile, rows: int) -> Tally:
    """An empty tally of a feature.

    Args:
        profile: of the training part.
        rows: rows that the window has; the bins depend on it.

    """
    if isinstance(profile, NumericProfile):
        return NumberTally.of(profile, rows)
    return CategoryTally.of(profile, rows)


def _count(counts: NDArray[np.int64], blocks: Blocks, bins: NDArray[np.int32]) -> None:
    cells = np.bincount(blocks * np.int64(counts.shape[1]) + bins, minlength=counts.size)
    counts += cells.reshape(counts.shape)


def _groups(counts: Sequence[int], scale: float) -> list[list[int]]:
    """Neighbouring bins of the profile, joined until each group expects enough rows."""
    groups: list[list[int]] = []
    expected = 0.0
    for position, count in enumerate(counts):
        if not groups or expected >= LEAST_EXPECTED_ROWS:
            groups.append([])
            expected = 0.0
        groups[-1].append(position)
        expected += count * scale
    if len(groups) > 1 and expected < LEAST_EXPECTED_ROWS:
        groups[-2].extend(groups.pop())
    return groups


def _range_bin(profile: NumericProfile, group: list[int]) -> Bin:
    """A bin of the neighbours in `group`, which are positions between the edges."""
    edges = profile.edges
    lower = None if group[0] == 0 else edges[group[0] - 1]
    upper = None if group[-1] == len(edges) else edges[group[-1]]
    return Bin(
        kind="Range",
        label=_range_label(lower, upper),
        lower=lower,
        upper=upper,
        reference=sum(profile.counts[position] for position in group),
        window=0,
    )


def _range_label(lower: float | None, upper: float | None) -> str:
    if lower is None and upper is None:
        return "any"
    if lower is None:
        return f"≤ {upper:.6g}"
    if upper is None:
        return f"> {lower:.6g}"
    return f"{lower:.6g} – {upper:.6g}"


def _category_bins(profile: CategoricalProfile, unseen: float, rows: int) -> list[Bin]:
    """A bin for each category that expects enough rows; then the rare, the new and the missing.

    The rows that new categories are worth in the reference are taken from the rare ones.
    """
    scale = rows / profile.rows if profile.rows else 0.0
    frequent = sorted(profile.counts, key=lambda category: (-profile.counts[category], category))
    own = [c for c in frequent if profile.counts[c] * scale >= LEAST_EXPECTED_ROWS][:MOST_BINS]
    rare = sum(profile.counts.values()) + profile.other - sum(profile.counts[c] for c in own)
    unseen_whole = min(round(unseen), rare)
    label = f"({profile.cardinality - len(own)} rare ones)"
    return [
        *(Bin(kind="Category", label=c, reference=profile.counts[c], window=0) for c in own),
        Bin(kind="Rare", label=label, reference=rare - unseen_whole, window=0),
        Bin(kind="New", label=NEW_LABEL, reference=unseen_whole, window=0),
        Bin(kind="Missing", label=MISSING_LABEL, reference=profile.missing, window=0),
    ]
