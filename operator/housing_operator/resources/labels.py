"""Labels: how the operator finds what it owns, and how people select it."""

from __future__ import annotations

from housing_core.api import GROUP
from housing_operator.resources.names import Component, Track

INSTANCE = "app.kubernetes.io/instance"
COMPONENT = "app.kubernetes.io/component"
MANAGED_BY = "app.kubernetes.io/managed-by"
OPERATOR = "housing-operator"

TRACK = f"{GROUP}/track"
VERSION = f"{GROUP}/version"

ONE_NODE = f"{GROUP}/one-node"
"""On pods that mount a claim which only one node can mount at a time; its value is the model."""

HAS_WORKERS = f"{GROUP}/has-workers"
"""On the Job of a training that was started to work with others."""

MANAGED = f"{MANAGED_BY}={OPERATOR}"
"""Selects everything that the operator owns, of all models."""


def labels(model: str, component: Component, track: Track | None = None) -> dict[str, str]:
    """Labels of an object that belongs to a model."""
    return {
        "app.kubernetes.io/name": "housing-model",
        "app.kubernetes.io/part-of": OPERATOR,
        **selector(model, component, track),
    }


def selector(model: str, component: Component, track: Track | None = None) -> dict[str, str]:
    """The labels that tell a component's pods, or a track's, from all others of the namespace."""
    return {
        INSTANCE: model,
        COMPONENT: component,
        MANAGED_BY: OPERATOR,
        **({TRACK: track} if track else {}),
    }


def owned_selector(model: str) -> str:
    """Selects everything that the operator owns for one model."""
    return f"{INSTANCE}={model},{MANAGED}"
