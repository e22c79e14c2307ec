"""The event store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence
from itertools import islice
from threading import Lock
from typing import Final

import msgspec
from orchestrix_core import (
    Event,
    JSONSerializer,
    RecordedEvent,
    Serializer,
    Snapshot,
    StoreClosedError,
    StreamInfo,
    StreamWrite,
    decode_stored,
    stored_as,
)
from orchestrix_core import validation as check
from orchestrix_core.stores import AsyncLifecycle

from orchestrix_jsonl._config import JsonlConfig
from orchestrix_jsonl._index import Append, Index, Row, StoredEvent, StoredSnapshot, one_line
from orchestrix_jsonl._session import Session

__all__ = ["JsonlEventStore"]

_PAGE: Final = 500  # events that a subscription reads at a time


class JsonlEventStore(AsyncLifecycle):
    """
    An event store in one file of JSON lines, which other processes may use at the same time.

    All that is stored is kept in memory as well: it is for as many events as fit in there.
    """

    # -- begin: opening and closing
    def __init__(self, config: JsonlConfig, serializer: Serializer | None = None) -> None:
        self._config = config
        self._serializer = serializer or JSONSerializer()
        self._session: Session | None = None
        self._opening = Lock()

    async def initialize(self) -> None:
        """Open the file and read it; a second call does nothing."""
        await asyncio.to_thread(self._open)

    def _open(self) -> None:
        with self._opening:
            if self._session is None:
                self._session = Session(self._config)

    async def close(self) -> None:
        """Finish what was begun and let go of the file; a second call does nothing."""
        session, self._session = self._session, None  # from here on, nothing new gets in
        if session is not None:
            await asyncio.to_thread(session.end)

    def _opened(self) -> Session:
        if self._session is None:
            raise StoreClosedError(f"JsonlEventStore({str(self._config.path)!r})")
        return self._session

    async def ping(self) -> bool:
        """Read what is new in the file; `StorageError` says why that failed."""
        return await self._opened().read(lambda _: True)

    # -- end: opening and closing
    # -- begin: appending
    async def save(
        self, aggregate_id: str, events: Sequence[Event], expected_version: int | None = None
    ) -> None:
        """Append all of `events` or none; durable when this returns."""
        batch = check.check_append(aggregate_id, events, expected_version)
        append = Append(aggregate_id, expected_version, self._stored(aggregate_id, batch))
        await self._opened().write(lambda index: index.appended([append]))

    async def save_all(self, writes: Sequence[StreamWrite]) -> None:
        """Append to several streams, all or none."""
        appends = [
            Append(stream, expected, self._stored(stream, events))
            for stream, events, expected in check.check_writes(writes)
        ]
        await self._opened().write(lambda index: index.appended(appends))

    def _stored(self, stream: str, events: Sequence[Event]) -> list[StoredEvent]:
        """Serialize now, so that what the caller changes later changes nothing stored."""
        stored = []
        for event in events:
            type, schema = stored_as(event)
            data = one_line(self._serializer.encode(event), type)
            stored.append(StoredEvent(stream, event.id, type, schema, event.trace_id, data))
        return stored

    # -- end: appending
    # -- begin: reading
    async def load(self, aggregate_id: str, from_version: int | None = 0) -> list[Event]:
        """Return the events after the first `from_version`, in order; unknown: `[]`."""
        check.check_id(aggregate_id)
        skip = check.check_range(0 if from_version is None else from_version, "from_version")
        rows = await self._opened().read(lambda index: index.streams.get(aggregate_id, [])[skip:])
        return [self._event(row) for row in rows]

    async def load_by_trace(self, trace_id: str) -> list[Event]:
        """Return the events with this `trace_id` over all streams, in log order."""
        check.check_id(trace_id, "trace_id")
        rows = await self._opened().read(
            lambda index: [row for row in index.log if row.event.trace == trace_id]
        )
        return [self._event(row) for row in rows]

    async def read_log(
        self, after: int = 0, limit: int = 1000, types: Collection[str] | None = None
    ) -> list[RecordedEvent]:
        """Return up to `limit` events with a position above `after`, in position order."""
        first, count = check.check_range(after, "after"), check.check_range(limit, "limit", 1)
        names = check.check_types(types)

        def page(index: Index) -> list[Row]:
            rows = (index.log[at] for at in range(first, len(index.log)))
            wanted = (row for row in rows if names is None or row.event.type in names)
            return list(islice(wanted, min(count, len(index.log))))

        return [self._record(row) for row in await self._opened().read(page)]

    async def head(self) -> int:
        """Return the highest committed position, 0 when the log is empty."""
        return await self._opened().read(lambda index: len(index.log))

    async def subscribe(self, after: int = 0) -> AsyncGenerator[RecordedEvent, None]:
        """Yield what is there after `after`, then each new event within `poll_interval`."""
        while True:
            page = await self.read_log(after, _PAGE)
            for record in page:
                yield record
                after = record.position
            if not page:
                await asyncio.sleep(self._config.poll_interval)

    async def streams(self, after: str = "", limit: int = 1000) -> list[StreamInfo]:
        """Return up to `limit` streams with an id above `after`, in id order."""
        check.check_text(after, "after")
        count = check.check_range(limit, "limit", 1)
        found = await self._opened().read(
            lambda index: [(id, len(rows)) for id, rows in index.streams.items() if id > after]
        )
        return [StreamInfo(aggregate_id=id, version=n) for id, n in sorted(found)[:count]]

    def _record(self, row: Row) -> RecordedEvent:
        return RecordedEvent(
            position=row.position,
            aggregate_id=row.event.stream,
            version=row.version,
            event=self._event(row),
        )

    def _event(self, row: Row) -> Event:
        event = row.event
        return decode_stored(
            self._serializer,
            event.type,
            event.schema,
            bytes(event.data),
            stream=event.stream,
            position=row.position,
        )

    # -- end: reading
    # -- begin: snapshots
    async def save_snapshot_async(self, snapshot: Snapshot) -> None:
        """Keep `snapshot` unless a newer one of the same aggregate is kept already."""
        check.check_snapshot(snapshot)
        kept = StoredSnapshot(
            stream=snapshot.aggregate_id,
            version=snapshot.version,
            schema=snapshot.schema_version,
            at=snapshot.timestamp,
            state=msgspec.Raw(check.encode_state(snapshot)),
        )
        await self._opened().write(lambda index: index.newest(kept))

    async def load_snapshot_async(self, aggregate_id: str) -> Snapshot | None:
        """Return the newest snapshot of the aggregate, or None."""
        check.check_id(aggregate_id)
        kept = await self._opened().read(lambda index: index.snapshots.get(aggregate_id))
        return (
            None
            if kept is None
            else Snapshot(
                aggregate_id=kept.stream,
                version=kept.version,
                schema_version=kept.schema,
                timestamp=kept.at,
                state=check.decode_state(bytes(kept.state)),
            )
        )

    save_snapshot = save_snapshot_async
    load_snapshot = load_snapshot_async
    # -- end: snapshots
