"""The peers' pipeline as a bundle of ours: the very trees, in the form that serving takes."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline

from housing_core import bundle as parts
from housing_core.bundle import GoldenRow, Schema, read_golden, read_schema
from housing_core.cleaning import clean_row
from housing_training.data.columns import Columns, InputColumn
from housing_training.export.graph import export_graph
from housing_training.export.inference import Graph
from housing_training.features.hashing import Encoder, HashedInput
from housing_training.models.calibration import Calibration
from housing_training.models.fitted import Model


def write_bundle(pipeline: Pipeline, trained: Path, folder: Path) -> None:
    """A bundle with the pipeline's features and trees.

    Args:
        pipeline: of `apps.pipeline`, fitted.
        trained: a bundle of the same columns, whose schema and descriptions are taken over.
        folder: is made; its golden rows have the answers of its own graph.

    """
    folder.mkdir()
    for name in (parts.SCHEMA_FILE, parts.REFERENCE_FILE, parts.SUMMARY_FILE):
        shutil.copy(trained / name, folder / name)
    schema = read_schema(trained)
    encoder, forest = _encoder_and_forest(pipeline, schema)
    model = Model(encoder, forest, len(schema.classes))
    # The forest's answers as they are: scikit-learn's peers do not calibrate theirs.
    graph = export_graph(_columns(schema), model, Calibration(), len(schema.classes))
    for name, content in graph.items():
        (folder / name).write_bytes(content)
    rows = [one.row for one in read_golden(trained)]
    parts.write_part(folder, parts.GOLDEN_FILE, _golden(Graph(folder), schema, rows))


def _columns(schema: Schema) -> Columns:
    rules = schema.rules.numbers
    inputs = (InputColumn(c.name, c.kind, c.reason, rules.get(c.name)) for c in schema.columns)
    return Columns(tuple(inputs), {})


def _encoder_and_forest(
    pipeline: Pipeline, schema: Schema
) -> tuple[Encoder, RandomForestClassifier]:
    """The pipeline's features as our encoder makes them, without the buckets that no tree asks for."""
    features = pipeline["features"]
    numeric = features.named_transformers_["numbers"]["fill"]
    hot = features.named_transformers_["texts"]["hot"]
    hasher = features.named_transformers_["hashed"]
    crossed = hasher["cross"].func
    _, _, numbers = features.transformers_[0]
    _, _, texts = features.transformers_[1]
    hashed = [
        *(HashedInput(name, (name,)) for name in crossed.hashed),
        *(HashedInput("_".join(cross), tuple(cross)) for cross in crossed.crosses),
    ]
    buckets = hasher["hash"].n_features
    medians = dict(zip(numbers, map(float, numeric.statistics_), strict=True))
    categories = dict(zip(texts, map(tuple, hot.categories_), strict=True))
    first = len(medians) + sum(map(len, categories.values()))
    forest = copy.deepcopy(pipeline["forest"])
    asked = [tree.tree_.feature[tree.tree_.children_left >= 0] for tree in forest.estimators_]
    used = np.unique(np.concatenate(asked))
    used = used[used >= first] - first
    place = np.full(first + buckets, -1)
    place[:first] = np.arange(first)
    place[first + used] = first + np.arange(len(used))
    for tree, found in zip(forest.estimators_, asked, strict=True):
        tree.tree_.feature[tree.tree_.children_left >= 0] = place[found]
    return Encoder(medians, (), categories, tuple(hashed), buckets, used), forest


def _golden(graph: Graph, schema: Schema, rows: Sequence[dict[str, Any]]) -> list[GoldenRow]:
    golden = []
    for row in rows:
        typed = clean_row(row, schema.rules)
        answers = graph.run(
            {
                Schema.input_name(position): np.array(
                    [[typed[column.name]]], np.float32 if column.kind == "Numeric" else object
                )
                for position, column in enumerate(schema.columns)
            }
        )
        shares = [float(share) for share in answers.probabilities[0]]
        label = schema.classes[int(answers.labels[0])]
        golden.append(GoldenRow(row=row, label=label, probabilities=shares))
    return golden
