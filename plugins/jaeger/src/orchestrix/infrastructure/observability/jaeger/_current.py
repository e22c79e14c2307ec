"""The tracer of this process: the one that was made last and is still open."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Unpack

from opentelemetry.sdk.trace.export import SpanExporter

from orchestrix.infrastructure.observability.jaeger._config import Settings, TracingConfig
from orchestrix.infrastructure.observability.jaeger._tracer import JaegerTracer
from orchestrix_core import OrchestrixError

__all__ = ["get_tracer", "init_tracing", "make_current", "use_tracer"]

_lock = threading.Lock()
_tracers: list[JaegerTracer] = []  # the last is current


def init_tracing(
    service_name: str | None = None,
    *,
    config: TracingConfig | None = None,
    exporter: SpanExporter | None = None,
    **settings: Unpack[Settings],
) -> JaegerTracer:
    """
    Make a tracer and let `get_tracer` return it until it is closed.

    Either `config`, or its settings by name. OpenTelemetry's global provider stays as it is: give
    it `tracer.provider` if other libraries' spans shall go the same way.

    Raises:
        TypeError: both forms at once, neither, or a setting that there is not.
        ValueError: a setting makes no sense; the text names it.
        OrchestrixError: the extra that the settings need is not installed.
    """
    if config is None:
        if service_name is None:
            msg = "init_tracing() needs service_name=..., or config=TracingConfig(...)"
            raise TypeError(msg)
        config = TracingConfig(service_name, **settings)
    elif service_name is not None or settings:
        given = ", ".join([*(["service_name"] if service_name is not None else []), *settings])
        msg = f"give either config or settings by name, not both: {given}"
        raise TypeError(msg)
    tracer = JaegerTracer(config, exporter=exporter)
    make_current(tracer)
    return tracer


def make_current(tracer: JaegerTracer) -> None:
    """Let `get_tracer` return this tracer until it is closed."""
    with _lock:
        _tracers[:] = [*_open_ones(), tracer]


def get_tracer() -> JaegerTracer:
    """
    Return the tracer that was made last, by `init_tracing` or an application, and is still open.

    Raises:
        OrchestrixError: there is none.
    """
    if found := _open_ones():
        return found[-1]
    msg = 'no tracer is open: call init_tracing(service_name="...") first'
    raise OrchestrixError(msg)


@contextmanager
def use_tracer(tracer: JaegerTracer) -> Iterator[JaegerTracer]:
    """Let `get_tracer` return this tracer inside the block, and afterwards what it did before."""
    with _lock:
        before = list(_tracers)
    make_current(tracer)
    try:
        yield tracer
    finally:
        with _lock:
            _tracers[:] = before


def _open_ones() -> list[JaegerTracer]:
    return [tracer for tracer in tuple(_tracers) if not tracer.closed]
