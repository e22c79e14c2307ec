from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from orchestrix.infrastructure.observability.jaeger import JaegerTracer, TracingConfig, use_tracer
from postgres_fixtures import database, postgres

from ._agent import Agent, agent

__all__ = ["database", "postgres"]  # fixtures that all suites share


@pytest.fixture(name="agent")
def _agent() -> Iterator[Agent]:
    with agent() as listening:
        yield listening


@pytest.fixture
def make_tracer() -> Iterator[Callable[..., JaegerTracer]]:
    """Return a function that makes tracers; they are closed when the test ends."""
    with ExitStack() as stack:

        def make(service_name: str = "test", *, exporter: Any = None, **settings: Any) -> Any:
            config = TracingConfig(service_name, **settings)
            return stack.enter_context(JaegerTracer(config, exporter=exporter))

        yield make


@pytest.fixture
def memory() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(
    make_tracer: Callable[..., JaegerTracer], memory: InMemorySpanExporter
) -> Iterator[JaegerTracer]:
    """Return a tracer that keeps its spans in `memory`; `get_tracer` returns it, too."""
    with use_tracer(make_tracer(exporter=memory)) as current:
        yield current
