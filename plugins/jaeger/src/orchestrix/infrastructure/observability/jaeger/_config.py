"""The settings of a tracer, checked once for code and for the configuration file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, TypeAlias, TypedDict

__all__ = ["JaegerConfig", "Protocol", "Settings", "TracingConfig", "Transport"]

Transport: TypeAlias = Literal["agent", "otlp"]
Protocol: TypeAlias = Literal["http", "grpc"]

SMALLEST_PACKET: Final = 1_000
LARGEST_PACKET: Final = 65_000
"""Bytes that a datagram may have; the agent's own limit."""


@dataclass(frozen=True)
class TracingConfig:
    """
    What a tracer needs to know.

    Attributes:
        service_name: what Jaeger lists the traces under.
        jaeger_agent_host: the host of the agent, for `transport="agent"`.
        jaeger_agent_port: its UDP port for Thrift's compact protocol.
        jaeger_sampler_type: "const", "probabilistic" or "ratelimiting"; asked when a trace begins,
            what belongs to a trace follows it.
        jaeger_sampler_param: 1 or 0 (all or none) for const, a share from 0 to 1 for
            probabilistic, traces a second for ratelimiting.
        transport: "agent" is Thrift over UDP; "otlp" needs `orchestrix-jaeger[otlp]`.
        otlp_endpoint: the URL of an OTLP receiver; the usual port on this machine unless given
            here or by OpenTelemetry's own environment variables.
        otlp_protocol: "http" (protobuf) or "grpc".
        max_packet_size: bytes of the largest datagram; some systems allow fewer.
        max_queue_size: finished spans that wait to be sent; more than these are dropped.
        max_batch_size: spans that are sent together.
        schedule_delay: seconds that a finished span waits for others.
        shutdown_timeout: seconds that closing waits for the last spans to be sent.
    """

    service_name: str
    jaeger_agent_host: str = "localhost"
    jaeger_agent_port: int = 6831
    jaeger_sampler_type: str = "const"
    jaeger_sampler_param: float = 1.0
    transport: Transport = field(default="agent", kw_only=True)
    otlp_endpoint: str | None = field(default=None, kw_only=True)
    otlp_protocol: Protocol = field(default="http", kw_only=True)
    max_packet_size: int = field(default=LARGEST_PACKET, kw_only=True)
    max_queue_size: int = field(default=2_048, kw_only=True)
    max_batch_size: int = field(default=512, kw_only=True)
    schedule_delay: float = field(default=1.0, kw_only=True)
    shutdown_timeout: float = field(default=5.0, kw_only=True)

    def __post_init__(self) -> None:
        """Refuse settings that make no sense; the text names the setting."""
        for name in (item.name for item in fields(self)):
            _CHECKS[name](name, getattr(self, name))
        allowed, described = _SAMPLER_PARAMETERS[self.jaeger_sampler_type]
        if not allowed(self.jaeger_sampler_param):
            what = f"{described} for {self.jaeger_sampler_type!r}"
            raise _wrong("jaeger_sampler_param", what, self.jaeger_sampler_param)
        if self.max_batch_size > self.max_queue_size:
            what = f"at most max_queue_size ({self.max_queue_size})"
            raise _wrong("max_batch_size", what, self.max_batch_size)
        if self.otlp_endpoint is not None and self.transport != "otlp":
            msg = 'otlp_endpoint is given, but transport is "agent": set transport = "otlp"'
            raise ValueError(msg)


class Settings(TypedDict, total=False):
    """The fields of `TracingConfig` but the name of the service, as keywords of a call."""

    jaeger_agent_host: str
    jaeger_agent_port: int
    jaeger_sampler_type: str
    jaeger_sampler_param: float
    transport: Transport
    otlp_endpoint: str | None
    otlp_protocol: Protocol
    max_packet_size: int
    max_queue_size: int
    max_batch_size: int
    schedule_delay: float
    shutdown_timeout: float


def _wrong(name: str, what: str, value: Any) -> ValueError:
    return ValueError(f"{name} must be {what}, not {value!r}")


def _text(name: str, value: Any) -> None:
    if not isinstance(value, str) or not value.strip():
        raise _wrong(name, "a non-empty string", value)


def _one_of(*choices: str) -> Callable[[str, Any], None]:
    def check(name: str, value: Any) -> None:
        if value not in choices:
            raise _wrong(name, " or ".join(map(repr, choices)), value)

    return check


def _whole(least: int, most: int) -> Callable[[str, Any], None]:
    def check(name: str, value: Any) -> None:
        if type(value) is not int or not least <= value <= most:
            raise _wrong(name, f"a whole number from {least} to {most}", value)

    return check


def _number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(name, "a number", value)


def _seconds(name: str, value: Any) -> None:
    _number(name, value)
    if not 0 < value <= 3_600:
        raise _wrong(name, "a number of seconds above 0 and up to an hour", value)


def _url(name: str, value: Any) -> None:
    if value is None:
        return
    _text(name, value)
    if not value.startswith(("http://", "https://")):
        raise _wrong(name, "a URL that begins with http:// or https://", value)


_CHECKS: Final[Mapping[str, Callable[[str, Any], None]]] = {
    "service_name": _text,
    "jaeger_agent_host": _text,
    "jaeger_agent_port": _whole(1, 65_535),
    "jaeger_sampler_type": _one_of("const", "probabilistic", "ratelimiting"),
    "jaeger_sampler_param": _number,
    "transport": _one_of("agent", "otlp"),
    "otlp_endpoint": _url,
    "otlp_protocol": _one_of("http", "grpc"),
    "max_packet_size": _whole(SMALLEST_PACKET, LARGEST_PACKET),
    "max_queue_size": _whole(1, 1_000_000),
    "max_batch_size": _whole(1, 1_000_000),
    "schedule_delay": _seconds,
    "shutdown_timeout": _seconds,
}

_SAMPLER_PARAMETERS: Final[Mapping[str, tuple[Callable[[float], bool], str]]] = {
    "const": (lambda value: value in (0, 1), "0 or 1"),
    "probabilistic": (lambda value: 0 <= value <= 1, "from 0 to 1"),
    "ratelimiting": (lambda value: 0 < value < float("inf"), "traces a second, above 0,"),
}


def _service_name() -> str:
    return os.environ.get("OTEL_SERVICE_NAME", "").strip() or "orchestrix"


@dataclass(frozen=True)
class JaegerConfig(TracingConfig):
    """
    The table `[orchestrix.tracing.jaeger]`: the same settings, all of them optional.

    Attributes:
        service_name: unless given, that of the variable `OTEL_SERVICE_NAME`, or "orchestrix".
    """

    service_name: str = field(default_factory=_service_name)
