"""Spans over OTLP, to a Jaeger collector or any other receiver: the extra of this distribution."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from opentelemetry.sdk.trace.export import SpanExporter

from orchestrix.infrastructure.observability.jaeger._config import TracingConfig
from orchestrix_core import OrchestrixError

__all__ = ["otlp_exporter"]


def otlp_exporter(config: TracingConfig) -> SpanExporter:
    """Return OpenTelemetry's exporter for the protocol that `config` asks for."""
    name = f"opentelemetry.exporter.otlp.proto.{config.otlp_protocol}.trace_exporter"
    try:
        exporter: Any = import_module(name).OTLPSpanExporter
    except ImportError as exc:
        msg = (
            f'transport = "otlp" with otlp_protocol = "{config.otlp_protocol}" needs an exporter '
            "that is not installed: pip install 'orchestrix-jaeger[otlp]'"
        )
        raise OrchestrixError(msg) from exc
    made: SpanExporter = exporter(endpoint=_endpoint(config))
    return made


def _endpoint(config: TracingConfig) -> str | None:
    """Return the whole URL: over HTTP the path is the receiver's, unless one is given."""
    given = config.otlp_endpoint
    if given is None or config.otlp_protocol == "grpc":
        return given
    host = given.partition("://")[2]
    return f"{given.rstrip('/')}/v1/traces" if "/" not in host.rstrip("/") else given
