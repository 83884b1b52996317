"""docs/reference/metrics.md lists what the operator exposes, with its labels and meaning."""

from __future__ import annotations

import re
from collections.abc import Iterator

from prometheus_client.metrics import MetricWrapperBase

from housing_operator.metrics import reconciliation
from housing_operator.metrics.gauges import GAUGES
from housing_operator.metrics.models import COUNTERS
from tests.cluster_client import ROOT

REFERENCE = ROOT / "docs" / "reference" / "metrics.md"


def row(name: str, kind: str, labels: tuple[str, ...], text: str) -> str:
    shown = ", ".join(f"`{label}`" for label in labels)
    return re.sub(" +", " ", f"| `{name}` | {kind} | {shown} | {text} |")


def exposed() -> Iterator[str]:
    for name, (text, labels) in GAUGES.items():
        yield row(name, "gauge", labels, text)
    for name, (text, labels) in COUNTERS.items():
        yield row(f"{name}_total", "counter", labels, text)
    for metric in vars(reconciliation).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            yield row(name, family.type, tuple(metric._labelnames), family.documentation)


def test_the_reference_lists_exactly_what_the_operator_exposes() -> None:
    _, _, section = REFERENCE.read_text().partition("\n## The operator\n")
    section, _, _ = section.partition("\n## ")
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert rows == list(exposed())
