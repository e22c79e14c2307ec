"""
Spans in Jaeger's Thrift form, by the last release of OpenTelemetry's exporter for it.

That release imports names which the SDK has since dropped. They are lent to the SDK for the time
of this import and taken back. Of the exporter only the generated types and the translation of
spans are used: it cannot send what is too large for one datagram, and its own class is deprecated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final

from opentelemetry.sdk import environment_variables
from opentelemetry.sdk.trace import ReadableSpan
from thrift.protocol.TCompactProtocol import TCompactProtocolAccelerated
from thrift.Thrift import TMessageType, TType
from thrift.transport.TTransport import TMemoryBuffer

__all__ = ["encode"]

_EXPORTER: Final = "opentelemetry.exporter.jaeger.thrift"
_DROPPED: Final = (
    "OTEL_EXPORTER_JAEGER_AGENT_HOST",
    "OTEL_EXPORTER_JAEGER_AGENT_PORT",
    "OTEL_EXPORTER_JAEGER_AGENT_SPLIT_OVERSIZED_BATCHES",
    "OTEL_EXPORTER_JAEGER_ENDPOINT",
    "OTEL_EXPORTER_JAEGER_PASSWORD",
    "OTEL_EXPORTER_JAEGER_TIMEOUT",
    "OTEL_EXPORTER_JAEGER_USER",
)


@contextmanager
def _dropped_names_lent() -> Iterator[None]:
    module = vars(environment_variables)
    lent = [name for name in _DROPPED if name not in module]
    module.update({name: name for name in lent})
    try:
        yield
    finally:
        for name in lent:
            del module[name]


with _dropped_names_lent():
    # By name: nothing of it is typed, so a type checker has no use for the imports.
    _agent: Any = import_module(f"{_EXPORTER}.gen.agent.Agent")
    _types: Any = import_module(f"{_EXPORTER}.gen.jaeger.ttypes")
    _translate: Any = import_module(f"{_EXPORTER}.translate")


def _spec(struct: Any) -> tuple[Any, ...]:
    """
    Return the fields of a generated class as Thrift's C encoder wants them today.

    The classes were generated when a nested struct was described by a tuple; now it is a list.
    The C encoder makes the same bytes as the Python one, four times as fast.
    """
    return tuple(
        row and (*row[:3], _arguments(row[1], row[3]), row[4]) for row in struct.thrift_spec
    )


def _arguments(kind: int, arguments: Any) -> Any:
    if kind == TType.STRUCT:
        return [arguments[0], _spec(arguments[0])]
    if kind in (TType.LIST, TType.SET):
        return (arguments[0], _arguments(arguments[0], arguments[1]), False)
    return arguments


_CALL: Final = _agent.emitBatch_args
_CALL_SPEC: Final = [_CALL, _spec(_CALL)]


def encode(
    service_name: str, spans: Sequence[ReadableSpan], longest_text: int | None = None
) -> bytes:
    """
    Return the call `emitBatch` of Jaeger's agent, in Thrift's compact protocol.

    `longest_text` cuts every text attribute to so many characters.
    """
    translator = _translate.ThriftTranslator(longest_text)
    batch = _types.Batch(
        process=_types.Process(serviceName=service_name),
        spans=_translate.Translate(spans)._translate(translator),
    )
    memory = TMemoryBuffer()
    protocol = TCompactProtocolAccelerated(memory, fallback=True)
    protocol.writeMessageBegin("emitBatch", TMessageType.ONEWAY, 0)
    if protocol._fast_encode is None:  # an installation of Thrift without its C part
        _CALL(batch=batch).write(protocol)
    else:
        memory.write(protocol._fast_encode(_CALL(batch=batch), _CALL_SPEC))
    protocol.writeMessageEnd()
    return bytes(memory.getvalue())
