"""What MLflow keeps of a version as parameters, tags and metrics, and what it was made with. Pure."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version as installed_version
from typing import Any

from housing_core.api.spec import Cross, Dataset, Training
from housing_core.bundle import Comparison, Interval, ModelKind, ScoreIntervals, Scores, Summary
from housing_core.tasks import IMAGE_VARIABLE
from housing_training.evaluation.intervals import class_scores
from housing_training.features.target_encoding import CROSS_FIT_FOLDS, SMOOTHING
from housing_training.models.calibration import FLOOR
from housing_training.models.fitted import Model

NOT_USED: Mapping[ModelKind, tuple[str, ...]] = {
    "HashedForest": (),
    "EncodedForest": ("resampling",),
    "EncodedBoosting": ("resampling", "forest", "checkpoint"),
}
"""Blocks of `training` that a model passes over; the spec's descriptions say the same."""

_HOW_NOT_WHAT = ("n_jobs", "verbose", "warm_start")
"""Arguments of scikit-learn's models that no answer depends on."""

_LIBRARIES = (
    *("housing-operator", "numpy", "scipy", "scikit-learn", "pandas", "pyarrow"),
    *("onnx", "onnxruntime", "mlflow-skinny"),
)
_WHERE_USED = ("optuna", "distributed")
"""Imported only by trainings that need it."""

SCORES = ("accuracy", "macro_f1", "precision", "recall", "roc_auc")
COMPARED = (
    *("champion_macro_f1", "champion_rank_correlation"),
    *("challenger_macro_f1", "challenger_rank_correlation", "ahead"),
)


def environment() -> dict[str, str]:
    """What this training runs on: Python, its libraries as far as it uses them, and the image."""
    used = [name for name in _WHERE_USED if name in sys.modules]
    image = os.environ.get(IMAGE_VARIABLE)
    return {
        "python": platform.python_version(),
        **{name: installed_version(name) for name in (*_LIBRARIES, *used)},
        **({"image": image} if image else {}),
    }


def parameters(
    dataset: Dataset, training: Training, crosses: Sequence[Cross], summary: Summary, model: Model
) -> dict[str, Any]:
    """Everything that the version was made with: name → value.

    Fields of the spec by their names there, without those that the model passed over, then what the
    encoder, the fitted estimator (`model.*`, as scikit-learn has it) and the calibration were made
    with.

    Args:
        dataset, training: of the spec.
        crosses: the ones that were used, inferred or not.
        summary: of the version.
        model: as it was fitted.

    """
    recipe = summary.recipe
    if recipe is None:
        raise ValueError("a version that was trained now says what its recipe made")
    own = training.relevant()
    if training.distributed is not None:
        own["distributed"] = training.distributed.to_json()
    own["checkpoint"] = training.checkpoint.to_json()
    given = dataset.to_json()
    kinds = {column.name: column.kind for column in dataset.columns}
    combined = {cross.name: cross.columns for cross in crosses}
    calibration = recipe.calibration
    return {
        # The part behind ? may sign the address.
        "dataset.uri": dataset.uri.partition("?")[0],
        "dataset.format": dataset.format,
        "dataset.feedback": dataset.feedback,
        "dataset.columns": json.dumps(kinds, ensure_ascii=False),
        "dataset.crosses": json.dumps(combined, ensure_ascii=False),
        **_flatten({"split": given.get("split", "row"), "target": given["target"]}, "dataset."),
        **_flatten({name: own[name] for name in own if name not in NOT_USED[recipe.model]}),
        "model": recipe.model,
        **_encoding(recipe.model),
        **{
            f"model.{name}": value
            for name, value in model.estimator.get_params(deep=False).items()
            if name not in _HOW_NOT_WHAT
        },
        "calibration": calibration.method,
        **(
            {}
            if calibration.method == "None"
            else {
                "calibration.scale": calibration.scale,
                "calibration.shifts": calibration.shifts,
                "calibration.floor": FLOOR,
            }
        ),
    }


def tags(crosses: Sequence[Cross], summary: Summary) -> dict[str, str]:
    """What people filter by and read: which model, why it, what it runs on, what to beware of."""
    recipe = summary.recipe
    found = {
        "crosses": ", ".join(cross.name for cross in crosses),
        **{f"environment.{name}": version for name, version in summary.trained_with.items()},
    }
    if recipe is not None:
        found |= {
            "model": recipe.model,
            "selection": recipe.in_words(),
            "calibration": recipe.calibration.method,
        }
        if NOT_USED[recipe.model]:
            found["not_used"] = ", ".join(f"training.{name}" for name in NOT_USED[recipe.model])
        if recipe.search is not None:
            found["settings"] = json.dumps(recipe.settings)
    if summary.warnings:
        found["warnings"] = "\n".join(summary.warnings)
    return found


def metrics(summary: Summary, classes: Sequence[str]) -> dict[str, float]:
    """Scores: `_low` and `_high` end their 95 % intervals.

    The baseline's begin with `baseline_`, those of one class end with its name. On the rows of the
    comparison with the version in production its scores begin with `champion_`, those of this one
    with `challenger_`, and `ahead` is the macro F1 of this one minus its.

    Args:
        summary: of the version.
        classes: their names.

    """
    found: dict[str, float] = {}
    for prefix, scores, within in (
        ("", summary.scores, summary.intervals),
        ("baseline_", summary.baseline, summary.baseline_intervals),
    ):
        for name in SCORES:
            value, interval = getattr(scores, name), getattr(within, name, None)
            found |= _with_ends(prefix + name, value, interval)
    if summary.intervals is not None:
        found |= _class_metrics(summary.scores, summary.intervals, classes)
    if summary.comparison is not None:
        found |= _comparison_metrics(summary.comparison)
    return found


def metric_names(classes: Sequence[str]) -> list[str]:
    """The classes as parts of names of metrics, for which MLflow takes letters, digits and `_-. `."""
    names = [re.sub(r"[^\w\-. ]", "_", name).strip() for name in classes]
    usable = len(set(names)) == len(names) and all(name.strip("_") for name in names)
    return names if usable else [f"class_{number}" for number in range(1, len(names) + 1)]


def _class_metrics(
    scores: Scores, within: ScoreIntervals, classes: Sequence[str]
) -> dict[str, float]:
    found: dict[str, float] = {}
    for score, values in class_scores(scores.confusion_matrix).items():
        intervals = getattr(within, f"class_{score}")
        for name, value, interval in zip(metric_names(classes), values, intervals, strict=True):
            found |= _with_ends(f"{score}_{name}", value, interval)
    return found


def _comparison_metrics(comparison: Comparison) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in COMPARED:
        value, interval = getattr(comparison, name), getattr(comparison, f"{name}_interval")
        found |= _with_ends(name, value, interval)
    return found


def _with_ends(name: str, value: float | None, interval: Interval | None) -> dict[str, float]:
    """A score and the ends of its interval, as far as they are known."""
    found = {} if value is None else {name: float(value)}
    if interval is not None:
        found |= {f"{name}_low": interval.low, f"{name}_high": interval.high}
    return found


def _encoding(model: ModelKind) -> dict[str, Any]:
    if model == "HashedForest":
        return {"encoding": "hashing"}
    return {
        "encoding": "cross-fitted target encoding",
        "encoding.smoothing": SMOOTHING,
        "encoding.folds": CROSS_FIT_FOLDS,
    }


def _flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"forest": {"trees": 100}} → {"forest.trees": 100}, as MLflow's table of parameters wants it."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
