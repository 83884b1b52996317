"""OpenTelemetry spans, for those who ask for them by `OTEL_EXPORTER_OTLP_ENDPOINT`.

Its SDK and exporter are not imported otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from housing_serving.http.trace_context import SAMPLED, TraceContext

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

ENDPOINT_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PROTOCOL_VARIABLES = ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
PROTOCOL = "http/protobuf"

SERVICE_NAME = "housing-serving"
"""Where `OTEL_SERVICE_NAME` gives no other."""


class TracingError(Exception):
    """The environment asks for an export that there is not."""


class Tracing:
    """A span for each request, exported in the background by OTLP over HTTP."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer: Tracer = provider.get_tracer("housing_serving")

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str], attributes: Mapping[str, str]
    ) -> Tracing | None:
        """What the environment asks for, by OpenTelemetry's own variables; None when it does not.

        Args:
            environment: of the process.
            attributes: of every span's resource.

        Raises:
            TracingError: when it asks for another protocol than HTTP with protobuf.

        """
        if not any(environment.get(name) for name in ENDPOINT_VARIABLES):
            return None
        for name in PROTOCOL_VARIABLES:
            if environment.get(name, PROTOCOL) != PROTOCOL:
                raise TracingError(f"{name} is {environment[name]!r}: only {PROTOCOL} is exported")
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - see the module's text
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        name = environment.get("OTEL_SERVICE_NAME", SERVICE_NAME)
        resource = Resource.create({"service.name": name, **attributes})
        provider = TracerProvider(resource=resource)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        return cls(provider)

    def begin(self, trace: TraceContext, method: str) -> tuple[TraceContext, Span]:
        """Begin the span of a request; the context then names that span."""
        from opentelemetry import trace as api  # noqa: PLC0415 - loaded before

        context = None
        if trace.parent_id is not None:
            parent = api.SpanContext(
                int(trace.trace_id, 16),
                int(trace.parent_id, 16),
                is_remote=True,
                trace_flags=api.TraceFlags(trace.flags),
                trace_state=api.TraceState.from_header([trace.state]),
            )
            context = api.set_span_in_context(api.NonRecordingSpan(parent))
        span = self._tracer.start_span(
            method,
            # Without a parent, an empty context: a span of another task must not become one.
            context or api.set_span_in_context(api.INVALID_SPAN),
            kind=api.SpanKind.SERVER,
            attributes={"http.request.method": method},
        )
        made = span.get_span_context()
        flags = SAMPLED if made.trace_flags.sampled else 0
        own = TraceContext(
            f"{made.trace_id:032x}",
            f"{made.span_id:016x}",
            trace.parent_id,
            flags,
            made.trace_state.to_header(),
        )
        return own, span

    @staticmethod
    def end(span: Span, *, method: str, route: str | None, status: int, request_id: str) -> None:
        """End the span of a request, by OpenTelemetry's conventions for HTTP servers."""
        from opentelemetry.trace import StatusCode  # noqa: PLC0415 - loaded before

        attributes: dict[str, Any] = {
            "http.response.status_code": status,
            "housing.request_id": request_id,
        }
        if route is not None:
            span.update_name(f"{method} {route}")
            attributes["http.route"] = route
        span.set_attributes(attributes)
        if status >= 500:
            span.set_status(StatusCode.ERROR)
        span.end()

    def close(self) -> None:
        """Export what is left; takes as long as the exporter's own time limit at most."""
        self._provider.shutdown()
