"""The tracer as the contract suite looks at it: with its finished spans in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from orchestrix.infrastructure.observability.jaeger._config import TracingConfig
from orchestrix.infrastructure.observability.jaeger._instrumentation import JaegerInstrumentation
from orchestrix_core import StorageError

__all__ = ["ObservedInstrumentation"]


@attrs.frozen(kw_only=True)
class SeenSpan:
    """A finished span; the attributes are those of the suite's `FinishedSpan`."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str | None
    kind: str
    attributes: Mapping[str, Any]
    links: Sequence[tuple[str, str]]
    events: Sequence[str]
    exceptions: Sequence[str]
    failed: bool


class ObservedInstrumentation(JaegerInstrumentation):
    """Sends its spans nowhere, and can show them."""

    def __init__(self, config: TracingConfig) -> None:
        self._memory = InMemorySpanExporter()
        super().__init__(config, exporter=self._memory)

    def finished_spans(self) -> list[SeenSpan]:
        """Return each finished span, in the order in which they ended."""
        if not self.tracer.flush():
            raise StorageError("the spans could not be flushed into memory")
        return [_seen(span) for span in self._memory.get_finished_spans()]


def _seen(span: ReadableSpan) -> SeenSpan:
    context: Any = span.get_span_context()  # a span that has ended has one
    parent = span.parent
    return SeenSpan(
        name=span.name,
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
        parent_id=f"{parent.span_id:016x}" if parent is not None else None,
        kind=span.kind.name.lower(),
        attributes=span.attributes or {},
        links=[(f"{to.context.trace_id:032x}", f"{to.context.span_id:016x}") for to in span.links],
        events=[event.name for event in span.events],
        exceptions=[_exception(event) for event in span.events if event.name == "exception"],
        failed=span.status.status_code.name == "ERROR",
    )


def _exception(event: Any) -> str:
    return str(event.attributes["exception.type"]).rpartition(".")[2]
