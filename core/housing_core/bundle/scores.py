"""Scores on the holdout, with their intervals."""

from __future__ import annotations

from pydantic import ConfigDict

from housing_core.bundle.part import Part


class Scores(Part):
    """Scores on the holdout; `precision` and `recall` are macro averages, `roc_auc` one-versus-rest."""

    model_config = ConfigDict(allow_inf_nan=False)

    accuracy: float
    macro_f1: float
    precision: float
    recall: float
    roc_auc: float | None
    confusion_matrix: list[list[int]]


class Interval(Part):
    """95 % interval of a score: how far it could be off by the luck of the rows it is of."""

    low: float
    high: float


class ScoreIntervals(Part):
    """Intervals of the scores with these names, and of each class's, in the order of the classes."""

    accuracy: Interval
    macro_f1: Interval
    precision: Interval
    recall: Interval
    roc_auc: Interval | None = None
    class_precision: list[Interval] = []
    class_recall: list[Interval] = []
    class_f1: list[Interval] = []
