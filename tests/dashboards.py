"""The chart's dashboards, as Grafana would ask Prometheus for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.cluster_client import ROOT

FOLDER = ROOT / "charts" / "housing-operator" / "dashboards"


@dataclass(frozen=True)
class PanelQuery:
    """One query of one panel, its variables filled in."""

    dashboard: str
    panel: str
    expression: str


def all_dashboards() -> dict[str, dict[str, Any]]:
    """Return every dashboard by the name of its file."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def panel_queries(namespace: str, model: str, rate_interval: str) -> Iterator[PanelQuery]:
    """Give every query of every panel for one model."""
    filled = {"$namespace": namespace, "$model": model, "$__rate_interval": rate_interval}
    for name, dashboard in all_dashboards().items():
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                expression = target["expr"]
                for variable, value in filled.items():
                    expression = expression.replace(variable, value)
                yield PanelQuery(name, panel["title"], expression)
