"""Histogram gradient boosting as one TreeEnsemble operator (ai.onnx.ml 5) of the ONNX graph.

Thresholds, leaves and sums are float64, as in scikit-learn: no rounding can turn a decision or a
tie. Missing values take the side that each node learned for them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.ensemble import HistGradientBoostingClassifier

from housing_training.export.builder import Array, GraphBuilder, TreesApart
from housing_training.export.compact_trees import SplitNodes, Votes, compact

_SUM = 1
_LESS_OR_EQUAL = 0


def add_boosting(
    graph: GraphBuilder, boosting: HistGradientBoostingClassifier, features: str
) -> str:
    """Features → sum of the trees' leaves → (rows, classes) probabilities, float64."""
    classes = len(boosting.classes_)
    graph.add("Cast", [features], "features_double", to=TensorProto.DOUBLE)
    baseline = np.zeros((1, classes))
    # With two classes there is one sum, that of the second against the first.
    baseline[0, -boosting.n_trees_per_iteration_ :] = np.ravel(boosting._baseline_prediction)
    node, split, leaves, targets = _tree_ensemble(boosting, classes, "features_double")
    graph.nodes.append(node)
    votes = Votes(leaves[:, np.newaxis], targets, 1, baseline[0])
    graph.apart = TreesApart((features,), compact(split, votes, None))
    graph.add("Add", ["leaf_sums", graph.constant("baseline", baseline)], "scores")
    return graph.add("Softmax", ["scores"], "boosted", axis=1)


def _tree_ensemble(
    boosting: HistGradientBoostingClassifier, classes: int, features: str
) -> tuple[onnx.NodeProto, SplitNodes, Array, Array]:
    parts: dict[str, list[Array]] = {}
    roots: list[int] = []
    targets: list[int] = []
    nodes = leaf_count = 0

    def append(name: str, values: Any) -> None:
        parts.setdefault(name, []).append(np.asarray(values))

    first = classes - boosting.n_trees_per_iteration_
    for iteration in boosting._predictors:
        for target, predictor in enumerate(iteration, start=first):
            tree = predictor.nodes
            is_leaf = tree["is_leaf"].astype(bool)
            at = np.where(is_leaf, np.cumsum(is_leaf) - 1, np.cumsum(~is_leaf) - 1)
            roots.append(nodes)
            targets.append(target)
            if is_leaf[0]:
                # A tree of one leaf: the operator wants a node, so both sides lead to that leaf.
                inner = np.zeros(1, np.int64)
                left = right = inner
            else:
                inner = np.flatnonzero(~is_leaf)
                left, right = (tree[side][inner].astype(np.int64) for side in ("left", "right"))
            for side, child in (("true", left), ("false", right)):
                append(f"nodes_{side}leafs", is_leaf[child])
                append(
                    f"nodes_{side}nodeids", at[child] + np.where(is_leaf[child], leaf_count, nodes)
                )
            append("nodes_featureids", tree["feature_idx"][inner])
            append("nodes_missing_value_tracks_true", tree["missing_go_to_left"][inner])
            append("nodes_splits", tree["num_threshold"][inner])
            append("leaf_weights", tree["value"][is_leaf])
            append("leaf_targetids", np.full(int(is_leaf.sum()), target))
            nodes += len(inner)
            leaf_count += int(is_leaf.sum())
    joined = {name: np.concatenate(values) for name, values in parts.items()}
    split = SplitNodes(
        np.array(roots),
        joined["nodes_featureids"],
        joined["nodes_splits"],
        under=joined["nodes_truenodeids"],
        over=joined["nodes_falsenodeids"],
        under_is_leaf=joined["nodes_trueleafs"],
        over_is_leaf=joined["nodes_falseleafs"],
        missing_over=joined["nodes_missing_value_tracks_true"] == 0,
    )
    leaves = joined["leaf_weights"]
    node = helper.make_node(
        "TreeEnsemble",
        [features],
        ["leaf_sums"],
        domain="ai.onnx.ml",
        n_targets=classes,
        aggregate_function=_SUM,
        post_transform=0,
        tree_roots=roots,
        nodes_modes=numpy_helper.from_array(np.full(nodes, _LESS_OR_EQUAL, np.uint8)),
        nodes_splits=numpy_helper.from_array(joined.pop("nodes_splits").astype(np.float64)),
        leaf_weights=numpy_helper.from_array(joined.pop("leaf_weights").astype(np.float64)),
    )
    for name, values in joined.items():
        node.attribute.append(helper.make_attribute(name, values.astype(np.int64).tolist()))
    return node, split, leaves, np.array(targets)
