"""
One codec per event class: checks, encodes, decodes and copies its events.

The document is one flat JSON object: the event's own fields, always written, and the metadata
that differs from its default. Reading never runs the class's `__init__`: a stored fact is restored,
not made anew, so converters, validators and inherited context stay out of it.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec
from cattrs.preconf.json import JsonConverter

from orchestrix_core._exact import Check, attributes
from orchestrix_core._fields import StoredField, read_struct, stored_fields, wire_struct
from orchestrix_core._plans import Planner
from orchestrix_core.errors import SerializationError
from orchestrix_core.messages import Event, RawEvent

__all__ = ["EventCodec", "RawCodec", "restore"]

EventT = TypeVar("EventT", bound=Event)

_encode = msgspec.json.Encoder().encode
_as_dict = msgspec.structs.asdict
_new = object.__new__
_set = object.__setattr__


class EventCodec(Generic[EventT]):
    """
    What one event class needs to be stored.

    Attributes:
        check: raises `SerializationError` for an event that would not read back the same.
        immutable: events may be kept as they are, for none of their values can change.
    """

    check: Check
    immutable: bool

    def __init__(self, cls: type[EventT], planner: Planner, converter: JsonConverter) -> None:
        fields = stored_fields(cls, planner)
        self._cls = cls
        self._fields = fields
        self._converter = converter
        self._slotted = any("__slots__" in base.__dict__ for base in cls.__mro__[:-1])
        self._values = attrgetter(*(field.name for field in fields))
        self.check = attributes({field.name: field.plan for field in fields}, cls.__name__)
        self._foreign = [(i, f) for i, f in enumerate(fields) if not f.plan.native]
        self._late = [field for field in fields if field.late]
        self._wire = wire_struct(cls, fields)
        self._read = msgspec.json.Decoder(read_struct(cls, fields)).decode
        self.immutable = all(field.plan.immutable for field in fields)

    def _error(self, field: StoredField, reason: str) -> SerializationError:
        return SerializationError(f"{self._cls.__name__}.{field.name}", reason)

    def encode(self, event: EventT) -> bytes:
        """Return the event's document, JSON in UTF-8."""
        self.check(event)
        values: tuple[Any, ...] = self._values(event)
        if self._foreign:
            values = self._unstructured(values)
        try:
            return _encode(self._wire(*values))
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise self._located(values, error) from error

    def _unstructured(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        plain = list(values)
        for index, field in self._foreign:
            try:
                plain[index] = self._converter.unstructure(plain[index], field.hint)
            except Exception as error:
                raise self._error(field, f"its hook failed: {error!r}") from error
        return tuple(plain)

    def _located(self, values: tuple[Any, ...], error: Exception) -> SerializationError:
        """Find the field that does not encode: only after a failure, so it may take its time."""
        for field, value in zip(self._fields, values, strict=True):
            try:
                _encode(value)
            except (TypeError, ValueError, OverflowError, RecursionError) as cause:
                return self._error(field, str(cause))
        return SerializationError(self._cls.__name__, str(error))

    def decode(self, document: bytes) -> EventT:
        """Return the event of a document in the class's current schema version."""
        try:
            state = _as_dict(self._read(document))
        except msgspec.MsgspecError as error:
            raise SerializationError(self._cls.__name__, f"stored document: {error}") from error
        if self._late or self._slotted:
            return self._completed(state)
        event = _new(self._cls)  # as `restore` does it, without another call for each event read
        _set(event, "__dict__", state)
        return event

    def _completed(self, state: dict[str, Any]) -> EventT:
        """Convert what cattrs reads, and give absent fields the defaults that need the event."""
        absent = [field for field in self._late if state[field.name] is msgspec.UNSET]
        for field in self._late:
            if field not in absent and not field.plan.native:
                state[field.name] = self._structured(field, state[field.name])
        event = restore(self._cls, state, self._slotted)
        for field in absent:
            _set(event, field.name, field.default_for(event))
        return event

    def _structured(self, field: StoredField, value: Any) -> Any:
        try:
            return self._converter.structure(value, field.hint)
        except Exception as error:
            raise self._error(field, f"stored value {value!r}: {error!r}") from error

    def copy(self, event: EventT) -> EventT:
        """Return an equal event that shares nothing mutable with this one."""
        return self.decode(self.encode(event))


class RawCodec(EventCodec[RawEvent]):
    """The codec of events whose class is not known: their document is what they are."""

    def __init__(self) -> None:
        self.immutable = True
        self.check = lambda event: None  # it was stored once

    def encode(self, event: RawEvent) -> bytes:
        """Return the stored document, byte for byte."""
        return event.payload


def restore(cls: type[EventT], state: dict[str, Any], slotted: bool = False) -> EventT:
    """Return an instance of `cls` with this state; `__init__` does not run."""
    event = _new(cls)
    if slotted:
        for name, value in state.items():
            _set(event, name, value)
    else:
        _set(event, "__dict__", state)
    return event
