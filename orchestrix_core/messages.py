"""
Messages: immutable, keyword-only, shaped like CloudEvents 1.0.

Subclass `Command` or `Event` and annotate fields; no decorator is needed. `@attrs.frozen` and
`@dataclass(frozen=True)` on the subclass work exactly the same, for those who have the habit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Any, ClassVar, dataclass_transform

import attrs
import uuid_utils

from orchestrix_core import _definition
from orchestrix_core.context import (
    current_trace_id,
    current_traceparent,
    inherited_causation,
    inherited_correlation,
)
from orchestrix_core.registry import MessageRegistry, default_registry

__all__ = ["METADATA", "Command", "Event", "Message", "RawEvent", "stored_as"]


# Looked up at each call, so that `testing.frozen` can put others in their place at no cost to those
# who do not: attrs keeps the two functions below, and nothing could be put in place of them.
_uuid7: Callable[[], object] = uuid_utils.uuid7
_clock: Callable[[tzinfo], datetime] = datetime.now


def new_id() -> str:
    """Return a new UUIDv7: 36 characters that sort by the time they were made."""
    return str(_uuid7())


def now() -> datetime:
    """Return the present moment, aware, in UTC."""
    return _clock(UTC)


def _type_of(message: Message) -> str:
    return message.__message_type__


@dataclass_transform(
    kw_only_default=True,
    frozen_default=True,
    field_specifiers=(attrs.field, dataclasses.field),
)
class _Fields:
    """Carries the transform for `Message`: checkers skip the fields of its carrier itself."""


@attrs.frozen(kw_only=True, slots=False)
class Message(_Fields):
    """
    What is said, once and for all.

    `class OrderShipped(Event, type="com.acme.order.shipped", version=2)` sets the stored name and
    the schema version; the name is the class name and the version is 1 where they are not set.

    Attributes:
        id: unique, UUIDv7 unless given; sorts by time.
        type: the stored name.
        source: what sent it (CloudEvents `source`).
        subject: what it is about, if it says.
        timestamp: when it was made, aware, UTC.
        specversion: the CloudEvents version.
        datacontenttype: media type of the data, if it says.
        dataschema: URI of the data's schema, if it says.
        correlation_id: shared by all messages of one conversation; inherited while handling.
        causation_id: id of the message whose handler made this one.
        trace_id: 32 hex digits of the W3C trace; inherited, or taken from the active trace.
        traceparent: the span it was made in, as a W3C header; None where no tracing is on.
    """

    __message_type__: ClassVar[str] = "Message"
    __message_version__: ClassVar[int] = 1
    __message_registry__: ClassVar[MessageRegistry] = default_registry
    __message_written__: ClassVar[frozenset[str]] = frozenset()

    id: str = attrs.field(factory=new_id)
    type: str = attrs.field(default=attrs.Factory(_type_of, takes_self=True), init=False)
    source: str = "orchestrix"
    subject: str | None = None
    timestamp: datetime = attrs.field(factory=now)
    specversion: str = "1.0"
    datacontenttype: str | None = None
    dataschema: str | None = None
    correlation_id: str | None = attrs.field(factory=inherited_correlation)
    causation_id: str | None = attrs.field(factory=inherited_causation)
    trace_id: str | None = attrs.field(factory=current_trace_id)
    traceparent: str | None = attrs.field(factory=current_traceparent)

    def __init_subclass__(
        cls,
        *,
        type: str | None = None,
        version: int | None = None,
        registry: MessageRegistry | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        if registry is not None or "__message_registry__" not in cls.__dict__:
            cls.__message_registry__ = registry or default_registry
        _definition.define(cls, type, version)
        cls.__message_registry__.register(cls)


METADATA = frozenset(field.name for field in attrs.fields(Message))
"""The names of the fields that every message has; a subclass may not redefine them."""


_bases = MessageRegistry()  # the bases are never stored, so their names stay free


class Command(Message, registry=_bases):
    """A message that asks for something; exactly one handler answers it."""


class Event(Message, registry=_bases):
    """A message that says what happened; it is stored and never changes."""


class RawEvent(Event, registry=_bases):
    """
    A stored event whose class is not known here; only a serializer makes one.

    It keeps its stored `type` and schema version, and is written back byte for byte.

    Attributes:
        payload: the stored document, JSON in UTF-8.
        stored_version: the schema version it was stored with.
    """

    payload: bytes
    stored_version: int


def stored_as(event: Event) -> tuple[str, int]:
    """Return the stored name and the schema version under which a store keeps `event`."""
    if isinstance(event, RawEvent):
        return event.type, event.stored_version
    return event.__message_type__, event.__message_version__
