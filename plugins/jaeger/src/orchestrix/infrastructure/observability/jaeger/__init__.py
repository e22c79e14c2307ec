"""
Traces of an application, by OpenTelemetry, to a Jaeger agent or any receiver of OTLP.

`init_tracing(service_name="shop")` gives a tracer whose spans are made by hand; an application
that chooses `tracing.use = "jaeger"` is traced without a line of its own.
"""

from orchestrix.infrastructure.observability.jaeger._config import JaegerConfig, TracingConfig
from orchestrix.infrastructure.observability.jaeger._current import (
    get_tracer,
    init_tracing,
    use_tracer,
)
from orchestrix.infrastructure.observability.jaeger._instrumentation import JaegerInstrumentation
from orchestrix.infrastructure.observability.jaeger._tracer import JaegerTracer

__all__ = [
    "JaegerConfig",
    "JaegerInstrumentation",
    "JaegerTracer",
    "TracingConfig",
    "get_tracer",
    "init_tracing",
    "use_tracer",
]
