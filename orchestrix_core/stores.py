"""
The ports: what every event store offers, and what each method promises.

**Version** is the number of events in a stream. `expected_version` is `None` (any: the backend
retries inside and never conflicts), `0` (the stream must be new) or `n` (exactly n events are
there). `from_version=n` skips the first n events. The contract suite
(`orchestrix-contract-tests`) proves each promise for each backend.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from types import TracebackType
from typing import Final, Protocol, Self, runtime_checkable

from orchestrix_core.messages import Event
from orchestrix_core.records import RecordedEvent, Snapshot, StreamInfo, StreamWrite

__all__ = [
    "ASYNC",
    "CAPABILITIES",
    "DOCUMENTS",
    "GLOBAL_LOG",
    "MULTI_PROCESS",
    "MULTI_STREAM",
    "NOTIFY",
    "PERSISTENT",
    "SQL",
    "SYNC",
    "AsyncEventLog",
    "AsyncEventStore",
    "AsyncLifecycle",
    "AsyncStreamCatalog",
    "EventLog",
    "EventStore",
    "Lifecycle",
    "StreamCatalog",
]

PERSISTENT: Final = "persistent"
"""What was acknowledged is there after the process ends, however it ends."""
GLOBAL_LOG: Final = "global_log"
"""All streams can be read as one log in commit order (`EventLog`, `AsyncEventLog`)."""
MULTI_STREAM: Final = "multi_stream"
"""`save_all` appends to several streams, all or none."""
NOTIFY: Final = "notify"
"""`subscribe` is woken by a commit rather than by polling alone."""
MULTI_PROCESS: Final = "multi_process"
"""Several processes may use one store at a time."""
DOCUMENTS: Final = "documents"
"""Documents are kept beside the events and changed together with them (`AsyncDocumentStore`)."""
SQL: Final = "sql"
"""Transactions run SQL of the application's own (`SQLTransaction`)."""
SYNC: Final = "sync"
"""The methods are plain functions."""
ASYNC: Final = "async"
"""The methods are coroutine functions."""

CAPABILITIES: Final = frozenset(
    {PERSISTENT, GLOBAL_LOG, MULTI_STREAM, NOTIFY, MULTI_PROCESS, DOCUMENTS, SQL, SYNC, ASYNC}
)
"""Every capability that a backend may declare."""


@runtime_checkable
class AsyncLifecycle(Protocol):
    """
    Opening and closing; use before or after raises `StoreClosedError`.

    A store that inherits from it gets `async with` for nothing.
    """

    async def initialize(self) -> None:
        """Open the store and create what it needs; a second call does nothing."""

    async def close(self) -> None:
        """Let go of every resource; a second call does nothing."""

    async def ping(self) -> bool:
        """Return True when the backend answers."""
        ...

    async def __aenter__(self) -> Self:
        """Open the store."""
        await self.initialize()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the store, whatever happened."""
        await self.close()


@runtime_checkable
class AsyncEventStore(AsyncLifecycle, Protocol):
    """Streams of events with optimistic locking, trace lookup and snapshots."""

    async def save(
        self, aggregate_id: str, events: Sequence[Event], expected_version: int | None = None
    ) -> None:
        """
        Append all of `events` or none, in the given order.

        Repeating the very same save (same event ids, same explicit `expected_version`) succeeds
        and appends nothing. An empty `events` writes nothing but still checks the version.

        Raises:
            ConcurrencyError: the stream is at another version.
            DuplicateEventError: an event id is stored already.
            SerializationError: a value would not read back the same.
            ValueError, TypeError: an argument is not what it should be.
        """

    async def load(self, aggregate_id: str, from_version: int | None = 0) -> list[Event]:
        """Return the events after the first `from_version`, in order; unknown: `[]`."""
        ...

    async def load_by_trace(self, trace_id: str) -> list[Event]:
        """Return the events with this `trace_id` over all streams, in log order."""
        ...

    async def save_snapshot_async(self, snapshot: Snapshot) -> None:
        """Keep `snapshot` unless a newer one of the same aggregate is kept already."""

    async def load_snapshot_async(self, aggregate_id: str) -> Snapshot | None:
        """Return the newest snapshot of the aggregate, or None."""
        ...


@runtime_checkable
class AsyncEventLog(Protocol):
    """All streams as one log in commit order (capability `global_log`)."""

    async def save_all(self, writes: Sequence[StreamWrite]) -> None:
        """Append to several streams, all or none; a stream may stand in `writes` only once."""

    async def read_log(
        self, after: int = 0, limit: int = 1000, types: Collection[str] | None = None
    ) -> list[RecordedEvent]:
        """
        Return up to `limit` events with a position above `after`, in position order.

        Positions grow in commit order: who resumes after the highest position it has seen never
        misses an event. `types` keeps only these stored names.
        """
        ...

    async def head(self) -> int:
        """Return the highest committed position, 0 when the log is empty."""
        ...

    def subscribe(self, after: int = 0) -> AsyncIterator[RecordedEvent]:
        """Yield what is there after `after`, then each new event as it commits, for ever."""
        ...


@runtime_checkable
class AsyncStreamCatalog(Protocol):
    """Optional: a store that can list its streams without reading the log."""

    async def streams(self, after: str = "", limit: int = 1000) -> list[StreamInfo]:
        """Return up to `limit` streams with an id above `after`, in id order."""
        ...


@runtime_checkable
class Lifecycle(Protocol):
    """`AsyncLifecycle` as plain functions; a store that inherits from it gets `with`."""

    def initialize(self) -> None:
        """Open the store and create what it needs; a second call does nothing."""

    def close(self) -> None:
        """Let go of every resource; a second call does nothing."""

    def ping(self) -> bool:
        """Return True when the backend answers."""
        ...

    def __enter__(self) -> Self:
        """Open the store."""
        self.initialize()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the store, whatever happened."""
        self.close()


@runtime_checkable
class EventStore(Lifecycle, Protocol):
    """`AsyncEventStore` as plain functions; each keeps the same promises."""

    def save(
        self, aggregate_id: str, events: Sequence[Event], expected_version: int | None = None
    ) -> None:
        """Append all of `events` or none; see `AsyncEventStore.save`."""

    def load(self, aggregate_id: str, from_version: int = 0) -> list[Event]:
        """Return the events after the first `from_version`, in order; unknown: `[]`."""
        ...

    def load_by_trace(self, trace_id: str) -> list[Event]:
        """Return the events with this `trace_id` over all streams, in log order."""
        ...

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep `snapshot` unless a newer one of the same aggregate is kept already."""

    def load_snapshot(self, aggregate_id: str) -> Snapshot | None:
        """Return the newest snapshot of the aggregate, or None."""
        ...


@runtime_checkable
class EventLog(Protocol):
    """`AsyncEventLog` as plain functions; following live needs an async store."""

    def save_all(self, writes: Sequence[StreamWrite]) -> None:
        """Append to several streams, all or none; see `AsyncEventLog.save_all`."""

    def read_log(
        self, after: int = 0, limit: int = 1000, types: Collection[str] | None = None
    ) -> list[RecordedEvent]:
        """Return up to `limit` events above position `after`; see `AsyncEventLog.read_log`."""
        ...

    def head(self) -> int:
        """Return the highest committed position, 0 when the log is empty."""
        ...


@runtime_checkable
class StreamCatalog(Protocol):
    """`AsyncStreamCatalog` as plain functions."""

    def streams(self, after: str = "", limit: int = 1000) -> list[StreamInfo]:
        """Return up to `limit` streams with an id above `after`, in id order."""
        ...
