"""Spans to a Jaeger agent: Thrift over UDP, each datagram small enough to be sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from orchestrix.infrastructure.observability.jaeger._datagrams import Datagrams
from orchestrix.infrastructure.observability.jaeger._thrift import encode
from orchestrix.infrastructure.observability.jaeger._warnings import Warnings

__all__ = ["AgentExporter"]

_TEXT_LENGTHS: Final = (16_384, 4_096, 1_024, 256, 64)


class AgentExporter(SpanExporter):
    """
    Sends what is exported, and never raises: an agent is asked for nothing and answers nothing.

    A batch that is too large for one datagram goes out in several. Of a span that is too large
    alone, the texts are cut until it fits; one that still does not fit is dropped. Each of these,
    and an agent that does not listen, gives one warning for the life of the exporter.
    """

    def __init__(
        self, service_name: str, host: str, port: int, *, max_packet_size: int = 65_000
    ) -> None:
        self._service_name = service_name
        self._agent = f"{host}:{port}"
        self._limit = max_packet_size
        self._datagrams = Datagrams(host, port)
        self._warnings = Warnings(__name__)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send `spans`; FAILURE when the agent is known not to have got them."""
        result = SpanExportResult.SUCCESS
        for packet in self._packets(spans):
            try:
                self._datagrams.send(packet)
            except OSError as exc:
                text = "no Jaeger agent at %s: spans are lost until one listens there (%s)"
                self._warnings.once(text, self._agent, exc)
                result = SpanExportResult.FAILURE
        return result

    def shutdown(self) -> None:
        """Close the socket."""
        self._datagrams.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing waits here: what was exported has been sent."""
        return True

    def _packets(self, spans: Sequence[ReadableSpan]) -> Iterator[bytes]:
        packet = self._fitting(spans)
        if packet is not None:
            yield packet
        elif len(spans) > 1:
            middle = len(spans) // 2
            yield from self._packets(spans[:middle])
            yield from self._packets(spans[middle:])
        elif spans:
            yield from self._cut(spans[0])

    def _cut(self, span: ReadableSpan) -> Iterator[bytes]:
        for length in _TEXT_LENGTHS:
            packet = self._fitting([span], length)
            if packet is not None:
                text = "the span %r is too large for a datagram: its texts are cut to %d characters"
                self._warnings.once(text, span.name, length)
                yield packet
                return
        self._warnings.once("the span %r cannot be sent to a Jaeger agent: dropped", span.name)

    def _fitting(
        self, spans: Sequence[ReadableSpan], longest_text: int | None = None
    ) -> bytes | None:
        """Return the packet, or None where it is too large, or a value has no place in Thrift."""
        try:
            packet = encode(self._service_name, spans, longest_text)
        except Exception:  # numbers beyond 64 bits, broken text: whatever Thrift makes of it
            return None
        return packet if len(packet) <= self._limit else None
