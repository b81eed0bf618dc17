"""Traces: one from the request over start, workflow and activity to its SQL. Off, it costs nothing.

OpenTelemetry's SDK is imported when tracing starts, never before. Settings of OpenTelemetry itself
(`OTEL_TRACES_SAMPLER`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_EXPORTER_OTLP_HEADERS` …) are read by its
SDK. Trace contexts travel in Temporal's headers, so histories replay with tracing and without.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from flowkeep.errors import ConfigurationError
from flowkeep.redaction import redact
from flowkeep.settings import TelemetrySettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import TracerProvider
    from sqlalchemy.ext.asyncio import AsyncEngine
    from temporalio.client import Interceptor

_NAME = "flowkeep"
_UNTRACED = ("/health", "/ready")
"""Paths that probes ask every few seconds."""

_MOST_TEXT = 2000
"""Characters of a statement."""

_provider: "TracerProvider | None" = None


def start_tracing(settings: TelemetrySettings, exporter: "SpanExporter | None" = None) -> None:
    """Make traces from now on, if the settings say where they go.

    Call it before the first client or ledger is opened: those that exist are not traced.

    Args:
        settings: The collector, and the name of the service.
        exporter: Receives spans at once, instead of the collector.

    Raises:
        ConfigurationError: If the packages of the extra `otel` are not installed.
    """
    global _provider
    if _provider is not None or (settings.otel_endpoint is None and exporter is None):
        return
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
        raise ConfigurationError(
            "traces need OpenTelemetry's packages",
            hint="install flowkeep[otel], or unset OTEL_EXPORTER_OTLP_ENDPOINT",
        )
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

    made = TracerProvider(resource=Resource.create({"service.name": settings.otel_service}))
    if exporter is not None:
        made.add_span_processor(SimpleSpanProcessor(exporter))
    else:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        assert settings.otel_endpoint is not None
        place = f"{settings.otel_endpoint.rstrip('/')}/v1/traces"
        made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=place)))
    _provider = made


def stop_tracing() -> None:
    """Send what is left and make no more traces; what is traced already ends with its process."""
    global _provider
    made, _provider = _provider, None
    shutdown = getattr(made, "shutdown", None)
    if shutdown is not None:
        shutdown()


def interceptors() -> "list[Interceptor]":
    """Return what a client of Temporal needs; it serves the client's workers too."""
    if _provider is None:
        return []
    from temporalio.contrib.opentelemetry import TracingInterceptor

    return [TracingInterceptor(tracer=_provider.get_tracer(_NAME))]


def request_telemetry() -> dict[str, Any]:
    """Return what FastAPI is told: begin a trace with each request, or go on with the caller's.

    It traces by itself where OpenTelemetry is set up, with values of requests in its log records;
    so all but the spans of requests is switched off, and all of it where we trace nothing.
    """
    return {
        "tracing": _provider is not None,
        "tracer_provider": _provider,
        "metrics": False,
        "logs": False,
        "operation_spans": False,
        "auto_configure": False,
        "exclude": lambda scope: scope.get("path", "").endswith(_UNTRACED),
    }


def is_tracing() -> bool:
    """Return whether this process makes traces."""
    return _provider is not None


def trace_statements(engine: "AsyncEngine") -> None:
    """Add the SQL of an engine to traces: text with placeholders, never a value.

    What runs by itself in the background belongs to no trace and begins none. OpenTelemetry's own
    instrumentation would add the words of PostgreSQL's errors, which repeat values.
    """
    if _provider is None:
        return
    from opentelemetry import trace
    from sqlalchemy import event

    tracer = _provider.get_tracer(_NAME)
    port = engine.url.port

    def begin(_conn: Any, _cursor: Any, statement: str, _values: Any, context: Any, _: Any) -> None:
        if not trace.get_current_span().get_span_context().is_valid:
            return
        attributes: dict[str, str | int] = {
            "db.system.name": "postgresql",
            "db.namespace": engine.url.database or "",
            "db.query.text": redact(statement)[:_MOST_TEXT],
            "server.address": engine.url.host or "",
            **({"server.port": port} if port else {}),
        }
        name = (statement.split(maxsplit=1) or ["SQL"])[0].upper()
        context.flowkeep_span = tracer.start_span(
            name, kind=trace.SpanKind.CLIENT, attributes=attributes
        )

    def end(_conn: Any, _cursor: Any, _statement: str, _values: Any, context: Any, _: Any) -> None:
        span = getattr(context, "flowkeep_span", None)
        if span is not None:
            span.end()

    def fail(failure: Any) -> None:
        span = getattr(failure.execution_context, "flowkeep_span", None)
        if span is not None:
            state = getattr(failure.original_exception, "sqlstate", None)
            span.set_attribute("db.response.status_code", state or "")
            span.set_status(trace.StatusCode.ERROR)
            span.end()

    event.listen(engine.sync_engine, "before_cursor_execute", begin)
    event.listen(engine.sync_engine, "after_cursor_execute", end)
    event.listen(engine.sync_engine, "handle_error", fail)
