"""The model bundle: what training registers and what serving, monitoring and stock MLflow read.

A version in MLflow is a normal pyfunc model; the bundle is the folder `artifacts/bundle` in it:

| file | what it holds |
|---|---|
| `model.onnx` | the graph: one typed rank-2 input (rows, 1) per column, named by the column's position (`column_0`, ...); outputs `label` (int64 class index, (rows,)) and `probabilities` (float32, (rows, classes)) |
| `inputs.onnx`, `trees.npz` | the same model taken apart, since serving walks trees by itself: the graph from the same inputs to what the trees are given, and the trees with all that comes behind them (`housing_training.export.compact_trees`); left out when the trees do not fit its numbers, and then `model.onnx` serves |
| `inputs.json` | what `inputs.onnx` computes, as lists (`housing_core.listed_inputs`): for few rows that is faster; left out where it computes something else |
| `schema.json` | columns, crosses, classes, boundaries in money, cleaning rules: `Schema` |
| `reference.json` | what monitoring compares with: `Reference` |
| `golden.json` | rows with their expected answers: `GoldenRow` list |
| `summary.json` | scores and lineage for the operator and people: `Summary` |
"""

from housing_core.bundle.files import (
    BUNDLE_PATH,
    GOLDEN_FILE,
    GRAPH_BATCH_ROWS,
    GRAPH_FILE,
    INPUTS_FILE,
    LISTED_FILE,
    REFERENCE_FILE,
    SCHEMA_FILE,
    SUMMARY_FILE,
    TREES_FILE,
    BundleError,
    read_golden,
    read_reference,
    read_schema,
    read_summary,
    write_part,
)
from housing_core.bundle.golden import GOLDEN_TOLERANCE, GoldenRow
from housing_core.bundle.part import FORMAT
from housing_core.bundle.recipe import (
    CalibrationResult,
    CandidateResult,
    ModelKind,
    RecipeResult,
    SearchResult,
)
from housing_core.bundle.reference import (
    CategoricalProfile,
    FeatureProfile,
    NumericProfile,
    Reference,
)
from housing_core.bundle.schema import ColumnSchema, CrossSchema, Schema
from housing_core.bundle.scores import Interval, ScoreIntervals, Scores
from housing_core.bundle.summary import Comparison, Summary

__all__ = [
    "BUNDLE_PATH",
    "FORMAT",
    "GOLDEN_FILE",
    "GOLDEN_TOLERANCE",
    "GRAPH_BATCH_ROWS",
    "GRAPH_FILE",
    "INPUTS_FILE",
    "LISTED_FILE",
    "REFERENCE_FILE",
    "SCHEMA_FILE",
    "SUMMARY_FILE",
    "TREES_FILE",
    "BundleError",
    "CalibrationResult",
    "CandidateResult",
    "CategoricalProfile",
    "ColumnSchema",
    "Comparison",
    "CrossSchema",
    "FeatureProfile",
    "GoldenRow",
    "Interval",
    "ModelKind",
    "NumericProfile",
    "RecipeResult",
    "Reference",
    "Schema",
    "ScoreIntervals",
    "Scores",
    "SearchResult",
    "Summary",
    "read_golden",
    "read_reference",
    "read_schema",
    "read_summary",
    "write_part",
]
