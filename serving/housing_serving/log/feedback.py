"""True prices → Arrow tables beside the prediction log, and what is counted of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from prometheus_client import CollectorRegistry, Counter, Gauge

from housing_core import prediction_log


@dataclass(frozen=True, slots=True)
class Price:
    """The true price of one predicted listing; `row` is its position in its request."""

    request_id: str
    row: int
    price: float


@dataclass(frozen=True, slots=True)
class FeedbackEntry:
    """The prices of one request, as the log takes them.

    Attributes:
        time: when they came in, UTC.
        size: bytes of the request's body.

    """

    time: datetime
    rows: Sequence[Price]
    size: int

    @property
    def row_count(self) -> int:
        """How many prices there are."""
        return len(self.rows)


class FeedbackMetrics:
    """What the feedback's log counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.log_rows = Counter(
            "housing_feedback_rows_total",
            "Prices written to the feedback beside the prediction log.",
            registry=registry,
        )
        self.log_dropped_rows = Counter(
            "housing_feedback_dropped_rows_total",
            "Prices that were refused or lost, by reason.",
            ["reason"],
            registry=registry,
        )
        self.log_failed_writes = Counter(
            "housing_feedback_failed_writes_total",
            "Attempts to write the feedback that failed; its prices wait for the next.",
            registry=registry,
        )
        self.log_backlog_rows = Gauge(
            "housing_feedback_backlog_rows",
            "Prices that wait to be written.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.log_backlog_rows.set(0)


def feedback_tables(
    model_name: str, entries: Sequence[FeedbackEntry]
) -> list[tuple[str, pa.Table]]:
    """Entries → (folder below the log's URI, table), one for each hour."""
    groups: dict[str, list[FeedbackEntry]] = {}
    for entry in entries:
        folder = prediction_log.partition("feedback", model_name, entry.time)
        groups.setdefault(folder, []).append(entry)
    return [(folder, _table(group)) for folder, group in groups.items()]


def _table(entries: Sequence[FeedbackEntry]) -> pa.Table:
    rows = [(entry.time, price) for entry in entries for price in entry.rows]
    return pa.table(
        {
            prediction_log.REQUEST_ID: [price.request_id for _, price in rows],
            prediction_log.ROW: [price.row for _, price in rows],
            prediction_log.TIME: [time for time, _ in rows],
            prediction_log.PRICE: [price.price for _, price in rows],
        },
        schema=prediction_log.feedback_schema(),
    )
