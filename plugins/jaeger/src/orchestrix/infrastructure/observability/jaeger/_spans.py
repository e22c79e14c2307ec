"""One span around a block: whose child it is, what it links to, and what is made inside of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    Tracer,
    format_span_id,
    format_trace_id,
    get_current_span,
    set_span_in_context,
    use_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

from orchestrix_core.context import current_trace_id, current_traceparent, use_trace

__all__ = ["TraceIds", "active_trace_id", "around"]

_PROPAGATOR: Final = TraceContextTextMapPropagator()
_HEX: Final = frozenset("0123456789abcdef")


@contextmanager
def around(
    tracer: Tracer,
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Attributes = None,
    traceparent: str | None = None,
) -> Iterator[Span]:
    """
    Run a block inside a new span.

    It is a child of the active span. Without one it goes on from the span that the message brought
    with it: `traceparent`, or that of the message being handled. With `traceparent` it also links
    to that span, which made the message.
    """
    producer = _remote(traceparent)
    span = tracer.start_span(
        name,
        context=_parent(producer),
        kind=kind,
        attributes=attributes,
        links=[Link(producer)] if producer is not None else None,
    )
    with (
        use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False),
        _carried(span.get_span_context()),
    ):
        try:
            yield span
        except BaseException as exc:
            _record(span, exc)
            raise


@contextmanager
def _carried(context: SpanContext) -> Iterator[None]:
    """Let messages made inside carry the span."""
    if not context.is_valid:  # OpenTelemetry is switched off
        yield
        return
    active = use_trace(*_identity(context))
    active.__enter__()
    try:
        yield
    finally:
        # An async generator that is given up ends in the context of who closes it: there is
        # nothing to restore in that one.
        with suppress(ValueError):
            active.__exit__(None, None, None)


def active_trace_id() -> str | None:
    """Return the trace of the active span as 32 hex digits; None outside of every span."""
    context = get_current_span().get_span_context()
    return format_trace_id(context.trace_id) if context.is_valid else None


class TraceIds(RandomIdGenerator):
    """
    A span that begins a trace takes the core's active trace id, where there is one.

    So what `use_trace` or a stored message without `traceparent` calls a trace is one here too.
    """

    def generate_trace_id(self) -> int:
        """Return the active trace id, or a new one."""
        active = current_trace_id()
        if active is not None and len(active) == 32 and _HEX.issuperset(active) and int(active, 16):
            return int(active, 16)
        return super().generate_trace_id()


def _parent(producer: SpanContext | None) -> Context | None:
    """Return None for the active span, or else the context of a span elsewhere."""
    active = get_current_span()
    # A task in the background keeps the span in which it was started, long after it has ended.
    left_over = isinstance(active, ReadableSpan) and active.end_time is not None
    if active.get_span_context().is_valid and not (left_over and producer is not None):
        return None
    remote = producer or _remote(current_traceparent())
    return None if remote is None else set_span_in_context(NonRecordingSpan(remote))


def _remote(traceparent: str | None) -> SpanContext | None:
    if traceparent is None:
        return None
    found = get_current_span(_PROPAGATOR.extract({"traceparent": traceparent}, Context()))
    return found.get_span_context() if found.get_span_context().is_valid else None


def _identity(context: SpanContext) -> tuple[str, str]:
    trace_id = format_trace_id(context.trace_id)
    flags = f"{context.trace_flags:02x}"
    return trace_id, f"00-{trace_id}-{format_span_id(context.span_id)}-{flags}"


def _record(span: Span, exc: BaseException) -> None:
    """A cancelled or interrupted operation has not failed: only its end is noted."""
    if isinstance(exc, GeneratorExit):  # the usual end of a generator that is given up
        return
    with suppress(Exception):  # an exception whose text cannot be made must not be replaced
        span.record_exception(exc)
    if isinstance(exc, Exception):
        with suppress(Exception):
            span.set_status(StatusCode.ERROR, f"{type(exc).__name__}: {exc}")
