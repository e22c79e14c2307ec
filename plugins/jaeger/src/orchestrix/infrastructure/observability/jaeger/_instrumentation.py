"""The tracer as the core's instrumentation: a span around every operation of an application."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from opentelemetry.sdk.trace.export import SpanExporter

from orchestrix.infrastructure.observability.jaeger._config import TracingConfig
from orchestrix.infrastructure.observability.jaeger._conventions import describe
from orchestrix.infrastructure.observability.jaeger._current import make_current
from orchestrix.infrastructure.observability.jaeger._tracer import JaegerTracer
from orchestrix_core.instrumentation import Gauge, Operation

__all__ = ["JaegerInstrumentation"]


class JaegerInstrumentation:
    """
    Traces an application; the application opens it first and closes it last.

    Attributes:
        tracer: makes the spans; `get_tracer` returns it while the application runs.
    """

    def __init__(self, config: TracingConfig, *, exporter: SpanExporter | None = None) -> None:
        self._make: Callable[[], JaegerTracer] = partial(JaegerTracer, config, exporter=exporter)
        self.tracer = self._make()

    def initialize(self) -> None:
        """Let `get_tracer` return the tracer; an application that runs again gets a new one."""
        if self.tracer.closed:
            self.tracer = self._make()
        make_current(self.tracer)

    async def close(self) -> None:
        """Send the last spans, without holding up the event loop."""
        await asyncio.to_thread(self.tracer.close)

    def operation(
        self, name: Operation, attributes: Mapping[str, str]
    ) -> AbstractContextManager[Any]:
        """Return a context manager for the span of an operation."""
        return self.tracer.described(describe(name, attributes), attributes.get("traceparent"))

    def record(self, name: Gauge, value: float, attributes: Mapping[str, str]) -> None:
        """Note a gauge on the active span: a trace has no place for it but the spans."""
        self.tracer.set_attribute(f"orchestrix.{name}", value)
