"""Target encoding as part of the ONNX graph: categories and buckets → rows of one table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import helper

from housing_training.export.builder import GraphBuilder
from housing_training.export.forest import add_buckets
from housing_training.features.hashing import CROSS_SEPARATOR
from housing_training.features.target_encoding import TargetEncoder


def add_target_encoding(
    graph: GraphBuilder, encoder: TargetEncoder, inputs: Mapping[str, str]
) -> str:
    """Make `features` (rows, width), float32, of the inputs; returns their name."""
    parts = []
    if encoder.fills:
        parts.append(_add_numbers(graph, encoder, inputs))
    if encoder.inputs:
        parts.append(_add_encoded(graph, encoder, inputs))
    if len(parts) == 1:
        return graph.add("Identity", parts, "features")
    return graph.concat(parts, "features")


def _add_numbers(graph: GraphBuilder, encoder: TargetEncoder, inputs: Mapping[str, str]) -> str:
    numbers = graph.concat([inputs[name] for name in encoder.fills], "numbers")
    fills = np.array([list(encoder.fills.values())], np.float32)
    if np.isnan(fills).all():
        return numbers
    graph.add("IsNaN", [numbers], "numbers_missing")
    return graph.add(
        "Where", ["numbers_missing", graph.constant("fills", fills), numbers], "numbers_filled"
    )


def _add_encoded(graph: GraphBuilder, encoder: TargetEncoder, inputs: Mapping[str, str]) -> str:
    """Every input finds its row of the table; one Gather fetches all of them."""
    unseen, start = len(encoder.table) - 1, 0
    positions = []
    if encoder.categories:
        positions.append(_add_categories(graph, encoder, inputs))
        start = sum(map(len, encoder.categories.values()))
    if encoder.hashed:
        add_buckets(graph, encoder.hashed, encoder.buckets, inputs)
        parts = ["bucket"]
        if len(encoder.hashed) > 1:
            parts = [f"bucket_{number}" for number in range(len(encoder.hashed))]
            graph.constant("one_bucket_each", np.ones(len(parts), np.int64))
            graph.nodes.append(
                helper.make_node("Split", ["bucket", "one_bucket_each"], parts, axis=1)
            )
        for part, used in zip(parts, encoder.used, strict=True):
            positions.append(
                graph.add(
                    "LabelEncoder",
                    [part],
                    f"{part}_position",
                    domain="ai.onnx.ml",
                    keys_int64s=used.tolist(),
                    values_int64s=list(range(start, start + len(used))),
                    default_int64=unseen,
                )
            )
            start += len(used)
    found = graph.concat(positions, "positions")
    graph.add("Gather", [graph.constant("target_table", encoder.table), found], "encoded", axis=0)
    graph.constant("encoded_shape", np.array([0, encoder.inputs * encoder.statistics], np.int64))
    return graph.add("Reshape", ["encoded", "encoded_shape"], "encoded_flat")


def _add_categories(graph: GraphBuilder, encoder: TargetEncoder, inputs: Mapping[str, str]) -> str:
    """One lookup of `<column> <category>` for all columns."""
    prefixes = [f"{number}{CROSS_SEPARATOR}" for number in range(len(encoder.categories))]
    keys = [
        prefix + category
        for prefix, categories in zip(prefixes, encoder.categories.values(), strict=True)
        for category in categories
    ]
    graph.constant("category_prefixes", np.array(prefixes, dtype=object))
    texts = graph.concat([inputs[name] for name in encoder.categories], "categories")
    graph.add("StringConcat", ["category_prefixes", texts], "category_keys")
    return graph.add(
        "LabelEncoder",
        ["category_keys"],
        "categories_position",
        domain="ai.onnx.ml",
        keys_strings=keys,
        values_int64s=list(range(len(keys))),
        default_int64=len(encoder.table) - 1,
    )
