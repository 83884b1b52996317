"""The ids of the request that is being answered, on every line that is logged meanwhile."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestIds:
    """What finds the lines of one request."""

    request_id: str
    trace_id: str


current_request: ContextVar[RequestIds | None] = ContextVar("current_request", default=None)


class RequestFields(logging.Filter):
    """Gives each record the fields `request_id` and `trace_id` while a request is answered."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the fields; every record passes."""
        ids = current_request.get()
        if ids is not None:
            record.__dict__.setdefault("request_id", ids.request_id)
            record.__dict__.setdefault("trace_id", ids.trace_id)
        return True


def add_request_fields() -> None:
    """Let the handlers that `housing_core.logs.configure` has set add the ids."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(RequestFields())
