"""Traces: one for each job, from the request through the line to its pictures, sent to an OpenTelemetry collector.

The code that makes spans knows OpenTelemetry's API alone, which does nothing until `Tracing` is made: only that imports
the SDK. Where spans go, and what share of them, the SDK reads from its own OTEL_ variables. Knows nothing of HTTP.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Thread
from types import TracebackType
from typing import Any, Literal

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from contract.errors import SettingsError

_CLOSE_SECONDS = 1.5
_LONGEST_TRACESTATE = 512
"""W3C Trace Context, 3.3.1.5: as much must be handed on; what is longer is dropped as a whole."""
_W3C = TraceContextTextMapPropagator()


class Tracing:
    """Sends this process's spans, in batches, from a thread of its own. At most one in a process."""

    def __init__(self, side: Literal["service", "worker"]) -> None:
        """Raises SettingsError where the SDK is not installed or cannot use its variables."""
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError:
            raise SettingsError("DARKROOM_TRACING: is not installed: pip install 'darkroom[tracing]'") from None
        # Last, so that OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have their way.
        resource = Resource.create({SERVICE_NAME: f"darkroom-{side}"}).merge(OTELResourceDetector().detect())
        try:
            self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
            self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        except ValueError as error:
            raise SettingsError(f"DARKROOM_TRACING: an OTEL_ variable cannot be used: {error}") from None
        trace.set_tracer_provider(self._provider)
        # A collector that is away is worth a line for each batch that is lost, not for each try.
        logging.getLogger("opentelemetry").setLevel(logging.ERROR)

    def close(self) -> None:
        """Sends what is left, for 1.5 s at most: the SDK would wait half a minute for a collector that is silent."""
        closing = Thread(target=self._provider.shutdown, name="tracing-close", daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)


@contextmanager
def span(
    name: str, kind: SpanKind = SpanKind.INTERNAL, parent: Context | None = None, **attributes: AttributeValue
) -> Iterator[Span]:
    """A span for the length of the block, below `parent` or the current one.

    What the block raises is named by its class: its words may hold what a client sent.
    """
    with (
        trace.get_tracer("darkroom").start_as_current_span(
            name, parent, kind, attributes, record_exception=False, set_status_on_exception=False
        ) as opened,
        _ErrorNamed(opened),
    ):
        yield opened


def begin(name: str, kind: SpanKind, parent: Context, **attributes: AttributeValue) -> Span:
    """A span that lasts until its `end()`, on whatever threads `under` has it."""
    return trace.get_tracer("darkroom").start_span(name, parent, kind, attributes)


@contextmanager
def under(opened: Span) -> Iterator[None]:
    """For the length of the block every new span is below that one, which goes on. An error marks it as in `span`."""
    with (
        trace.use_span(opened, record_exception=False, set_status_on_exception=False),
        _ErrorNamed(opened),
    ):
        yield


def fail(opened: Span, error_type: str) -> None:
    """Marks the span as that of something that failed."""
    opened.set_attribute("error.type", error_type)
    opened.set_status(Status(StatusCode.ERROR))


def trace_context() -> dict[str, str]:
    """`traceparent` and `tracestate` of the current span, as W3C Trace Context has them; empty where nobody traces."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    if len(carrier.get("tracestate", "")) > _LONGEST_TRACESTATE:
        del carrier["tracestate"]
    return carrier


def context_from(carrier: Mapping[str, str]) -> Context:
    """What `trace_context` or a client's headers said; what cannot be read begins a trace of its own."""
    return _W3C.extract(carrier, Context())


def trace_id() -> str | None:
    """Of the current span, as 32 hexadecimal digits; None where nobody traces."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else None


class _ErrorNamed:
    """Marks a span as failed by whatever leaves the block."""

    def __init__(self, opened: Span) -> None:
        self._span = opened

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, _error: Any, _traceback: TracebackType | None) -> None:
        if kind is not None:
            fail(self._span, kind.__name__)
