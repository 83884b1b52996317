"""The seed's encoder and forests as parts of the ONNX graph.

The feature matrix is made by one ScatterElements: each column says at which position it adds
which value; what was not seen in training goes to a last position that no tree looks at. The
forest is one TreeEnsemble (ai.onnx.ml 5) with one output per tree: which of the few distinct class
distributions its leaf holds. Nearly all leaves of a fully grown tree are pure, so this is a
quarter of the size of weights per class.

Most of the time of an answer goes into fetching nodes and features from memory, so `_Layout` puts
together there what is used together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.ensemble import RandomForestClassifier

from housing_core.listed_inputs import ListedInputs
from housing_training.export.builder import Array, GraphBuilder, TreesApart
from housing_training.export.compact_trees import SplitNodes, Votes, compact
from housing_training.export.list_inputs import list_inputs
from housing_training.features.hashing import CROSS_SEPARATOR, Encoder, HashedInput

_SUM = 1
_GREATER = 3


def round_down(thresholds: Array) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The largest float32 at or below each float64: `x <= t` is then the same for float32 x."""
    rounded = thresholds.astype(np.float32)
    above = rounded.astype(np.float64) > thresholds
    return np.where(above, np.nextafter(rounded, np.float32(-np.inf)), rounded)


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the graph's features stand in memory; the answers do not depend on it.

    ONNX Runtime keeps the node of the "false" branch right behind its parent and tests fastest
    when all nodes compare in one way. So every node asks "greater?", and a feature whose rows
    mostly would say yes is stored negated: most steps then go to the neighbour.

    Attributes:
        position: (width + 1,) place of each of the encoder's features, the most asked first; the
            last belongs to what was not seen in training.
        sign: (width + 1,) 1, or -1 for a feature that is stored negated.

    """

    position: Array
    sign: Array


def _lay_out(forest: RandomForestClassifier, width: int) -> _Layout:
    asked, leaning = np.zeros(width + 1), np.zeros(width + 1)
    for estimator in forest.estimators_:
        tree = estimator.tree_
        inner = np.flatnonzero(tree.children_left >= 0)
        left, right = (
            tree.n_node_samples[children[inner]].astype(float)
            for children in (tree.children_left, tree.children_right)
        )
        np.add.at(asked, tree.feature[inner], left + right)
        np.add.at(leaning, tree.feature[inner], left - right)
    position = np.empty(width + 1, np.int64)
    position[np.argsort(-asked, kind="stable")] = np.arange(width + 1)
    return _Layout(position, np.where(leaning < 0, -1, 1).astype(np.float32))


@dataclass
class _Features:
    """What the feature matrix is made of: each part says at which positions it adds which values."""

    graph: GraphBuilder
    encoder: Encoder
    inputs: Mapping[str, str]
    layout: _Layout
    positions: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)


def add_hashed_forest(
    graph: GraphBuilder,
    encoder: Encoder,
    forest: RandomForestClassifier,
    inputs: Mapping[str, str],
) -> str:
    """The seed's model: features of the inputs, then the forest; returns its answers' name."""
    layout = _lay_out(forest, encoder.width)
    signs = _add_features(graph, encoder, inputs, layout)
    listed = list_inputs(encoder, inputs, layout.position, signs)
    read = ("positions", "signed_values")
    return _add_forest(graph, forest, layout, read, features=encoder.width + 1, listed=listed)


def add_forest(graph: GraphBuilder, forest: RandomForestClassifier, width: int) -> str:
    """A forest over `features` (rows, width) as they are; returns its answers' name."""
    layout = _Layout(np.arange(width), np.ones(width, np.float32))
    return _add_forest(graph, forest, layout, ("features",))


def _add_features(
    graph: GraphBuilder, encoder: Encoder, inputs: Mapping[str, str], layout: _Layout
) -> Array:
    """Make `features` (rows, width + 1) of the inputs; returns the sign of each."""
    first = next(iter(inputs.values()))
    features = _Features(graph, encoder, inputs, layout)
    graph.add("Shape", [first], "row_count", start=0, end=1)
    if encoder.medians:
        _add_numbers(features)
    if encoder.categories:
        _add_categories(features)
    if encoder.hashed:
        _add_hashed(features)
    graph.constant("feature_count", np.array([encoder.width + 1], np.int64))
    graph.add("Concat", ["row_count", "feature_count"], "features_shape", axis=0)
    graph.add("ConstantOfShape", ["features_shape"], "zeros")
    signs = np.empty_like(layout.sign)
    signs[layout.position] = layout.sign
    positions = graph.concat(features.positions, "positions")
    values = graph.concat(features.values, "values")
    graph.add("Gather", [graph.constant("signs", signs), positions], "signs_there")
    graph.add("Mul", [values, "signs_there"], "signed_values")
    graph.add(
        "ScatterElements",
        ["zeros", positions, "signed_values"],
        "features",
        axis=1,
        reduction="add",
    )
    return signs


def _add_numbers(features: _Features) -> None:
    """Numbers with the median for missing ones, and what was missing."""
    graph, encoder, inputs = features.graph, features.encoder, features.inputs
    names = list(encoder.medians)
    numbers = graph.concat([inputs[name] for name in names], "numbers")
    medians = np.array([list(encoder.medians.values())], np.float32)
    graph.add("IsNaN", [numbers], "numbers_missing")
    features.values.append(
        graph.add(
            "Where",
            ["numbers_missing", graph.constant("medians", medians), numbers],
            "numbers_filled",
        )
    )
    count = len(names)
    if encoder.indicators:
        indicated = np.array([names.index(name) for name in encoder.indicators], np.int64)
        graph.add(
            "Gather",
            ["numbers_missing", graph.constant("indicated", indicated)],
            "indicators_bool",
            axis=1,
        )
        features.values.append(
            graph.add("Cast", ["indicators_bool"], "indicators", to=TensorProto.FLOAT)
        )
        count += len(indicated)
    graph.constant("numbers_at", features.layout.position[np.newaxis, :count])
    graph.constant("numbers_count", np.array([count], np.int64))
    graph.add("Concat", ["row_count", "numbers_count"], "numbers_shape", axis=0)
    features.positions.append(
        graph.add("Expand", ["numbers_at", "numbers_shape"], "numbers_position")
    )


def _add_categories(features: _Features) -> None:
    """A one at the place of each column's category; one lookup of `<column> <category>` for all."""
    graph, encoder, inputs = features.graph, features.encoder, features.inputs
    prefixes = [f"{number}{CROSS_SEPARATOR}" for number in range(len(encoder.categories))]
    keys = [
        prefix + category
        for prefix, categories in zip(prefixes, encoder.categories.values(), strict=True)
        for category in categories
    ]
    first = len(encoder.medians) + len(encoder.indicators)
    graph.constant("category_prefixes", np.array(prefixes, dtype=object))
    texts = graph.concat([inputs[name] for name in encoder.categories], "categories")
    graph.add("StringConcat", ["category_prefixes", texts], "category_keys")
    graph.add(
        "LabelEncoder",
        ["category_keys"],
        "categories_position",
        domain="ai.onnx.ml",
        keys_strings=keys,
        values_int64s=features.layout.position[first : first + len(keys)].tolist(),
        default_int64=int(features.layout.position[encoder.width]),
    )
    features.positions.append("categories_position")
    graph.constant("categories_count", np.array([len(encoder.categories)], np.int64))
    graph.add("Concat", ["row_count", "categories_count"], "categories_shape", axis=0)
    one = numpy_helper.from_array(np.ones(1, np.float32))
    features.values.append(graph.add("ConstantOfShape", ["categories_shape"], "ones", value=one))


def _add_hashed(features: _Features) -> None:
    """`name=value` of columns and crosses → bucket and sign, as scikit-learn's FeatureHasher."""
    graph, encoder, inputs = features.graph, features.encoder, features.inputs
    table = np.full(encoder.buckets, features.layout.position[encoder.width], np.int64)
    table[encoder.used] = features.layout.position[encoder.first_bucket : encoder.width]
    add_buckets(graph, encoder.hashed, encoder.buckets, inputs)
    features.positions.append(
        graph.add("Gather", [graph.constant("bucket_table", table), "bucket"], "bucket_position")
    )
    graph.constant("zero", np.array(0, np.int64))
    graph.constant("minus", np.array(-1, np.float32))
    graph.constant("plus", np.array(1, np.float32))
    graph.add("Less", ["hashes", "zero"], "negative")
    features.values.append(graph.add("Where", ["negative", "minus", "plus"], "sign"))


def add_buckets(
    graph: GraphBuilder, hashed: Sequence[HashedInput], buckets: int, inputs: Mapping[str, str]
) -> None:
    """Make `hashes` and `bucket` (rows, len(hashed)): single columns first, then ever larger crosses."""
    texts = []
    graph.constant("separator", np.array([CROSS_SEPARATOR], dtype=object))
    for count in sorted({len(item.columns) for item in hashed}):
        alike = [item for item in hashed if len(item.columns) == count]
        names = np.array([f"{item.name}=" for item in alike], dtype=object)
        text = graph.constant(f"hashed_{count}_names", names)
        for place in range(count):
            if place:
                text = graph.add(
                    "StringConcat", [text, "separator"], f"hashed_{count}_{place}_before"
                )
            parts = [inputs[item.columns[place]] for item in alike]
            column = graph.concat(parts, f"hashed_{count}_{place}_parts")
            text = graph.add("StringConcat", [text, column], f"hashed_{count}_{place}")
        texts.append(text)
    if not any(len(item.columns) > 1 for item in hashed):
        del graph.constants["separator"]
    graph.add(
        "MurmurHash3",
        [graph.concat(texts, "hashed")],
        "hashes_32",
        domain="com.microsoft",
        positive=0,
        seed=0,
    )
    graph.add("Cast", ["hashes_32"], "hashes", to=TensorProto.INT64)
    graph.add("Abs", ["hashes"], "hashes_absolute")
    graph.constant("buckets", np.array(buckets, np.int64))
    graph.add("Mod", ["hashes_absolute", "buckets"], "bucket")


def _add_forest(
    graph: GraphBuilder,
    forest: RandomForestClassifier,
    layout: _Layout,
    read: Sequence[str],
    *,
    features: int | None = None,
    listed: ListedInputs | None = None,
) -> str:
    """`features` → leaf of each tree → its class distribution → mean over the trees.

    Args:
        read: what the trees apart are given, see `builder.TreesApart`.
        features: how many there are, where that is not all of them; see `compact`.
        listed: how they come from the inputs then.

    """
    leaves = _number_leaves(forest)
    node, split, held = _tree_ensemble(forest, leaves, layout)
    graph.nodes.append(node)
    table = np.array(list(leaves.distributions), np.float64)
    trees = len(forest.estimators_)
    votes = Votes(table[held], np.zeros(trees), trees, None)
    graph.apart = TreesApart(tuple(read), compact(split, votes, features), listed)
    graph.add("Cast", ["leaf_numbers"], "leaf", to=TensorProto.INT32)
    # float64, as in scikit-learn: what is a tie there is a tie here.
    graph.add("Gather", [graph.constant("distributions", table), "leaf"], "votes", axis=0)
    graph.constant("trees_axis", np.array([1], np.int64))
    return graph.add("ReduceMean", ["votes", "trees_axis"], "mean_votes", keepdims=0)


@dataclass
class _Leaves:
    """Distinct class distributions → their number, and the number of each tree's nodes."""

    distributions: dict[tuple[float, ...], int]
    of_tree: list[Array]


def _number_leaves(forest: RandomForestClassifier) -> _Leaves:
    leaves = _Leaves({}, [])
    for estimator in forest.estimators_:
        tree = estimator.tree_
        shares = tree.value[:, 0, :]
        shares = shares / shares.sum(axis=1, keepdims=True)
        distinct, which = np.unique(shares, axis=0, return_inverse=True)
        is_leaf = tree.children_left < 0
        numbers = np.zeros(len(distinct), np.int64)
        for used in np.unique(which.ravel()[is_leaf]):
            key = tuple(distinct[used].tolist())
            numbers[used] = leaves.distributions.setdefault(key, len(leaves.distributions))
        leaves.of_tree.append(numbers[which.ravel()])
    return leaves


def _tree_ensemble(
    forest: RandomForestClassifier, leaves: _Leaves, layout: _Layout
) -> tuple[onnx.NodeProto, SplitNodes, Array]:
    """All trees in one operator, whose tree t adds the number of its leaf to target t.

    Returns:
        The operator, its inner nodes, and which distribution each of its leaves holds.

    """
    parts: dict[str, list[Array]] = {}
    roots: list[int] = []
    nodes = leaf_count = 0

    def append(name: str, values: Array) -> None:
        parts.setdefault(name, []).append(values)

    for target, (estimator, numbers) in enumerate(
        zip(forest.estimators_, leaves.of_tree, strict=True)
    ):
        tree = estimator.tree_
        is_leaf = tree.children_left < 0
        inner = np.flatnonzero(~is_leaf)
        roots.append(nodes)
        if len(inner) == 0:
            # A tree of one leaf: the operator wants a node, so both sides lead to that leaf.
            inner = np.zeros(1, np.int64)
            left = right = np.zeros(1, np.int64)
            feature, threshold = np.zeros(1, np.int64), np.zeros(1, np.float32)
        else:
            left, right = tree.children_left[inner], tree.children_right[inner]
            feature, threshold = tree.feature[inner], round_down(tree.threshold[inner])
        # Leaves of one tree that have one distribution are one leaf.
        held, which = np.unique(numbers[is_leaf], return_inverse=True)
        at = nodes + np.cumsum(~is_leaf) - 1
        at[is_leaf] = leaf_count + which
        negated = layout.sign[feature] < 0
        # Of -x, "x <= t goes left" is: what is greater than the float32 before -t does.
        before = np.nextafter(-threshold, np.float32(-np.inf))
        append("nodes_splits", np.where(negated, before, threshold))
        append("nodes_featureids", layout.position[feature])
        greater, other = np.where(negated, left, right), np.where(negated, right, left)
        for side, child in (("true", greater), ("false", other)):
            append(f"nodes_{side}leafs", is_leaf[child])
            append(f"nodes_{side}nodeids", at[child])
        append("leaf_weights", held)
        append("leaf_targetids", np.full(len(held), target))
        nodes += len(inner)
        leaf_count += len(held)
    joined = {name: np.concatenate(values) for name, values in parts.items()}
    distributions = joined.pop("leaf_weights")
    split = SplitNodes(
        np.array(roots),
        joined["nodes_featureids"],
        joined["nodes_splits"],
        under=joined["nodes_falsenodeids"],
        over=joined["nodes_truenodeids"],
        under_is_leaf=joined["nodes_falseleafs"],
        over_is_leaf=joined["nodes_trueleafs"],
        missing_over=np.zeros(nodes, bool),
    )
    node = helper.make_node(
        "TreeEnsemble",
        ["features"],
        ["leaf_numbers"],
        domain="ai.onnx.ml",
        n_targets=len(forest.estimators_),
        aggregate_function=_SUM,
        post_transform=0,
        tree_roots=roots,
        nodes_modes=numpy_helper.from_array(np.full(nodes, _GREATER, np.uint8)),
        nodes_splits=numpy_helper.from_array(joined.pop("nodes_splits")),
        leaf_weights=numpy_helper.from_array(distributions.astype(np.float32)),
    )
    for name, values in joined.items():
        node.attribute.append(helper.make_attribute(name, values.astype(np.int64).tolist()))
    return node, split, distributions
