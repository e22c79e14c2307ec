"""
Argument checks that every store makes, in one place, so that bad input fails alike everywhere.

Backend authors call these first; nothing has been touched when one of them raises.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

import msgspec

from orchestrix_core._exact import json_value
from orchestrix_core.errors import DuplicateEventError, SerializationError
from orchestrix_core.messages import Event
from orchestrix_core.records import Snapshot, StreamWrite

__all__ = [
    "check_append",
    "check_due",
    "check_id",
    "check_range",
    "check_snapshot",
    "check_statement",
    "check_text",
    "check_types",
    "check_writes",
    "decode_state",
    "encode_body",
    "encode_state",
]


def check_id(value: Any, argument: str = "aggregate_id") -> None:
    """Refuse an id that is not a non-empty str of valid Unicode."""
    if not isinstance(value, str):
        msg = f"{argument} must be a str, not {type(value).__name__}"
        raise TypeError(msg)
    if not value:
        msg = f"{argument} must not be empty"
        raise ValueError(msg)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            msg = f"{argument} {value!r} is not valid Unicode"
            raise ValueError(msg) from error


def check_text(value: Any, argument: str) -> None:
    """Refuse what is not a str of valid Unicode; unlike an id, it may be empty."""
    if value != "":
        check_id(value, argument)


def check_append(aggregate_id: Any, events: Any, expected_version: Any) -> tuple[Event, ...]:
    """
    Refuse an append that no store may take, and return its events as a tuple.

    Raises:
        ValueError, TypeError: an argument is not what it should be; the text names it.
        DuplicateEventError: one event id stands twice in `events`.
    """
    check_id(aggregate_id)
    if expected_version is not None:
        check_range(expected_version, "expected_version")
    if type(events) is not list:  # the usual case first: the ABC's check is slow
        _check_sequence(events, "events", "events")
    batch: tuple[Event, ...] = tuple(events)
    for event in batch:
        if not isinstance(event, Event):
            _refuse_other(batch)
    if len(batch) > 1 and len({event.id for event in batch}) < len(batch):
        _check_distinct((aggregate_id, event) for event in batch)
    return batch


def _refuse_other(batch: tuple[Any, ...]) -> NoReturn:
    index, other = next((i, item) for i, item in enumerate(batch) if not isinstance(item, Event))
    msg = f"events[{index}] must be an Event, not {type(other).__name__}"
    raise TypeError(msg)


def _check_distinct(appended: Iterable[tuple[str, Event]]) -> None:
    seen: set[str] = set()
    for aggregate_id, event in appended:
        if event.id in seen:
            raise DuplicateEventError(event.id, aggregate_id)
        seen.add(event.id)


def _check_sequence(value: Any, argument: str, of: str) -> None:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        msg = f"{argument} must be a sequence of {of}, not {type(value).__name__}"
        raise TypeError(msg)


def check_writes(writes: Any) -> list[tuple[str, tuple[Event, ...], int | None]]:
    """Refuse a multi-stream append that no store may take; return it with events as tuples."""
    _check_sequence(writes, "writes", "StreamWrite")
    checked = [_check_write(index, write) for index, write in enumerate(writes)]
    streams: set[str] = set()
    for aggregate_id, _, _ in checked:
        if aggregate_id in streams:
            msg = f"writes names the stream {aggregate_id!r} twice; join its events in one write"
            raise ValueError(msg)
        streams.add(aggregate_id)
    _check_distinct((id, event) for id, events, _ in checked for event in events)
    return checked


def _check_write(index: int, write: Any) -> tuple[str, tuple[Event, ...], int | None]:
    if not isinstance(write, StreamWrite):
        msg = f"writes[{index}] must be a StreamWrite, not {type(write).__name__}"
        raise TypeError(msg)
    events = check_append(write.aggregate_id, write.events, write.expected_version)
    return write.aggregate_id, events, write.expected_version


def check_range(value: Any, argument: str, least: int = 0) -> int:
    """Return `value` if it is a whole number from `least`; bool does not count as one."""
    if type(value) is not int or value < least:
        msg = f"{argument} must be a whole number from {least}, not {value!r}"
        raise ValueError(msg)
    return value


def check_types(types: Any) -> frozenset[str] | None:
    """Return the stored names to keep as a set; None keeps all."""
    if types is None:
        return None
    if isinstance(types, str) or not isinstance(types, Collection):
        msg = f"types must be a collection of stored names, not {types!r}"
        raise TypeError(msg)
    for name in types:
        check_id(name, "types")
    return frozenset(types)


def check_snapshot(snapshot: Any) -> None:
    """Refuse a snapshot that is none, or whose numbers make no sense."""
    if not isinstance(snapshot, Snapshot):
        msg = f"snapshot must be a Snapshot, not {type(snapshot).__name__}"
        raise TypeError(msg)
    check_id(snapshot.aggregate_id, "snapshot.aggregate_id")
    check_range(snapshot.version, "snapshot.version")
    check_range(snapshot.schema_version, "snapshot.schema_version")


def encode_state(snapshot: Snapshot) -> bytes:
    """Return a snapshot's state as JSON; `SerializationError` names what JSON cannot hold."""
    return encode_body(snapshot.state, "snapshot.state")


def encode_body(value: Any, argument: str = "body") -> bytes:
    """Return a dict as a JSON object; `SerializationError` names the place of what JSON lacks."""
    if type(value) is not dict:
        raise SerializationError(argument, f"must be a dict, not {type(value).__name__}")
    try:
        json_value(value)
        return msgspec.json.encode(value)
    except SerializationError as error:
        raise SerializationError(f"{argument}{error.path}", error.reason) from None
    except (TypeError, ValueError) as error:
        raise SerializationError(argument, str(error)) from error


def decode_state(state: bytes) -> dict[str, Any]:
    """Return what `encode_state` or `encode_body` wrote."""
    return msgspec.json.decode(state, type=dict[str, Any])


def check_due(due: Any) -> datetime | None:
    """Return when a document is due, if it is, in UTC; refuse what is no aware datetime."""
    if due is None:
        return None
    if not isinstance(due, datetime) or due.utcoffset() is None:
        msg = f"due must be a datetime with a time zone, not {due!r}"
        raise (ValueError if isinstance(due, datetime) else TypeError)(msg)
    try:
        return due.astimezone(UTC)  # instants compare right, also where clocks are put back
    except OverflowError as error:
        msg = f"due {due!r} is outside of the years 1 to 9999 in UTC"
        raise ValueError(msg) from error


_BEFORE_WORD: Final = re.compile(r"(?:[\s;\ufeff]|--[^\n]*|/\*(?:(?!/\*).)*?\*/)*", re.DOTALL)
_ENDS: Final = frozenset(
    ("ABORT", "BEGIN", "COMMIT", "END", "RELEASE", "ROLLBACK", "SAVEPOINT", "START")
)


def check_statement(statement: Any, *elsewhere: str) -> None:
    """
    Refuse SQL that would end the transaction it runs in.

    `elsewhere` are first words of further statements that a backend does not take there.
    """
    if not isinstance(statement, str):
        msg = f"statement must be a str, not {type(statement).__name__}"
        raise TypeError(msg)
    text = _BEFORE_WORD.sub("", statement, count=1)
    if not text or text.startswith("/*"):  # databases disagree where nested comments end
        msg = f"statement must begin with a command, not {statement!r}"
        raise ValueError(msg)
    word = re.split(r"\W", text, maxsplit=1)[0].upper()
    if word in _ENDS or word in elsewhere:
        why = "which the block does" if word in _ENDS else "which has effects beyond it"
        msg = f"statement must not be {word} inside a transaction, {why}: {statement!r}"
        raise ValueError(msg)
