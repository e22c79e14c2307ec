"""
The append: what happens inside the write transaction.

The position is drawn and the version is looked at while the write lock is held, so there is no
moment at which another process could come between.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple, NoReturn, TypeAlias
from uuid import UUID

from orchestrix.infrastructure.sqlite._sql import QUERIES
from orchestrix_core import ConcurrencyError, DuplicateEventError, Event, Serializer, stored_as

__all__ = ["StreamAppend", "append", "rows_of"]

Key: TypeAlias = bytes | str
Row: TypeAlias = tuple[Key, str, int, str | None, bytes]
"""Event id, stored name, schema version, trace id, document."""

_VERSION: Final = QUERIES["stream_version"]
_INSERT: Final = QUERIES["append_event"]
_PLACE: Final = QUERIES["place_of_event"]

_canonical_uuid = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class StreamAppend(NamedTuple):
    """What goes to one stream, already serialized."""

    aggregate_id: str
    expected: int | None
    rows: list[Row]


def rows_of(serializer: Serializer, events: Sequence[Event]) -> list[Row]:
    """Serialize events; nothing was touched when one of them cannot be."""
    rows = []
    for event in events:
        document = serializer.encode(event)
        rows.append((_key(event.id), *stored_as(event), event.trace_id, document))
    return rows


def _key(event_id: str) -> Key:
    """Return an id as it is stored: a third of a UUID's text, and still its own alone."""
    if _canonical_uuid.fullmatch(event_id):
        return bytes.fromhex(event_id.replace("-", ""))
    return event_id


def append(connection: sqlite3.Connection, writes: Sequence[StreamAppend]) -> None:
    """Append to each stream, inside the caller's transaction, which is undone if this raises."""
    versions = [_version(connection, write.aggregate_id) for write in writes]
    for write, version in zip(writes, versions, strict=True):
        if write.expected is not None and write.expected != version:
            return _settle(connection, writes, versions)
    placed = [
        (write.aggregate_id, version, *row)
        for write, before in zip(writes, versions, strict=True)
        for version, row in enumerate(write.rows, before + 1)
    ]
    try:
        connection.executemany(_INSERT, placed)
    except sqlite3.IntegrityError as error:
        _refuse_duplicate(connection, placed, error)
    return None


def _version(connection: sqlite3.Connection, aggregate_id: str) -> int:
    found = connection.execute(_VERSION, (aggregate_id,)).fetchone()
    return found[0] if found else 0


def _settle(
    connection: sqlite3.Connection, writes: Sequence[StreamAppend], versions: list[int]
) -> None:
    """Decide on a version that does not fit: a repeated save, a reused id, or a conflict."""
    filled = [write for write in writes if write.rows]
    if filled and all(_is_repeated(connection, write) for write in filled):
        return
    for write in filled:
        for key, *_ in write.rows:
            if _place(connection, key) is not None:
                raise DuplicateEventError(_text(key), write.aggregate_id)
    for write, version in zip(writes, versions, strict=True):
        if write.expected is not None and write.expected != version:
            raise ConcurrencyError(write.aggregate_id, write.expected, version)


def _is_repeated(connection: sqlite3.Connection, write: StreamAppend) -> bool:
    """Tell whether each event stands exactly where this very append would have put it."""
    return write.expected is not None and all(
        _place(connection, row[0]) == (write.aggregate_id, version)
        for version, row in enumerate(write.rows, write.expected + 1)
    )


def _place(connection: sqlite3.Connection, key: Key) -> tuple[str, int] | None:
    found: tuple[str, int] | None = connection.execute(_PLACE, (key,)).fetchone()
    return found


def _refuse_duplicate(
    connection: sqlite3.Connection,
    placed: Sequence[tuple[str, int, Key, str, int, str | None, bytes]],
    cause: sqlite3.IntegrityError,
) -> NoReturn:
    """Name the id that is stored elsewhere; those of this append may stand in their own place."""
    for aggregate_id, version, key, *_ in placed:
        place = _place(connection, key)
        if place is not None and place != (aggregate_id, version):
            raise DuplicateEventError(_text(key), aggregate_id) from cause
    raise cause


def _text(key: Key) -> str:
    return key if isinstance(key, str) else str(UUID(bytes=key))
