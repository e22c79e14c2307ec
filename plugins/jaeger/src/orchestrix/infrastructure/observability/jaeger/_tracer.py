"""The tracer: spans by hand, and the provider of OpenTelemetry that they go through."""

from __future__ import annotations

import atexit
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from importlib.metadata import version
from types import TracebackType
from typing import Final, Self

from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, get_current_span
from opentelemetry.util.types import AttributeValue

from orchestrix.infrastructure.observability.jaeger import _conventions as conventions
from orchestrix.infrastructure.observability.jaeger._agent import AgentExporter
from orchestrix.infrastructure.observability.jaeger._bounded import Prepared, within
from orchestrix.infrastructure.observability.jaeger._config import TracingConfig
from orchestrix.infrastructure.observability.jaeger._conventions import Described
from orchestrix.infrastructure.observability.jaeger._guarded import GuardedExporter
from orchestrix.infrastructure.observability.jaeger._otlp import otlp_exporter
from orchestrix.infrastructure.observability.jaeger._samplers import sampler
from orchestrix.infrastructure.observability.jaeger._spans import TraceIds, active_trace_id, around

__all__ = ["JaegerTracer"]

SCOPE: Final = "orchestrix.infrastructure.observability.jaeger"


class JaegerTracer:
    """
    Makes spans, and sends those that are finished in the background.

    The spans of all tracers of a process nest in each other, whatever service each belongs to. A
    span never waits for the network: what finds the queue full is dropped. Close the tracer to
    send the last spans; at the normal end of the process it closes itself.
    """

    def __init__(self, config: TracingConfig, *, exporter: SpanExporter | None = None) -> None:
        """
        Begin to send.

        Args:
            config: what to call the service, what to keep and where to send it.
            exporter: takes the finished spans instead of what `config` names, in tests say.

        Raises:
            OrchestrixError: the extra that `config` needs is not installed.
        """
        self.config = config
        self.exporter = _exporter(config) if exporter is None else exporter
        self.provider = TracerProvider(
            sampler=sampler(config),
            resource=Resource.create({SERVICE_NAME: config.service_name}),
            id_generator=TraceIds(),
            shutdown_on_exit=False,  # its own would wait for half a minute
        )
        self.provider.add_span_processor(
            BatchSpanProcessor(
                GuardedExporter(self.exporter),
                max_queue_size=config.max_queue_size,
                max_export_batch_size=config.max_batch_size,
                schedule_delay_millis=config.schedule_delay * 1_000,
            )
        )
        self.tracer = self.provider.get_tracer(SCOPE, version("orchestrix-jaeger"))
        self._shut_down = Prepared(self.provider.shutdown)
        self._closing = threading.Lock()
        self._closed = False
        atexit.register(self.close)

    def span(
        self, operation_name: str, attributes: Mapping[str, AttributeValue] | None = None
    ) -> AbstractContextManager[Span]:
        """Return a context manager: its block runs inside a new span of this name."""
        return around(self.tracer, operation_name, attributes=attributes)

    def span_event(
        self, event_type: str, event_id: str, aggregate_id: str
    ) -> AbstractContextManager[Span]:
        """Return a context manager: its block processes an event."""
        return self.described(conventions.event(event_type, event_id, aggregate_id))

    def span_command(self, command_type: str, aggregate_id: str) -> AbstractContextManager[Span]:
        """Return a context manager: its block handles a command."""
        return self.described(conventions.command(command_type, aggregate_id))

    def span_saga(self, saga_type: str, saga_id: str) -> AbstractContextManager[Span]:
        """Return a context manager: its block carries a saga on."""
        return self.described(conventions.saga(saga_type, saga_id))

    def async_span(
        self, operation_name: str, attributes: Mapping[str, AttributeValue] | None = None
    ) -> AbstractAsyncContextManager[Span]:
        """Return what `span` does, for `async with`."""
        return _asynchronous(self.span(operation_name, attributes))

    def async_span_event(
        self, event_type: str, event_id: str, aggregate_id: str
    ) -> AbstractAsyncContextManager[Span]:
        """Return what `span_event` does, for `async with`."""
        return _asynchronous(self.span_event(event_type, event_id, aggregate_id))

    def async_span_command(
        self, command_type: str, aggregate_id: str
    ) -> AbstractAsyncContextManager[Span]:
        """Return what `span_command` does, for `async with`."""
        return _asynchronous(self.span_command(command_type, aggregate_id))

    def async_span_saga(self, saga_type: str, saga_id: str) -> AbstractAsyncContextManager[Span]:
        """Return what `span_saga` does, for `async with`."""
        return _asynchronous(self.span_saga(saga_type, saga_id))

    def described(
        self, what: Described, traceparent: str | None = None
    ) -> AbstractContextManager[Span]:
        """Return a context manager for a span by the conventions; see `_spans.around`."""
        return around(
            self.tracer,
            what.name,
            kind=what.kind,
            attributes=what.attributes,
            traceparent=traceparent,
            adopts=what.adopts,
        )

    def get_trace_id(self) -> str | None:
        """Return the trace of the active span as 32 hex digits; None outside of every span."""
        return active_trace_id()

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        """Let the active span tell `value`; outside of every span nothing happens."""
        get_current_span().set_attribute(key, value)

    def add_event(self, name: str, attributes: Mapping[str, AttributeValue] | None = None) -> None:
        """Note on the active span that something happened now; outside of every span nothing."""
        get_current_span().add_event(name, attributes)

    @property
    def closed(self) -> bool:
        """Whether it has been closed: its spans are not sent any more."""
        return self._closed

    def flush(self, timeout: float = 30.0) -> bool:
        """Send what is finished now; False when it took longer than `timeout` seconds."""
        return within(timeout, self.provider.force_flush)

    def close(self) -> None:
        """Send the last spans, for `shutdown_timeout` seconds at most; repeat it as you like."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._shut_down.within(self.config.shutdown_timeout)
        atexit.unregister(self.close)

    shutdown = close

    def __enter__(self) -> Self:
        """Return the tracer, which is closed in the end."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()


def _exporter(config: TracingConfig) -> SpanExporter:
    if config.transport == "otlp":
        return otlp_exporter(config)
    return AgentExporter(
        config.service_name,
        config.jaeger_agent_host,
        config.jaeger_agent_port,
        max_packet_size=config.max_packet_size,
    )


@asynccontextmanager
async def _asynchronous(span: AbstractContextManager[Span]) -> AsyncIterator[Span]:
    with span as started:
        yield started
