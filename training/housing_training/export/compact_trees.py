"""Trees as serving walks them: eight bytes a node, one array for all trees, whole numbers to compare.

ONNX Runtime follows one row through one tree at a time and keeps 40 bytes and more a node. Here a
node is (column, rank, jump): of its column the row has a rank, which is how many of the column's
thresholds lie below its value; a row whose rank is greater goes `jump` nodes on, any other to the
next node. Ranks part rows exactly as the thresholds do. A leaf has the jump -1 - (its number).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from housing_training.export.builder import Array

MOST_COLUMNS = MOST_RANKS = 2**16 - 1


@dataclass(frozen=True, slots=True)
class SplitNodes:
    """Inner nodes of all trees, as the exporters number them.

    Attributes:
        roots: (trees,) inner node that each tree begins with.
        feature: (nodes,) place of the feature that is asked for.
        threshold: (nodes,) what lies above goes to `over`, what does not to `under`.
        under, over: (nodes,) number of an inner node, or of a leaf.
        under_is_leaf, over_is_leaf: (nodes,) which of both.
        missing_over: (nodes,) whether NaN goes to `over`.

    """

    roots: Array
    feature: Array
    threshold: Array
    under: Array
    over: Array
    under_is_leaf: Array
    over_is_leaf: Array
    missing_over: Array


@dataclass(frozen=True, slots=True)
class Votes:
    """What the leaves say.

    Attributes:
        leaf_values: (leaves, width) what a leaf adds to the sums, from its tree's first one on.
        first_sums: (trees,) the sum that a tree's leaves begin to add to.
        divisor: what the sums are divided by at the end.
        baseline: (sums,) what is added to them then; where there is one, their softmax is the
            answer, else they are.

    """

    leaf_values: Array
    first_sums: Array
    divisor: float
    baseline: Array | None


def compact(nodes: SplitNodes, votes: Votes, features: int | None) -> dict[str, Array] | None:
    """The arrays of `trees.npz`; None for trees with more columns or thresholds than it can count.

    Args:
        nodes: at least one tree.
        votes: by leaf and tree.
        features: how many there are, where serving is to be given what stands at which place
            instead of all features; else None.

    """
    columns, sources, missing_over = _columns(nodes, features)
    thresholds, starts, ranks = _ranks(columns, nodes.threshold, len(sources))
    if len(sources) > MOST_COLUMNS or ranks.max() >= MOST_RANKS:
        return None
    node_columns, node_ranks, jumps, roots = _in_order(nodes, columns, ranks)
    return {
        "columns": node_columns.astype(np.uint16),
        "ranks": node_ranks.astype(np.uint16),
        "jumps": jumps.astype(np.int32),
        "roots": roots.astype(np.int32),
        "first_sums": votes.first_sums.astype(np.int32),
        "leaf_values": votes.leaf_values.astype(np.float64),
        "divisor": np.array(votes.divisor, np.float64),
        "thresholds": thresholds,
        "threshold_starts": starts.astype(np.int32),
        "sources": sources.astype(np.int32),
        "missing_over": missing_over.astype(np.uint8),
        "is_sparse": np.array(features is not None),
        **({} if votes.baseline is None else {"baseline": votes.baseline.astype(np.float64)}),
    }


def _columns(nodes: SplitNodes, features: int | None) -> tuple[Array, Array, Array]:
    """Column of each node; feature of each column; and whether NaN ranks over all its thresholds.

    A feature whose NaN goes either way, as its nodes have learned, makes two columns.
    """
    if features is not None:
        return nodes.feature, np.arange(features), np.zeros(features, bool)
    keys, columns = np.unique(2 * nodes.feature + nodes.missing_over, return_inverse=True)
    return columns, keys // 2, keys % 2 == 1


def _ranks(columns: Array, thresholds: Array, count: int) -> tuple[Array, Array, Array]:
    """Each column's distinct thresholds, rising; where each column's begin; each node's place there."""
    order = np.lexsort((thresholds, columns))
    column, threshold = columns[order], thresholds[order].astype(np.float64)
    is_new = np.ones(len(order), bool)
    is_new[1:] = (column[1:] != column[:-1]) | (threshold[1:] != threshold[:-1])
    starts = np.searchsorted(column[is_new], np.arange(count + 1))
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.cumsum(is_new) - 1 - starts[column]
    return threshold[is_new], starts, ranks


def _in_order(nodes: SplitNodes, columns: Array, ranks: Array) -> tuple[Array, ...]:
    """Each tree root first and `under` right behind its parent: (columns, ranks, jumps, roots)."""
    levels = _levels(nodes)
    sizes: list[Array] = [np.empty(0, np.int64)] * (len(levels) + 1)
    for depth in reversed(range(len(levels))):
        _, is_leaf = levels[depth]
        sizes[depth] = np.ones(len(is_leaf), np.int64)
        sizes[depth][~is_leaf] += sizes[depth + 1].reshape(2, -1).sum(axis=0)
    roots = np.cumsum(sizes[0]) - sizes[0]
    total = int(sizes[0].sum())
    placed_columns, placed_ranks = np.zeros(total, np.int64), np.zeros(total, np.int64)
    jumps = np.zeros(total, np.int64)
    at = roots
    for depth, (number, is_leaf) in enumerate(levels):
        jumps[at[is_leaf]] = -1 - number[is_leaf]
        inner, inner_at = number[~is_leaf], at[~is_leaf]
        if not len(inner):
            break
        under_sizes = sizes[depth + 1][: len(inner)]
        placed_columns[inner_at], placed_ranks[inner_at] = columns[inner], ranks[inner]
        jumps[inner_at] = 1 + under_sizes
        at = np.concatenate([inner_at + 1, inner_at + 1 + under_sizes])
    return placed_columns, placed_ranks, jumps, roots


def _levels(nodes: SplitNodes) -> Sequence[tuple[Array, Array]]:
    """By depth: numbers, and which are leaves'. First the `under` of all inner nodes before, then `over`."""
    levels: list[tuple[Array, Array]] = []
    number: Array = nodes.roots
    is_leaf: np.ndarray[Any, Any] = np.zeros(len(number), bool)
    while len(number):
        levels.append((number, is_leaf))
        inner = number[~is_leaf]
        number = np.concatenate([nodes.under[inner], nodes.over[inner]])
        is_leaf = np.concatenate([nodes.under_is_leaf[inner], nodes.over_is_leaf[inner]])
    return levels
