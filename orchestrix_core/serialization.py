"""
Events to bytes and back, exactly: `decode(encode(e)) == e`, types included, or an error.

msgspec does the work; cattrs is the extension point for types that msgspec does not know. Nothing
is ever pickled.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

import msgspec
from cattrs import Converter

from orchestrix_core._codec import EventCodec, RawCodec, restore
from orchestrix_core._converter import make_field_converter
from orchestrix_core._plans import Planner
from orchestrix_core.errors import SerializationError, UnknownMessageType, UpcastingError
from orchestrix_core.messages import METADATA, Event, RawEvent, stored_as
from orchestrix_core.records import RecordedEvent
from orchestrix_core.registry import MessageRegistry, default_registry

__all__ = ["JSONSerializer", "Serializer", "UnknownPolicy", "decode_stored"]

T = TypeVar("T")
EventT = TypeVar("EventT", bound=Event)

UnknownPolicy: TypeAlias = Literal["error", "raw"]
"""A stored name without a class: raise `UnknownMessageType`, or give a `RawEvent`."""


class Serializer(Protocol):
    """Turns events into bytes and back; what a store keeps beside them is `stored_as(event)`."""

    def encode(self, event: Event) -> bytes:
        """Return the event's document; `SerializationError` names the field that has none."""
        ...

    def decode(self, type: str, version: int, data: bytes) -> Event:
        """Return the event stored as `type` at schema `version`, brought to the current one."""
        ...


class JSONSerializer:
    """
    The default `Serializer`: one flat JSON object for each event.

    Args:
        registry: resolves stored names and holds the upcasters.
        unknown: what a stored name without a class gives.
    """

    def __init__(
        self, registry: MessageRegistry = default_registry, *, unknown: UnknownPolicy = "error"
    ) -> None:
        if unknown not in ("error", "raw"):
            msg = f"unknown must be 'error' or 'raw', not {unknown!r}"
            raise ValueError(msg)
        self._registry = registry
        self._unknown = unknown
        self._converter = make_field_converter()
        self._hooked: set[Any] = set()
        self._planner = Planner(self._hooked)
        self._codecs: dict[type[Event], EventCodec[Any]] = {RawEvent: RawCodec()}

    def register_hooks(
        self,
        type: type[T],
        *,
        unstructure: Callable[[T], Any],
        structure: Callable[[Any], T],
    ) -> None:
        """
        Teach the serializer a type: `unstructure` gives JSON values, `structure` takes them back.

        Call it before the first event that holds the type is stored or read.
        """
        self._converter.register_unstructure_hook(type, unstructure)
        self._converter.register_structure_hook(type, lambda value, _: structure(value))
        self._hooked.add(type)
        self._planner = Planner(self._hooked)
        self._codecs = {RawEvent: RawCodec()}

    @property
    def registry(self) -> MessageRegistry:
        """What resolves stored names."""
        return self._registry

    @property
    def converter(self) -> Converter:
        """The converter that knows the types of `register_hooks`, to and from JSON values."""
        return self._converter

    def codec(self, cls: type[EventT]) -> EventCodec[EventT]:
        """Return the codec of an event class, made at its first use."""
        try:
            return self._codecs[cls]
        except KeyError:
            codec = self._codecs[cls] = EventCodec(cls, self._planner, self._converter)
            return codec

    def encode(self, event: Event) -> bytes:
        """
        Return the event's document.

        Raises:
            SerializationError: a field has none; it is named.
            AmbiguousMessageType: several classes have its stored name, so it could not be read.
        """
        if self._registry.ambiguous:
            self._registry.refuse_ambiguous(stored_as(event)[0])
        return self.codec(type(event)).encode(event)

    def decode(self, type: str, version: int, data: bytes) -> Event:
        """
        Return the event stored as `type` at schema `version`, brought to the current one.

        Raises:
            UnknownMessageType: no class has this stored name (and `unknown` is "error").
            UpcastingError: there is no way from `version` to the class's.
            SerializationError: the document is not what the class declares.
        """
        try:
            cls = self._registry.resolve(type)
        except UnknownMessageType:
            if self._unknown == "raw":
                return self._raw(type, version, data)
            raise
        if version != cls.__message_version__:
            data = self._upcast(type, version, data)
        codec = self._codecs.get(cls) or self.codec(cls)  # type: ignore[arg-type]  # stored: an event
        event: Event = codec.decode(data)
        return event

    def raw_if_old(self, type: str, version: int, data: bytes) -> RawEvent | None:
        """Return what was stored as it is; None when it is newer than its class, or damaged."""
        if version > self._registry.resolve(type).__message_version__:
            return None
        with suppress(SerializationError):
            return self._raw(type, version, data)
        return None

    def _raw(self, type: str, version: int, data: bytes) -> RawEvent:
        metadata = self.codec(Event).decode(data).__dict__
        own = {"type": type, "payload": data, "stored_version": version}
        return restore(RawEvent, metadata | own)

    def _upcast(self, type: str, version: int, data: bytes) -> bytes:
        """Upcast an event's own data; its metadata is none of the upcaster's business."""
        document = _object(type, data)
        own = {name: value for name, value in document.items() if name not in METADATA}
        kept = {name: value for name, value in document.items() if name in METADATA}
        result = self._registry.upcast(type, version, own)
        try:
            return msgspec.json.encode(result | kept)
        except TypeError as error:
            msg = f"an upcaster of {type!r} returned a value that is not JSON: {error}"
            raise UpcastingError(msg) from error


def _object(type: str, data: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise SerializationError(type, f"stored document: {error}") from error


def decode_stored(
    serializer: Serializer,
    type: str,
    version: int,
    data: bytes,
    *,
    stream: str,
    position: int,
    stream_version: int | None = None,
) -> Event:
    """
    Decode what a store read; an error says where it stands.

    An unknown name is reported with its stream and position. With `stream_version`, the place in
    the stream, an error that no newer program could mend holds the event in its `record`.
    """
    try:
        return serializer.decode(type, version, data)
    except UnknownMessageType as error:
        raise UnknownMessageType(error.type, stream, position) from error
    except (SerializationError, UpcastingError) as error:
        if stream_version is not None and isinstance(serializer, JSONSerializer):
            raw = serializer.raw_if_old(type, version, data)
            if raw is not None:
                error.record = RecordedEvent(
                    position=position, aggregate_id=stream, version=stream_version, event=raw
                )
        raise
