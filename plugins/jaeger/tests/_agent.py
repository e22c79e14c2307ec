"""What a Jaeger agent receives, decoded by Thrift's own protocol and the generated types."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import attrs
from thrift.protocol.TCompactProtocol import TCompactProtocol
from thrift.Thrift import TMessageType
from thrift.transport.TTransport import TMemoryBuffer

from orchestrix.infrastructure.observability.jaeger import _thrift

PATIENCE = 120.0  # no measure of speed: an end to waiting for what never comes
MARK = b"mark"


@attrs.frozen
class Received:
    """A span as it arrived."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str | None
    links: tuple[tuple[str, str], ...]
    tags: dict[str, Any]
    logs: tuple[dict[str, Any], ...]
    duration: int  # microseconds


class Agent:
    """A UDP port, read by a thread of its own so that nothing is lost; the spans that arrive."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self._arrived: queue.Queue[bytes] = queue.Queue()
        self.port = opened.getsockname()[1]
        self.sizes: list[int] = []
        self.spans: list[Received] = []

    def listen(self) -> None:
        """Take datagrams until an empty one comes."""
        while datagram := self._socket.recv(70_000):
            self._arrived.put(datagram)

    def receive(self) -> list[Received]:
        """Return the spans of the next datagram."""
        found = self._next()
        assert found is not None
        return found

    def _next(self) -> list[Received] | None:
        datagram = self._arrived.get(timeout=PATIENCE)
        if datagram == MARK:
            return None
        self.sizes.append(len(datagram))
        found = decoded(datagram)
        self.spans += found
        return found

    def until(self, enough: Callable[[list[Received]], bool]) -> list[Received]:
        """Receive until what has come is enough."""
        deadline = monotonic() + PATIENCE
        while not enough(self.spans):
            assert monotonic() < deadline, self.spans
            self.receive()
        return self.spans

    def count(self, number: int) -> list[Received]:
        """Receive until so many spans have come."""
        return self.until(lambda spans: len(spans) >= number)

    def drain(self) -> None:
        """Receive whatever was sent up to now: on one machine, datagrams keep their order."""
        self._socket.sendto(MARK, self._socket.getsockname())
        while self._next() is not None:
            pass

    def by_name(self) -> dict[str, Received]:
        return {span.name: span for span in self.spans}


@contextmanager
def agent() -> Iterator[Agent]:
    """Listen on a free port of this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        # As much as the system allows: what finds the buffer full is lost.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 2**20)
        opened.bind(("127.0.0.1", 0))
        listening = Agent(opened)
        thread = threading.Thread(target=listening.listen)
        thread.start()
        try:
            yield listening
        finally:
            opened.sendto(b"", opened.getsockname())
            thread.join(PATIENCE)


@contextmanager
def nobody(kind: socket.SocketKind = socket.SOCK_DGRAM) -> Iterator[int]:
    """
    Hold a port on which nobody listens, so that no one else can be given it.

    Without `listen`, TCP refuses; a UDP socket that is connected hears its peer alone.
    """
    with socket.socket(socket.AF_INET, kind) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_DGRAM:
            held.connect(("127.0.0.1", 9))
        yield held.getsockname()[1]


def decoded(datagram: bytes) -> list[Received]:
    protocol = TCompactProtocol(TMemoryBuffer(datagram))
    name, kind, _ = protocol.readMessageBegin()
    assert (name, kind) == ("emitBatch", TMessageType.ONEWAY)
    call = _thrift._CALL()  # the generated type
    call.read(protocol)
    protocol.readMessageEnd()
    service = call.batch.process.serviceName
    return [_received(service, span) for span in call.batch.spans]


def _received(service: str, span: Any) -> Received:
    return Received(
        service=service,
        name=span.operationName,
        trace_id=_hex(span.traceIdHigh) + _hex(span.traceIdLow),
        span_id=_hex(span.spanId),
        parent_id=_hex(span.parentSpanId) if span.parentSpanId else None,
        links=tuple(
            (_hex(link.traceIdHigh) + _hex(link.traceIdLow), _hex(link.spanId))
            for link in span.references or ()
        ),
        tags=_values(span.tags),
        logs=tuple(_values(log.fields) for log in span.logs or ()),
        duration=span.duration,
    )


def _hex(number: int) -> str:
    return f"{number & 0xFFFFFFFFFFFFFFFF:016x}"


def _values(tags: Any) -> dict[str, Any]:
    return {tag.key: _value(tag) for tag in tags or ()}


def _value(tag: Any) -> Any:
    return (tag.vStr, tag.vDouble, tag.vBool, tag.vLong)[tag.vType]
