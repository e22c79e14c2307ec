"""One span around a block: whose child it is, what it links to, and what is made inside of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from typing import Final

import attrs
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    INVALID_SPAN,
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
_aloof: ContextVar[SpanContext | None] = ContextVar("orchestrix_jaeger_aloof", default=None)
"""The active span, where it adopts no message of another trace."""


@contextmanager
def around(
    tracer: Tracer,
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Attributes = None,
    traceparent: str | None = None,
    adopts: bool = True,
) -> Iterator[Span]:
    """
    Run a block inside a new span.

    It is a child of the active span. Without one it goes on from the span that the message brought
    with it: `traceparent`, or that of the message being handled. With `traceparent` it also links
    to that span, which made the message.

    `adopts=False` is for a transaction. It may handle messages of many traces: each goes on in its
    own, and links to the transaction.
    """
    place = _place(_remote(traceparent), adopts)
    span = tracer.start_span(
        name, context=place.parent, kind=kind, attributes=attributes, links=place.links
    )
    with (
        use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False),
        _inside(span.get_span_context(), place),
    ):
        try:
            yield span
        except BaseException as exc:
            _record(span, exc)
            raise


@contextmanager
def _inside(context: SpanContext, place: _Place) -> Iterator[None]:
    """Let messages made inside carry the span, and spans inside know whether it adopts them."""
    # Invalid is the context where OpenTelemetry is switched off. In a transaction that begins a
    # trace, each message that is handled has its own to hand on.
    silent = not context.is_valid or (place.begins and not place.adopts)
    active: AbstractContextManager[None] = (
        nullcontext() if silent else use_trace(*_identity(context))
    )
    active.__enter__()
    token = _aloof.set(None if place.adopts else context)
    try:
        yield
    finally:
        # An async generator that is given up ends in the context of who closes it: there is
        # nothing to restore in that one.
        with suppress(ValueError):
            _aloof.reset(token)
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


@attrs.frozen
class _Place:
    """
    Where a new span belongs.

    Attributes:
        parent: None for the active span, or for none at all; else the context of one elsewhere.
        links: the spans it refers to.
        begins: whether it begins a trace.
        adopts: whether it is a parent to messages of other traces.
    """

    parent: Context | None
    links: list[Link]
    begins: bool
    adopts: bool


def _place(producer: SpanContext | None, adopts: bool) -> _Place:
    active = get_current_span()
    here = active.get_span_context()
    links = [Link(producer)] if producer is not None else []
    if here.is_valid and here == _aloof.get():
        brought = producer or _remote(current_traceparent())
        if brought is not None and brought.trace_id != here.trace_id:
            return _Place(_under(brought), [*links, Link(here)], begins=False, adopts=adopts)
    # A task in the background keeps the span in which it was started, long after it has ended.
    over = isinstance(active, ReadableSpan) and active.end_time is not None
    if here.is_valid and not (over and (producer is not None or not adopts)):
        return _Place(None, links, begins=False, adopts=adopts)
    elsewhere = producer or (None if over else _remote(current_traceparent()))
    return _Place(_under(elsewhere), links, begins=elsewhere is None, adopts=adopts)


def _under(span: SpanContext | None) -> Context:
    """Return a context in which `span`, or no span at all, is the active one."""
    return set_span_in_context(INVALID_SPAN if span is None else NonRecordingSpan(span))


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
