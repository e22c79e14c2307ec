"""The two in-memory event stores: one ledger, spoken to directly or from coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from orchestrix.infrastructure.memory._documents import Documents
from orchestrix.infrastructure.memory._ledger import Ledger
from orchestrix.infrastructure.memory._transactions import Transactions
from orchestrix_core import (
    Document,
    Event,
    JSONSerializer,
    RecordedEvent,
    Snapshot,
    StoreClosedError,
    StreamInfo,
    StreamWrite,
    Transaction,
)
from orchestrix_core.stores import AsyncLifecycle, Lifecycle
from orchestrix_core.validation import check_range

__all__ = ["InMemoryAsyncEventStore", "InMemoryEventStore"]


class _Opened:
    """A ledger behind a door: open from the start, `initialize()` opens it again."""

    def __init__(self, serializer: JSONSerializer | None = None) -> None:
        self._kept = Ledger(serializer or JSONSerializer())
        self._closed = False

    @property
    def _ledger(self) -> Ledger:
        if self._closed:
            raise StoreClosedError(type(self).__name__)
        return self._kept


class InMemoryEventStore(_Opened, Lifecycle):
    """
    Synchronous event store with optimistic locking and snapshots; nothing survives the process.

    Not thread-safe. It is open from the start. `serializer` is only needed for events that hold
    types of your own (`JSONSerializer.register_hooks`).
    """

    def initialize(self) -> None:
        """Open the store again after `close()`; what it held is still there."""
        self._closed = False

    def close(self) -> None:
        """Refuse every later use until `initialize()`."""
        self._closed = True

    def ping(self) -> bool:
        """Return True: memory answers."""
        return self._ledger.head >= 0

    def save(
        self, aggregate_id: str, events: Sequence[Event], expected_version: int | None = None
    ) -> None:
        """Append all of `events` or none; see `orchestrix_core.AsyncEventStore.save`."""
        self._ledger.append(aggregate_id, events, expected_version)

    def load(self, aggregate_id: str, from_version: int | None = 0) -> list[Event]:
        """Return the events after the first `from_version`, in order; unknown: `[]`."""
        return self._ledger.load(aggregate_id, from_version)

    def load_by_trace(self, trace_id: str) -> list[Event]:
        """Return the events with this `trace_id` over all streams, in log order."""
        return self._ledger.load_by_trace(trace_id)

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep `snapshot` unless a newer one of the same aggregate is kept already."""
        self._ledger.save_snapshot(snapshot)

    def load_snapshot(self, aggregate_id: str) -> Snapshot | None:
        """Return the newest snapshot of the aggregate, or None."""
        return self._ledger.load_snapshot(aggregate_id)

    def save_all(self, writes: Sequence[StreamWrite]) -> None:
        """Append to several streams, all or none."""
        self._ledger.append_all(writes)

    def read_log(
        self, after: int = 0, limit: int = 1000, types: Collection[str] | None = None
    ) -> list[RecordedEvent]:
        """Return up to `limit` events above position `after`, in commit order."""
        return self._ledger.read_log(after, limit, types)

    def head(self) -> int:
        """Return the highest position, 0 when the log is empty."""
        return self._ledger.head

    def streams(self, after: str = "", limit: int = 1000) -> list[StreamInfo]:
        """Return up to `limit` streams with an id above `after`, in id order."""
        return self._ledger.streams(after, limit)


class InMemoryAsyncEventStore(_Opened, AsyncLifecycle):
    """
    Async event store with snapshots, a live log and documents; nothing survives the process.

    For one event loop. It is open from the start.
    """

    def __init__(self, serializer: JSONSerializer | None = None) -> None:
        super().__init__(serializer)
        self._documents = Documents()
        self._transactions = Transactions()
        self._sleepers: set[asyncio.Future[None]] = set()

    async def initialize(self) -> None:
        """Open the store again after `close()`; what it held is still there."""
        self._closed = False

    async def close(self) -> None:
        """Refuse every later use until `initialize()`, and end every subscription."""
        self._closed = True
        self._wake()

    async def ping(self) -> bool:
        """Return True: memory answers."""
        return self._ledger.head >= 0

    async def save(
        self, aggregate_id: str, events: Sequence[Event], expected_version: int | None = None
    ) -> None:
        """Append all of `events` or none; see `orchestrix_core.AsyncEventStore.save`."""
        if self._transactions.open:
            await self._transactions.pass_by()
        self._ledger.append(aggregate_id, events, expected_version)
        self._wake()

    async def load(self, aggregate_id: str, from_version: int | None = 0) -> list[Event]:
        """Return the events after the first `from_version`, in order; unknown: `[]`."""
        return self._ledger.load(aggregate_id, from_version)

    async def load_by_trace(self, trace_id: str) -> list[Event]:
        """Return the events with this `trace_id` over all streams, in log order."""
        return self._ledger.load_by_trace(trace_id)

    async def save_snapshot_async(self, snapshot: Snapshot) -> None:
        """Keep `snapshot` unless a newer one of the same aggregate is kept already."""
        self._ledger.save_snapshot(snapshot)

    async def load_snapshot_async(self, aggregate_id: str) -> Snapshot | None:
        """Return the newest snapshot of the aggregate, or None."""
        return self._ledger.load_snapshot(aggregate_id)

    save_snapshot = save_snapshot_async
    load_snapshot = load_snapshot_async

    async def save_all(self, writes: Sequence[StreamWrite]) -> None:
        """Append to several streams, all or none."""
        if self._transactions.open:
            await self._transactions.pass_by()
        self._ledger.append_all(writes)
        self._wake()

    async def read_log(
        self, after: int = 0, limit: int = 1000, types: Collection[str] | None = None
    ) -> list[RecordedEvent]:
        """Return up to `limit` events above position `after`, in commit order."""
        return self._ledger.read_log(after, limit, types)

    async def head(self) -> int:
        """Return the highest position, 0 when the log is empty."""
        return self._ledger.head

    async def streams(self, after: str = "", limit: int = 1000) -> list[StreamInfo]:
        """Return up to `limit` streams with an id above `after`, in id order."""
        return self._ledger.streams(after, limit)

    async def get_document(self, collection: str, key: str) -> Document | None:
        """Return a committed document, or None."""
        _ = self._ledger  # closed: say so
        return self._documents.get(collection, key)

    async def find_documents(
        self,
        collection: str,
        *,
        prefix: str = "",
        after: str = "",
        due: datetime | None = None,
        limit: int = 1000,
    ) -> list[Document]:
        """Return up to `limit` committed documents: by key, or with `due`, as they are due."""
        _ = self._ledger  # closed: say so
        return self._documents.find(collection, prefix, after, due, limit)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Return a transaction for one `async with`; transactions run one after another."""
        _ = self._ledger  # closed: say so before waiting
        async with self._transactions.run(self._documents, lambda: self._ledger) as transaction:
            yield transaction
        if transaction.appends:
            self._wake()

    def subscribe(self, after: int = 0) -> AsyncIterator[RecordedEvent]:
        """Yield what is there after `after`, then each new event as it is saved."""
        check_range(after, "after")
        _ = self._ledger  # closed: say so now, not at the first event
        return self._follow(after)

    async def _follow(self, position: int) -> AsyncIterator[RecordedEvent]:
        while True:
            for record in self._ledger.read_log(position, 1000, None):
                yield record
                position = record.position
            if self._ledger.head <= position:
                await self._sleep()

    async def _sleep(self) -> None:
        sleeper = asyncio.get_running_loop().create_future()
        self._sleepers.add(sleeper)
        try:
            await sleeper
        finally:
            self._sleepers.discard(sleeper)

    def _wake(self) -> None:
        for sleeper in self._sleepers:
            if not sleeper.done():
                sleeper.set_result(None)
