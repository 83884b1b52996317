"""Any fitted model as part of the ONNX graph: its encoder, then its estimator."""

from __future__ import annotations

from collections.abc import Mapping

from sklearn.ensemble import RandomForestClassifier

from housing_training.export.boosting import add_boosting
from housing_training.export.builder import GraphBuilder
from housing_training.export.forest import add_forest, add_hashed_forest
from housing_training.export.target_encoding import add_target_encoding
from housing_training.features.target_encoding import TargetEncoder
from housing_training.models.fitted import Model


def add_model(graph: GraphBuilder, model: Model, inputs: Mapping[str, str]) -> str:
    """`Model.answer` in a graph.

    Args:
        graph: is added to.
        model: fitted.
        inputs: column → name of its input.

    Returns:
        The name of the (rows, classes) float64 answer.

    """
    if not isinstance(model.encoder, TargetEncoder):
        if not isinstance(model.estimator, RandomForestClassifier):
            raise TypeError("boosting takes target-encoded features")
        return add_hashed_forest(graph, model.encoder, model.estimator, inputs)
    features = add_target_encoding(graph, model.encoder, inputs)
    if isinstance(model.estimator, RandomForestClassifier):
        return add_forest(graph, model.estimator, model.encoder.width)
    return add_boosting(graph, model.estimator, features)
