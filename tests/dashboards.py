"""The chart's dashboards, as Grafana would ask Prometheus for them."""

from __future__ import annotations

import json
import re
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


@dataclass(frozen=True)
class LabelQuery:
    """Where the choices of a variable come from: the values of a label in some series."""

    dashboard: str
    variable: str
    series: str
    label: str


@dataclass(frozen=True)
class RowLink:
    """The link that each row of a table has.

    Attributes:
        address: with `{label}` where a label of the row goes.
    """

    dashboard: str
    panel: str
    expression: str
    address: str


def all_dashboards() -> dict[str, dict[str, Any]]:
    """Return every dashboard by the name of its file."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def panel_queries(namespace: str, model: str, rate_interval: str) -> Iterator[PanelQuery]:
    """Give every query of every panel for one model."""
    filled = {"$namespace": namespace, "$model": model, "$__rate_interval": rate_interval}
    for name, dashboard in all_dashboards().items():
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                yield PanelQuery(name, panel["title"], _filled(target["expr"], filled))


def label_queries() -> Iterator[LabelQuery]:
    """Give what every variable of every dashboard asks for, with All chosen in the others."""
    for name, dashboard in all_dashboards().items():
        asking = {
            f"${variable['name']}": variable
            for variable in dashboard["templating"]["list"]
            if variable["type"] == "query"
        }
        every = {name: variable["allValue"] for name, variable in asking.items()}
        for variable in asking.values():
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", _filled(variable["query"], every))
            assert found, variable["query"]
            yield LabelQuery(name, variable["name"], *found.groups())


def row_links(namespace: str, model: str) -> Iterator[RowLink]:
    """Give every link of every table for one model."""
    filled = {"$namespace": namespace, "$model": model}
    for name, dashboard in all_dashboards().items():
        address = {f"${{{one['name']}}}": one["query"] for one in dashboard["templating"]["list"]}
        for panel in dashboard["panels"]:
            for override in panel.get("fieldConfig", {}).get("overrides", []):
                (renamed,) = (
                    one["options"]["renameByName"]
                    for one in panel["transformations"]
                    if one["id"] == "organize"
                )
                cells = {
                    f"${{__data.fields.{heading}}}": f"{{{label}}}"
                    for label, heading in renamed.items()
                }
                for found in override["properties"]:
                    assert found["id"] == "links"
                    for link in found["value"]:
                        yield RowLink(
                            name,
                            panel["title"],
                            _filled(panel["targets"][0]["expr"], filled),
                            _filled(link["url"], address | cells),
                        )


def _filled(text: str, values: dict[str, str]) -> str:
    for variable, value in values.items():
        text = text.replace(variable, value)
    return text
