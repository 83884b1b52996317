"""Kinds of panels and queries that the dashboards are made of, in Grafana's own types."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models.common import (
    LegendDisplayMode,
    LegendPlacement,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
HEIGHT = 8

Panel = timeseries.Panel | stat.Panel | table.Panel | bargauge.Panel | statetimeline.Panel
Query = tuple[str, str]
"""PromQL and the legend of its series."""


def graph(
    title: str, text: str, *queries: Query, unit: str = "short", span: int = 12, **bounds: float
) -> timeseries.Panel:
    """Lines over time. `bounds` are `min` and `max` of the axis."""
    legend = (
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs([])
    )
    panel = (
        timeseries.Panel()
        .title(title)
        .description(text)
        .unit(unit)
        .height(HEIGHT)
        .span(span)
        .datasource(DATASOURCE)
        .legend(legend)
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
        .fill_opacity(10)
        .show_points(VisibilityMode.AUTO)
    )
    if "min" in bounds:
        panel = panel.min(bounds["min"])
    if "max" in bounds:
        panel = panel.max(bounds["max"])
    for query in _targets(queries, instant=False):
        panel = panel.with_target(query)
    return panel


def number(
    title: str,
    text: str,
    *queries: Query,
    unit: str = "short",
    span: int = 6,
    decimals: int | None = None,
    words: dict[int, tuple[str, str]] | None = None,
) -> stat.Panel:
    """The newest value of each series. `words` shows values as a word in a colour."""
    panel = (
        stat.Panel()
        .title(title)
        .description(text)
        .unit(unit)
        .height(HEIGHT // 2)
        .span(span)
        .datasource(DATASOURCE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    if decimals is not None:
        panel = panel.decimals(decimals)
    if words is not None:
        panel = panel.mappings([_mapping(words)])
    for query in _targets(queries, instant=True):
        panel = panel.with_target(query)
    return panel


def bars(
    title: str,
    text: str,
    *queries: Query,
    unit: str = "short",
    span: int = 12,
    steps: list[tuple[float | None, str]] | None = None,
) -> bargauge.Panel:
    """The newest value of each series as a bar. `steps` are colours from a value on."""
    panel = (
        bargauge.Panel()
        .title(title)
        .description(text)
        .unit(unit)
        .height(HEIGHT)
        .span(span)
        .datasource(DATASOURCE)
        .orientation(VizOrientation.HORIZONTAL)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .min(0)
    )
    if steps is not None:
        colours = [Threshold(value=value, color=colour) for value, colour in steps]
        panel = panel.thresholds(
            dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(colours)
        )
    for query in _targets(queries, instant=True):
        panel = panel.with_target(query)
    return panel


def timeline(
    title: str, text: str, *queries: Query, words: dict[int, tuple[str, str]], span: int = 24
) -> statetimeline.Panel:
    """States over time, each value as a word in a colour."""
    panel = (
        statetimeline.Panel()
        .title(title)
        .description(text)
        .height(HEIGHT)
        .span(span)
        .datasource(DATASOURCE)
        .mappings([_mapping(words)])
        .show_value(VisibilityMode.NEVER)
    )
    for query in _targets(queries, instant=False):
        panel = panel.with_target(query)
    return panel


def rows(
    title: str,
    text: str,
    *queries: str,
    names: dict[str, str],
    unit: str = "short",
    span: int = 24,
    link: tuple[str, str, str] | None = None,
) -> table.Panel:
    """The newest values as a table, several queries side by side.

    Args:
        title: of the panel.
        text: what it answers.
        *queries: PromQL; series with the same labels share a row.
        names: headings of the columns to show, in their order: labels, and `Value #A` and so on.
        unit: of the values.
        span: width, of 24.
        link: heading of the column that gets a link, the link's title and its address.

    """
    order = {name: place for place, name in enumerate(names)}
    organise = {
        "indexByName": order,
        "renameByName": names,
        "includeByName": dict.fromkeys(names, True),
    }
    panel = (
        table.Panel()
        .title(title)
        .description(text)
        .unit(unit)
        .height(HEIGHT)
        .span(span)
        .datasource(DATASOURCE)
        .with_transformation(DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(DataTransformerConfig(id_val="organize", options=organise))
    )
    if link is not None:
        column, heading, url = link
        target = {"title": heading, "url": url, "targetBlank": True}
        panel = panel.override_by_name(column, [DynamicConfigValue("links", [target])])
    legends = [(query, "") for query in queries]
    for target_query in _targets(legends, instant=True):
        panel = panel.with_target(target_query.format(PromQueryFormat.TABLE))
    return panel


def view(uid: str, title: str, text: str, *panels: Panel) -> dict[str, Any]:
    """A dashboard with the variables and links that all of them share, as JSON."""
    namespace, model = "housing_model_suspended", 'housing_model_suspended{namespace=~"$namespace"}'
    made = (
        dashboard.Dashboard(f"Housing models: {title}")
        .uid(f"housing-{uid}")
        .description(text)
        .tags(["housing-operator"])
        .refresh("1m")
        .time("now-24h", "now")
        .timezone("browser")
        .with_variable(
            dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
        )
        .with_variable(_variable("namespace", "Namespace", f"label_values({namespace}, namespace)"))
        .with_variable(_variable("model", "Model", f"label_values({model}, model)"))
        .with_variable(
            dashboard.TextBoxVariable("mlflow").label("MLflow").default_value(MLFLOW_URL)
        )
        .link(
            dashboard.DashboardLink("Housing models")
            .type(DashboardLinkType.DASHBOARDS)
            .tags(["housing-operator"])
            .include_vars(True)
            .keep_time(True)
            .as_dropdown(False)
        )
        .link(
            dashboard.DashboardLink("MLflow")
            .type(DashboardLinkType.LINK)
            .url("${mlflow}/#/models")
            .target_blank(True)
        )
    )
    for number_of_panel, panel in enumerate(panels, start=1):
        made = made.with_panel(panel.id(number_of_panel))
    found: dict[str, Any] = made.build().to_json()
    return found


MLFLOW_URL = "http://localhost:5000"
"""Where docs/install.md forwards MLflow to; the chart puts its value in place of it."""


def _variable(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .query(query)
        .datasource(DATASOURCE)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(VariableOption(text="All", value="$__all"))
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )


def _targets(queries: Any, *, instant: bool) -> list[prometheus.Dataquery]:
    targets = []
    for place, (expression, legend) in enumerate(queries):
        query = (
            prometheus.Dataquery()
            .expr(expression)
            .legend_format(legend)
            .ref_id(chr(ord("A") + place))
            .datasource(DATASOURCE)
        )
        targets.append(query.instant() if instant else query.range())
    return targets


def _mapping(words: dict[int, tuple[str, str]]) -> ValueMap:
    return ValueMap(
        options={
            str(value): ValueMappingResult(text=word, color=colour, index=place)
            for place, (value, (word, colour)) in enumerate(words.items())
        }
    )
