"""What every builder works from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from housing_core.api import HousingModelSpec, PodSettings
from housing_operator.observation import Model
from housing_operator.resources.names import Component
from housing_operator.settings import Settings


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A HousingModel, and what its objects depend on besides.

    Attributes:
        model: the HousingModel that owns the objects.
        spec: its checked spec.
        settings: the operator's.
        deployments: live ones by name, with who set which of their fields.
        many_nodes: claims of the namespace that several nodes can mount at a time; pods that
            mount any other stay on one node.

    """

    model: Model
    spec: HousingModelSpec
    settings: Settings
    many_nodes: frozenset[str] = frozenset()
    deployments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.model.name

    @property
    def plumbing(self) -> dict[Component, list[PodSettings]]:
        """The blocks of the spec that shape each component's pods."""
        serving = self.spec.serving
        return {
            "training": [self.spec.training],
            "serving": [serving.production, serving.staging],
            "monitoring": [self.spec.monitoring],
        }

    @property
    def dataset_secret(self) -> str | None:
        """The Secret that the dataset is reached with."""
        credentials = self.spec.dataset.credentials
        return credentials.secret_ref.name if credentials else None
