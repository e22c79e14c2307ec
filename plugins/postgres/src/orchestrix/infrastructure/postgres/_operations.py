"""
What a store reads, and how its arguments are checked.

Arguments are checked and events are serialized before anything is sent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from datetime import datetime
from typing import Any, Final

from orchestrix.infrastructure.postgres._append import LARGEST, Append, StreamAppend, check_text
from orchestrix.infrastructure.postgres._append import rows_of as _rows_of
from orchestrix.infrastructure.postgres._database import Database
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

__all__ = ["Operations"]

_PAGE: Final = 2000  # rows that are held beside the events made of them


class Operations:
    """Reads from a database; knows the serializer."""

    def __init__(self, database: Database, serializer: Serializer) -> None:
        self._database = database
        self._serializer = serializer
        self._payload = database.config.payload

    def append(self, aggregate_id: str, events: Sequence[Event], expected: int | None) -> Append:
        """Return an append to one stream, checked and serialized."""
        return (self._write(aggregate_id, check_append(aggregate_id, events, expected), expected),)

    def append_all(self, writes: Sequence[StreamWrite]) -> Append:
        """Return an append to several streams, checked and serialized."""
        return [self._write(*write) for write in check_writes(writes)]

    def _write(
        self, aggregate_id: str, events: Sequence[Event], expected: int | None
    ) -> StreamAppend:
        check_text(aggregate_id)
        rows = _rows_of(self._serializer, events, self._payload)
        return StreamAppend(aggregate_id, expected, rows)

    async def stream(
        self, aggregate_id: str, from_version: int | None
    ) -> AsyncIterator[list[Event]]:
        """Yield one stream after its first `from_version` events, page by page."""
        _check_id(aggregate_id)
        skip = 0 if from_version is None else _whole(from_version, "from_version")
        async for page in self._pages("load_stream", aggregate_id, skip, "version"):
            yield page

    async def trace(self, trace_id: str) -> AsyncIterator[list[Event]]:
        """Yield one trace over all streams, page by page."""
        _check_id(trace_id, "trace_id")
        async for page in self._pages("load_trace", trace_id, 0, "position"):
            yield page

    async def _pages(self, query: str, of: str, after: int, key: str) -> AsyncIterator[list[Event]]:
        """Follow a key that grows; what is stored never changes, so pages fit together."""
        full = True
        while full:
            rows = await self._database.fetch(query, of, after, _PAGE)
            full = len(rows) == _PAGE
            if rows:
                after = rows[-1][key]
                yield self._decode(rows)

    async def read_log(
        self, after: int, limit: int, types: Collection[str] | None
    ) -> list[RecordedEvent]:
        """Return a page of the log."""
        start, size = _whole(after, "after"), _whole(limit, "limit", 1)
        names = check_types(types)
        if names is None:
            rows = await self._database.fetch("read_log", start, size)
        else:
            for name in names:
                check_text(name, "types")
            rows = await self._database.fetch("read_log_of_types", start, sorted(names), size)
        return [
            RecordedEvent(position=row[4], aggregate_id=row[3], version=row[5], event=event)
            for row, event in zip(rows, self._decode(rows), strict=True)
        ]

    async def head(self) -> int:
        """Return the highest position, 0 when the log is empty."""
        (row,) = await self._database.fetch("head")
        return int(row[0])

    async def server(self) -> str:
        """Return the version of the server."""
        (row,) = await self._database.fetch("facts", self._database.config.schema)
        return f"{row['server'] // 10_000}.{row['server'] % 10_000}"

    async def streams(self, after: str, limit: int) -> list[StreamInfo]:
        """Return a page of the streams, by id."""
        if after != "":
            _check_id(after, "after")
        rows = await self._database.fetch("streams", after, _whole(limit, "limit", 1))
        return [StreamInfo(aggregate_id=row[0], version=row[1]) for row in rows]

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a snapshot unless a newer one is there."""
        check_snapshot(snapshot)
        check_text(snapshot.aggregate_id, "snapshot.aggregate_id")
        _fits(snapshot.version, "snapshot.version")
        _fits(snapshot.schema_version, "snapshot.schema_version")
        await self._database.fetch(
            "save_snapshot",
            snapshot.aggregate_id,
            snapshot.version,
            snapshot.schema_version,
            snapshot.timestamp.isoformat(),
            encode_state(snapshot).decode(),
        )

    async def load_snapshot(self, aggregate_id: str) -> Snapshot | None:
        """Return the newest snapshot of an aggregate."""
        _check_id(aggregate_id)
        rows = await self._database.fetch("load_snapshot", aggregate_id)
        return _snapshot(*rows[0]) if rows else None

    def _decode(self, rows: list[Any]) -> list[Event]:
        """Decode all rows in one go; only one that cannot be is worth a look at its place."""
        decode: Callable[[str, int, bytes], Event] = self._serializer.decode
        try:
            return [decode(row[0], row[1], row[2]) for row in rows]
        except OrchestrixError:
            return [
                decode_stored(
                    self._serializer,
                    *(type, version, document),
                    stream=stream,
                    position=position,
                    stream_version=place,
                )
                for type, version, document, stream, position, place in rows
            ]


def _check_id(value: Any, argument: str = "aggregate_id") -> None:
    check_id(value, argument)
    check_text(value, argument)


def _whole(value: Any, argument: str, least: int = 0) -> int:
    """Check a number; beyond the server's integers there is nothing, so the largest will do."""
    return min(check_range(value, argument, least), LARGEST)


def _fits(value: int, argument: str) -> None:
    if value > LARGEST:
        msg = f"{argument} must be at most {LARGEST}, not {value}"
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
