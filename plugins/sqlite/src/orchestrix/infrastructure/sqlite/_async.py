"""The store for asyncio: the event loop never waits for the disk."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Final, TypeVar

from orchestrix.infrastructure.sqlite import _collections, _maintenance
from orchestrix.infrastructure.sqlite._config import SQLiteConfig, Synchronous
from orchestrix.infrastructure.sqlite._database import Database
from orchestrix.infrastructure.sqlite._operations import Operations, Read, Write, head
from orchestrix.infrastructure.sqlite._signal import Signal
from orchestrix.infrastructure.sqlite._threads import Watcher, Writer
from orchestrix.infrastructure.sqlite._transaction import Transaction, Transactions
from orchestrix_core import (
    Document,
    Event,
    JSONSerializer,
    RecordedEvent,
    Serializer,
    Snapshot,
    StoreClosedError,
    StreamInfo,
    StreamWrite,
)
from orchestrix_core.stores import AsyncLifecycle

__all__ = ["SQLiteEventStore"]

T = TypeVar("T")

_PAGE: Final = 500  # events that a subscription reads at a time


class _Session:
    """What a store has while it is open: the threads, and the signal between them."""

    def __init__(self, database: Database, store: str) -> None:
        self.signal = Signal()
        self.leaving = False
        self.ended = False
        self.writer = Writer(database, self.signal.raise_, store)
        self.transactions = Transactions()
        self.readers = ThreadPoolExecutor(
            database.config.readers, thread_name_prefix="orchestrix-sqlite-reader"
        )
        self._database = database
        self._lock = Lock()
        self._watcher: Watcher | None = None

    def watch(self) -> None:
        """Begin, with the first subscription, to look for what other processes commit."""
        with self._lock:
            if self._watcher is None and not self.ended:
                signal = self.signal
                self._watcher = Watcher(
                    self._database, lambda: signal.is_awaited, self.signal.raise_
                )

    def end(self) -> None:
        """Tell the subscriptions, then wait for every thread."""
        with self._lock:
            self.ended = True
        self.signal.raise_()
        if self._watcher is not None:
            self._watcher.stop()
        self.writer.stop()
        self.readers.shutdown()


class SQLiteEventStore(AsyncLifecycle):
    """
    An event store in one SQLite file, which other processes may use at the same time.

    Args:
        path: the database file; its directory must exist.
        synchronous: "full" syncs each commit to the disk; with "normal" a power failure may take
            the last commits, never the file.
        busy_timeout: seconds to wait for another process's write before `StorageError`.
        readers: how many reads run at a time.
        poll_interval: seconds between two looks for what other processes have committed.
        create: whether to make a missing file; without, opening one is a `StorageError`.
        serializer: takes the place of the default `JSONSerializer`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: Synchronous = "full",
        busy_timeout: float = 30.0,
        readers: int = 2,
        poll_interval: float = 0.025,
        create: bool = True,
        serializer: Serializer | None = None,
    ) -> None:
        config = SQLiteConfig(
            path=Path(path),
            synchronous=synchronous,
            busy_timeout=busy_timeout,
            readers=readers,
            poll_interval=poll_interval,
            create=create,
        )
        self._config = config
        self._database = Database(config, repr(self))
        self._operations = Operations(serializer or JSONSerializer())
        self._lifecycle = Lock()
        self._session: _Session | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._config.path)!r})"

    async def initialize(self) -> None:
        """Open the file and create or upgrade its schema; a second call does nothing."""
        await _to_the_end(self._open, undo=self._close)

    async def close(self) -> None:
        """
        Finish what runs and let go of the file; a second call does nothing.

        A transaction that is open is undone.
        """
        if self._session is not None:
            self._session.leaving = True  # from here on, nothing new gets in
        await _to_the_end(self._close)

    def _open(self) -> None:
        with self._lifecycle:
            if self._session is None:
                self._database.open()
                self._session = _Session(self._database, repr(self))

    def _close(self) -> None:
        with self._lifecycle:  # of two that close at once, the second waits for the first
            if self._session is not None:
                self._session.end()  # first, since a transaction may hold the connection
                self._session = None
            self._database.close()

    def _opened(self) -> _Session:
        if self._session is None or self._session.leaving:
            raise StoreClosedError(repr(self))
        self._database.require_open()  # a forked process has none of the threads
        return self._session

    async def _write(self, operation: Write) -> None:
        session = self._opened()
        session.transactions.require_none()
        await session.writer.submit(operation)

    async def _read(self, operation: Read[T]) -> T:
        loop = asyncio.get_running_loop()
        readers = self._opened().readers
        return await loop.run_in_executor(readers, self._database.read, operation)

    async def ping(self) -> bool:
        """Read from the file; `StorageError` says why that failed."""
        await self._read(head)
        return True

    async def about(self) -> dict[str, str]:
        """Return the version of SQLite, for reports."""
        return {"SQLite": sqlite3.sqlite_version}

    async def save(
        self, aggregate_id: str, events: Sequence[Event], expected_version: int | None = None
    ) -> None:
        """
        Append all of `events` or none; durable when this returns.

        Cancelled, it has stored all or none as well: repeat the very same call to be sure.
        """
        await self._write(self._operations.save(aggregate_id, events, expected_version))

    async def save_all(self, writes: Sequence[StreamWrite]) -> None:
        """Append to several streams, all or none."""
        await self._write(self._operations.save_all(writes))

    async def load(self, aggregate_id: str, from_version: int | None = 0) -> list[Event]:
        """Return the events after the first `from_version`, in order; unknown: `[]`."""
        return await self._read(self._operations.load(aggregate_id, from_version))

    async def load_by_trace(self, trace_id: str) -> list[Event]:
        """Return the events with this `trace_id` over all streams, in log order."""
        return await self._read(self._operations.load_by_trace(trace_id))

    async def save_snapshot_async(self, snapshot: Snapshot) -> None:
        """Keep `snapshot` unless a newer one of the same aggregate is kept already."""
        await self._write(self._operations.save_snapshot(snapshot))

    async def load_snapshot_async(self, aggregate_id: str) -> Snapshot | None:
        """Return the newest snapshot of the aggregate, or None."""
        return await self._read(self._operations.load_snapshot(aggregate_id))

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """Do as `save_snapshot_async` does."""
        await self.save_snapshot_async(snapshot)

    async def load_snapshot(self, aggregate_id: str) -> Snapshot | None:
        """Do as `load_snapshot_async` does."""
        return await self.load_snapshot_async(aggregate_id)

    async def read_log(
        self, after: int = 0, limit: int = 1000, types: Collection[str] | None = None
    ) -> list[RecordedEvent]:
        """Return up to `limit` events above position `after`; `types` keeps only these names."""
        return await self._read(self._operations.read_log(after, limit, types))

    async def head(self) -> int:
        """Return the highest committed position, 0 when the log is empty."""
        return await self._read(head)

    async def streams(self, after: str = "", limit: int = 1000) -> list[StreamInfo]:
        """Return up to `limit` streams with an id above `after`, in id order."""
        return await self._read(self._operations.streams(after, limit))

    async def get_document(self, collection: str, key: str) -> Document | None:
        """Return a committed document, or None."""
        return await self._read(_collections.get_document(collection, key))

    async def find_documents(
        self,
        collection: str,
        *,
        prefix: str = "",
        after: str = "",
        due: datetime | None = None,
        limit: int = 1000,
    ) -> list[Document]:
        """Return committed documents whose key starts with `prefix`, by key or by due time."""
        return await self._read(
            _collections.find_documents(
                collection, prefix=prefix, after=after, due=due, limit=limit
            )
        )

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """
        Return a transaction for one `async with`; an exception inside undoes it.

        While it is open nobody else writes to the file, in this process or another: keep it short,
        and await in it nothing but the transaction.
        """
        session = self._opened()
        return session.transactions.begin(session.writer, self._operations, repr(self))

    async def subscribe(self, after: int = 0) -> AsyncGenerator[RecordedEvent, None]:
        """
        Yield what is there after `after`, then each new event as it commits, for ever.

        A commit of this process is seen at once, one of another within `poll_interval`.

        Raises:
            StoreClosedError: the store was closed, also while this waited.
        """
        session = self._opened()
        await asyncio.to_thread(session.watch)
        while True:
            seen = session.signal.count
            page = await self._read(self._operations.read_log(after, _PAGE, None))
            for record in page:
                yield record
                after = record.position
            if not page:
                await session.signal.wait_beyond(seen)
            if session.ended:
                raise StoreClosedError(repr(self))

    async def integrity_check(self) -> list[str]:
        """Return what is wrong with the file, `[]` for a sound one; reads all of it."""
        return await self._read(_maintenance.problems)

    async def backup(self, target: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """
        Copy the last committed state to `target` while the store is in use.

        The copy appears whole or not at all, and opens as a store of its own.

        Raises:
            FileExistsError: `target` exists, and `overwrite` is not set.
        """
        source = self._config.path
        await self._read(_maintenance.backup(source, Path(target), overwrite=overwrite))


async def _to_the_end(step: Callable[[], None], *, undo: Callable[[], None] | None = None) -> None:
    """Run `step` on a thread; a cancelled caller waits for its end, so that nothing is left."""
    running = asyncio.ensure_future(asyncio.to_thread(step))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        if undo is not None:
            await asyncio.to_thread(undo)
        raise
