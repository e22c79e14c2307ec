"""
What a store does, each operation as a function of a connection.

Arguments are checked and events are serialized when the operation is made, on the caller's side;
the operation then runs wherever its store has a connection. Both stores are made of these.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias, TypeVar

from orchestrix.infrastructure.sqlite._append import StreamAppend, append, rows_of
from orchestrix.infrastructure.sqlite._sql import QUERIES
from orchestrix_core import (
    Event,
    OrchestrixError,
    RecordedEvent,
    Serializer,
    Snapshot,
    StreamInfo,
    StreamWrite,
    decode_stored,
)
from orchestrix_core.validation import (
    check_append,
    check_id,
    check_range,
    check_snapshot,
    check_types,
    check_writes,
    decode_state,
    encode_state,
)

__all__ = ["Operations", "Read", "Write", "head"]

T = TypeVar("T")
Read: TypeAlias = Callable[[sqlite3.Connection], T]
Write: TypeAlias = Callable[[sqlite3.Connection], None]

_LARGEST: Final = 2**63 - 1


def _whole(value: Any, argument: str, least: int = 0) -> int:
    """Check a number; beyond SQLite's integers there is nothing, so the largest does as well."""
    return min(check_range(value, argument, least), _LARGEST)


def head(connection: sqlite3.Connection) -> int:
    """Return the highest position, 0 when the log is empty."""
    (position,) = connection.execute(QUERIES["head"]).fetchone()
    return int(position)


class Operations:
    """Makes operations; knows the serializer."""

    def __init__(self, serializer: Serializer) -> None:
        self._serializer = serializer

    def save(self, aggregate_id: str, events: Sequence[Event], expected: int | None) -> Write:
        """Append to one stream."""
        batch = check_append(aggregate_id, events, expected)
        write = StreamAppend(aggregate_id, expected, rows_of(self._serializer, batch))
        return lambda connection: append(connection, (write,))

    def save_all(self, writes: Sequence[StreamWrite]) -> Write:
        """Append to several streams."""
        serialized = [
            StreamAppend(aggregate_id, expected, rows_of(self._serializer, events))
            for aggregate_id, events, expected in check_writes(writes)
        ]
        return lambda connection: append(connection, serialized)

    def save_snapshot(self, snapshot: Snapshot) -> Write:
        """Keep a snapshot unless a newer one is there."""
        check_snapshot(snapshot)
        _fits(snapshot.version, "snapshot.version")
        _fits(snapshot.schema_version, "snapshot.schema_version")
        state = encode_state(snapshot)
        row = (
            snapshot.aggregate_id,
            snapshot.version,
            snapshot.schema_version,
            snapshot.timestamp.isoformat(),
            state,
        )
        query = QUERIES["save_snapshot"]

        def run(connection: sqlite3.Connection) -> None:
            connection.execute(query, row)

        return run

    def load(self, aggregate_id: str, from_version: int | None) -> Read[list[Event]]:
        """Return one stream after its first `from_version` events."""
        check_id(aggregate_id)
        skip = 0 if from_version is None else _whole(from_version, "from_version")
        return self._events("load_stream", (aggregate_id, skip))

    def load_by_trace(self, trace_id: str) -> Read[list[Event]]:
        """Return one trace over all streams."""
        check_id(trace_id, "trace_id")
        return self._events("load_trace", (trace_id,))

    def load_snapshot(self, aggregate_id: str) -> Read[Snapshot | None]:
        """Return the newest snapshot of an aggregate."""
        check_id(aggregate_id)
        query = QUERIES["load_snapshot"]

        def run(connection: sqlite3.Connection) -> Snapshot | None:
            found = connection.execute(query, (aggregate_id,)).fetchone()
            return None if found is None else _snapshot(*found)

        return run

    def read_log(
        self, after: int, limit: int, types: Collection[str] | None
    ) -> Read[list[RecordedEvent]]:
        """Return a page of the log."""
        start, size = _whole(after, "after"), _whole(limit, "limit", 1)
        names = check_types(types)
        if names is None:
            return self._records("read_log", (start, size))
        return self._records("read_log_of_types", (start, json.dumps(sorted(names)), size))

    def streams(self, after: str, limit: int) -> Read[list[StreamInfo]]:
        """Return a page of the streams, by id."""
        if after != "":
            check_id(after, "after")
        size = _whole(limit, "limit", 1)
        query = QUERIES["streams"]
        return lambda connection: [
            StreamInfo(aggregate_id=aggregate_id, version=version)
            for aggregate_id, version in connection.execute(query, (after, size)).fetchall()
        ]

    def _events(self, query: str, arguments: tuple[Any, ...]) -> Read[list[Event]]:
        statement, places = QUERIES[query], QUERIES[f"{query}_places"]

        def run(connection: sqlite3.Connection) -> list[Event]:
            rows = connection.execute(statement, arguments).fetchall()
            return self._decode(rows, lambda: connection.execute(places, arguments).fetchall())

        return run

    def _records(self, query: str, arguments: tuple[Any, ...]) -> Read[list[RecordedEvent]]:
        statement = QUERIES[query]

        def run(connection: sqlite3.Connection) -> list[RecordedEvent]:
            rows = connection.execute(statement, arguments).fetchall()
            events = self._decode([row[3:] for row in rows], lambda: rows)
            return [
                RecordedEvent(position=position, aggregate_id=stream, version=version, event=event)
                for (position, stream, version, *_), event in zip(rows, events, strict=True)
            ]

        return run

    def _decode(
        self, rows: Sequence[tuple[str, int, bytes]], places: Callable[[], Sequence[Any]]
    ) -> list[Event]:
        """Decode all rows in one go; only one that cannot be makes it ask where they stand."""
        decode = self._serializer.decode
        try:
            return [decode(type, version, document) for type, version, document in rows]
        except OrchestrixError:
            return [
                decode_stored(
                    self._serializer, *row, stream=stream, position=position, stream_version=version
                )
                for row, (position, stream, version, *_) in zip(rows, places(), strict=False)
            ]


def _fits(value: int, argument: str) -> None:
    if value > _LARGEST:
        msg = f"{argument} must be at most {_LARGEST}, not {value}"
        raise ValueError(msg)


def _snapshot(
    aggregate_id: str, version: int, schema_version: int, timestamp: str, state: bytes
) -> Snapshot:
    return Snapshot(
        aggregate_id=aggregate_id,
        version=version,
        state=decode_state(state),
        schema_version=schema_version,
        timestamp=datetime.fromisoformat(timestamp),
    )
