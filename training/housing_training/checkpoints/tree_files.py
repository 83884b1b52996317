"""Trees of scikit-learn as a compressed Arrow stream: a record batch of each tree, a row of each node.

Nothing in such a file is code, and reading one runs none. Columns are those of scikit-learn's nodes
under its names, counts and positions as int32, and `value`, the shares of the classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict
from sklearn.tree import DecisionTreeClassifier
from sklearn.tree._tree import NODE_DTYPE, Tree

_COMPRESSION = "zstd"

_HEADER = b"trees"
_LEAF = -1


class Header(BaseModel):
    """What the trees of a file are made of beside their nodes.

    Attributes:
        parameters: of DecisionTreeClassifier, the same for all trees but `random_state`.
        random_states: of each tree.
        depths: of each tree.
        features: number of features that a tree may ask for.
        classes: number of classes.
        drawn: number of features that each split looks at.

    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    parameters: dict[str, Any]
    random_states: list[int]
    depths: list[int]
    features: int
    classes: int
    drawn: int


def write_trees(trees: list[DecisionTreeClassifier]) -> bytes:
    """The content of a file of these trees of one forest; at least one."""
    first = trees[0]
    header = Header(
        parameters=first.get_params(),
        random_states=[tree.random_state for tree in trees],
        depths=[tree.tree_.max_depth for tree in trees],
        features=first.n_features_in_,
        classes=first.n_classes_,
        drawn=first.max_features_,
    )
    schema = _batch(first.tree_).schema.with_metadata({_HEADER: header.model_dump_json()})
    sink = pa.BufferOutputStream(memory_pool=pa.system_memory_pool())
    # As a whole: buffers that are compressed one by one leave 30 MiB with Arrow's allocator.
    with (
        pa.CompressedOutputStream(sink, _COMPRESSION) as compressed,
        pa.ipc.new_stream(compressed, schema) as stream,
    ):
        for tree in trees:
            stream.write_batch(_batch(tree.tree_))
    content: bytes = sink.getvalue().to_pybytes()
    return content


def read_trees(content: bytes) -> list[DecisionTreeClassifier]:
    """The trees of a file; each is bit for bit what was written.

    Raises:
        Exception: of any kind, for a file of something else or of another scikit-learn.
        ValueError: for a tree with a node that leads to no later node of it, so that a walk could
            leave it or never end.

    """
    with pa.ipc.open_stream(
        pa.CompressedInputStream(pa.BufferReader(content), _COMPRESSION)
    ) as found:
        header = Header.model_validate_json(found.schema.metadata[_HEADER])
        return [_restored(header, position, batch) for position, batch in enumerate(found)]


def _batch(tree: Tree) -> pa.RecordBatch:
    state = tree.__getstate__()
    nodes, values = state["nodes"], state["values"]
    columns = {
        name: pa.array(np.ascontiguousarray(nodes[name], _narrow(nodes.dtype[name])))
        for name in nodes.dtype.names
    }
    shares = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values[0].size)
    return pa.record_batch({**columns, "value": shares})


def _narrow(kind: np.dtype[Any]) -> np.dtype[Any]:
    """Positions and counts fit: a tree draws 200,000 rows at most."""
    return np.dtype(np.int32) if kind == np.int64 else kind


def _restored(header: Header, position: int, batch: pa.RecordBatch) -> DecisionTreeClassifier:
    batch.validate(full=True)
    nodes = np.zeros(batch.num_rows, NODE_DTYPE)
    for name in NODE_DTYPE.names:
        nodes[name] = batch.column(name).to_numpy()
    if not _is_sound(nodes, header.features):
        raise ValueError("a node leads to no later node of its tree")
    shares = batch.column("value").flatten().to_numpy()
    tree = Tree(header.features, np.array([header.classes], np.intp), 1)
    tree.__setstate__(
        {
            "max_depth": header.depths[position],
            "node_count": len(nodes),
            "nodes": nodes,
            "values": shares.reshape(len(nodes), 1, header.classes),
        }
    )
    random_state = header.random_states[position]
    restored = DecisionTreeClassifier(**{**header.parameters, "random_state": random_state})
    # As a forest's fit leaves them.
    restored.n_features_in_, restored.max_features_ = header.features, header.drawn
    restored.n_outputs_, restored.n_classes_ = 1, np.int64(header.classes)
    restored.classes_ = np.arange(header.classes, dtype=np.float64)
    restored.tree_ = tree
    return restored


def _is_sound(nodes: np.ndarray[Any, Any], features: int) -> bool:
    """Whether every node leads to later nodes of the same tree and asks for one of its features."""
    numbers = np.arange(len(nodes))
    left, right, feature = nodes["left_child"], nodes["right_child"], nodes["feature"]
    inner = left != _LEAF
    return bool(
        len(nodes)
        and np.array_equal(inner, right != _LEAF)
        and all(
            np.all((child > numbers)[inner]) and np.all(child < len(nodes))
            for child in (left, right)
        )
        and np.all(feature[inner] >= 0)
        and np.all(feature < features)
    )
