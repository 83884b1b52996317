"""A tiny real bundle, and its registration in MLflow, for tests that need a model but no training.

The model has a numeric column with Turkish numbers, a numeric column, and a category with a
Turkish name. Its graph is one decision tree, small enough to check by hand:

    ilçe is "Kadıköy"?  yes → area > 100?  yes → High, no → Medium
                        no  → rooms > 3?   yes → Medium, no → Low

A missing area or number of rooms goes the "no" way.
"""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from housing_core import bundle
from housing_core.cleaning import CleaningRules, NumberRule, clean_row

if TYPE_CHECKING:
    from housing_core.registry import Registry

CLASSES = ["Low", "Medium", "High"]
BOUNDARIES = [2_500_000.0, 6_000_000.0]
COLUMNS = ["area", "rooms", "ilçe"]
RULES = CleaningRules(
    numbers={
        "area": NumberRule(decimal=",", thousands=".", suffixes=("m2", "m²")),
        "rooms": NumberRule(decimal=","),
    },
    texts=("ilçe",),
)
ROWS: list[dict[str, Any]] = [
    {"area": "120 m2", "rooms": 3, "ilçe": "Kadıköy"},
    {"area": 80, "rooms": 2, "ilçe": "Kadıköy"},
    {"area": "1.250", "rooms": "5", "ilçe": "Şile"},
    {"area": 65.5, "rooms": 1, "ilçe": "Beyoğlu"},
    {"area": None, "rooms": None, "ilçe": None},
]


def tiny_bundle(
    folder: Path, confidence: float = 0.9, *, model_name: str = "tests.tiny", wrong: bool = False
) -> Path:
    """Write a bundle into `folder` and return it.

    Args:
        folder: made when it is not there.
        confidence: probability of the class that the tree chooses, over 1/3; the others share the
            rest. It tells versions apart by their answers.
        model_name: goes into schema and summary.
        wrong: make the golden rows expect something else than the graph answers.

    """
    folder.mkdir(parents=True, exist_ok=True)
    graph = _graph(confidence)
    onnx.save(graph, folder / bundle.GRAPH_FILE)
    bundle.write_part(folder, bundle.SCHEMA_FILE, _schema(model_name))
    bundle.write_part(folder, bundle.GOLDEN_FILE, _golden(graph, 0.25 if wrong else 0.0))
    bundle.write_part(folder, bundle.REFERENCE_FILE, _reference())
    size = sum(file.stat().st_size for file in folder.iterdir())
    bundle.write_part(folder, bundle.SUMMARY_FILE, _summary(model_name, size))
    return folder


def register_bundle(
    registry: Registry, model_name: str, folder: Path, *, key: str | None = None
) -> str:
    """Register a bundle folder as the next version of a model and return the version's number.

    Args:
        registry: MLflow.
        model_name: `<namespace>.<name>`; made when it is not registered.
        folder: a bundle, as `tiny_bundle` writes it.
        key: tags run and version with the training that made them.

    """
    from housing_core.registry import KEY_TAG

    tags = {KEY_TAG: key} if key else {}
    run = registry.create_run(model_name, tags)
    registry.upload_folder(run, folder, f"model/{bundle.BUNDLE_PATH}")
    registry.end_run(run.run_id)
    return registry.register(model_name, run, "model", tags=tags).number


def register_tiny_bundle(
    registry: Registry, model_name: str, confidence: float = 0.9, *, wrong: bool = False
) -> str:
    """Make a tiny bundle, register it and return the version's number."""
    with tempfile.TemporaryDirectory() as folder:
        made = tiny_bundle(Path(folder), confidence, model_name=model_name, wrong=wrong)
        return register_bundle(registry, model_name, made)


def spoil(folder: Path) -> None:
    """Cut the graph of a bundle short, as a broken copy would."""
    graph = folder / bundle.GRAPH_FILE
    graph.write_bytes(graph.read_bytes()[:100])


def _graph(confidence: float) -> onnx.ModelProto:
    inputs = [
        helper.make_tensor_value_info(bundle.Schema.input_name(i), kind, ["rows", 1])
        for i, kind in enumerate([TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.STRING])
    ]
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.INT64, ["rows"]),
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", len(CLASSES)]),
    ]
    low, medium, high = 0, 1, 2
    leaves = {3: high, 4: medium, 5: medium, 6: low}  # node → class
    rest = (1 - confidence) / 2
    weights = [
        (node, c, confidence if c == chosen else rest)
        for node, chosen in leaves.items()
        for c in range(len(CLASSES))
    ]
    tree = helper.make_node(
        "TreeEnsembleClassifier",
        ["features"],
        ["label", "probabilities"],
        domain="ai.onnx.ml",
        classlabels_int64s=list(range(len(CLASSES))),
        nodes_treeids=[0] * 7,
        nodes_nodeids=list(range(7)),
        nodes_featureids=[2, 0, 1, 0, 0, 0, 0],
        nodes_modes=["BRANCH_GT"] * 3 + ["LEAF"] * 4,
        nodes_values=[0.5, 100.0, 3.0, 0.0, 0.0, 0.0, 0.0],
        nodes_truenodeids=[1, 3, 5, 0, 0, 0, 0],
        nodes_falsenodeids=[2, 4, 6, 0, 0, 0, 0],
        nodes_missing_value_tracks_true=[0] * 7,
        class_treeids=[0] * len(weights),
        class_nodeids=[node for node, _, _ in weights],
        class_ids=[c for _, c, _ in weights],
        class_weights=[weight for _, _, weight in weights],
        post_transform="NONE",
    )
    nodes = [
        helper.make_node(
            "LabelEncoder",
            ["column_2"],
            ["district"],
            domain="ai.onnx.ml",
            keys_strings=["Kadıköy"],
            values_floats=[1.0],
            default_float=0.0,
        ),
        helper.make_node("Concat", ["column_0", "column_1", "district"], ["features"], axis=1),
        tree,
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "tiny", inputs, outputs),
        opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)],
        ir_version=9,
    )
    onnx.checker.check_model(model)
    return model


def _schema(model_name: str) -> bundle.Schema:
    return bundle.Schema(
        model_name=model_name,
        target="price",
        columns=[
            bundle.ColumnSchema(name="area", kind="Numeric", minimum=20, maximum=900),
            bundle.ColumnSchema(name="rooms", kind="Numeric", minimum=1, maximum=9),
            bundle.ColumnSchema(name="ilçe", kind="Categorical", examples=["Kadıköy", "Şile"]),
        ],
        classes=CLASSES,
        boundaries=BOUNDARIES,
        cleaning=RULES.to_json(),
        price_rule=NumberRule(decimal=",", thousands=".", suffixes=("tl",)),
    )


def _golden(graph: onnx.ModelProto, shift: float) -> list[bundle.GoldenRow]:
    typed = [clean_row(row, RULES) for row in ROWS]
    feeds: dict[str, Any] = {
        bundle.Schema.input_name(i): np.array(
            [[row[name]] for row in typed], dtype=object if name in RULES.texts else np.float32
        )
        for i, name in enumerate(COLUMNS)
    }
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    labels, probabilities = session.run(["label", "probabilities"], feeds)
    return [
        bundle.GoldenRow(
            row=row, label=CLASSES[label], probabilities=[float(p) - shift for p in shares]
        )
        for row, label, shares in zip(ROWS, labels, probabilities, strict=True)
    ]


def _reference() -> bundle.Reference:
    return bundle.Reference(
        rows=1000,
        holdout_rows=200,
        features={
            "area": bundle.NumericProfile(
                rows=1000,
                missing=10,
                edges=[60.0, 90.0, 120.0],
                counts=[250, 250, 250, 240],
                mean=100.0,
                std=45.0,
                skewness=1.2,
                minimum=20.0,
                maximum=900.0,
            ),
            "rooms": bundle.NumericProfile(
                rows=1000,
                missing=0,
                edges=[1.0, 2.0, 3.0],
                counts=[200, 300, 300, 200],
                mean=2.6,
                std=1.1,
                skewness=0.4,
                minimum=1.0,
                maximum=9.0,
            ),
            "ilçe": bundle.CategoricalProfile(
                rows=1000, missing=5, counts={"Kadıköy": 500, "Şile": 300}, other=195, cardinality=9
            ),
        },
        class_shares={"Low": 0.4, "Medium": 0.4, "High": 0.2},
        scores={"accuracy": 0.8, "macro_f1": 0.78},
        calibration=[(0.9, 0.8, 200)],
    )


def _summary(model_name: str, size: int) -> bundle.Summary:
    scores = bundle.Scores(
        accuracy=0.8,
        macro_f1=0.78,
        precision=0.79,
        recall=0.78,
        roc_auc=0.92,
        confusion_matrix=[[70, 10, 0], [8, 60, 12], [0, 10, 30]],
    )
    return bundle.Summary(
        model_name=model_name,
        key=uuid.uuid4().hex,
        run_id=uuid.uuid4().hex,
        trigger="Spec",
        scores=scores,
        baseline_name="most frequent class",
        baseline=scores.model_copy(update={"accuracy": 0.4, "macro_f1": 0.19, "roc_auc": 0.5}),
        rows=1000,
        new_rows=1000,
        holdout_rows=200,
        dataset_uri="pvc://listings/",
        dataset_fingerprint="0123456789abcdef",
        bundle_bytes=size,
        training_seconds=1.0,
        trained_at="2026-11-23T00:00:00Z",
        trained_with={"scikit-learn": "1.9.0"},
    )
