"""The HousingModel types: the only place where a field of the API is written down.

The CRD, its defaults and its validation rules (`manifests/crd.yaml`, the chart's copy) and the
reference page (`docs/reference/housingmodel.md`) are generated from them by
`python -m housing_core.api`.
"""

from housing_core.api.pods import PodSettings
from housing_core.api.spec import (
    Dataset,
    HousingModelSpec,
    Monitoring,
    Promotion,
    Retraining,
    Serving,
    ServingTrack,
    Thresholds,
    Training,
)
from housing_core.api.status import (
    Candidate,
    Condition,
    DriftAlert,
    DriftScores,
    DriftStatus,
    HistoryEntry,
    HousingModelStatus,
    TrackStatus,
    TrainingStatus,
)

GROUP = "housing-operator.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "HousingModel"
PLURAL = "housingmodels"

RETRAIN_ANNOTATION = f"{GROUP}/retrain"
"""A person's request to train now; its value is a token, acknowledged in `status.retraining.handledRequest`."""

APPROVE_ANNOTATION = f"{GROUP}/approve"
"""With `promotion.mode: Manual`: the version number that may go to production."""

__all__ = [
    "API_VERSION",
    "APPROVE_ANNOTATION",
    "GROUP",
    "KIND",
    "PLURAL",
    "RETRAIN_ANNOTATION",
    "VERSION",
    "Candidate",
    "Condition",
    "Dataset",
    "DriftAlert",
    "DriftScores",
    "DriftStatus",
    "HistoryEntry",
    "HousingModelSpec",
    "HousingModelStatus",
    "Monitoring",
    "PodSettings",
    "Promotion",
    "Retraining",
    "Serving",
    "ServingTrack",
    "Thresholds",
    "TrackStatus",
    "Training",
    "TrainingStatus",
]
