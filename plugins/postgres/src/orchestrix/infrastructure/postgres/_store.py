"""The store, as an application sees it."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NoReturn

from orchestrix.infrastructure.postgres import _collections
from orchestrix.infrastructure.postgres._config import Payload, PostgreSQLConfig
from orchestrix.infrastructure.postgres._errors import ConnectionLostError
from orchestrix.infrastructure.postgres._session import Session
from orchestrix.infrastructure.postgres._transaction import Transaction
from orchestrix_core import (
    Document,
    Event,
    RecordedEvent,
    Serializer,
    Snapshot,
    StorageError,
    StoreClosedError,
    StreamInfo,
    StreamWrite,
)
from orchestrix_core.secrets import mask
from orchestrix_core.stores import AsyncLifecycle

__all__ = ["PostgreSQLEventStore"]

_log = logging.getLogger(__name__)

_PAGE: Final = 500  # events that a subscription reads at a time


class _Opening:
    """What changes in a store that is frozen: whether it is open."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.session: Session | None = None


@dataclass(frozen=True)
class PostgreSQLEventStore(AsyncLifecycle):
    """
    An event store in a PostgreSQL database, for any number of processes.

    Args:
        connection_string: address of the database, `postgresql://user:password@host:5432/name`.
        pool_min_size: connections opened at the start and kept.
        pool_max_size: connections at most; a store that is subscribed to has one more.
        pool_timeout: seconds to wait for a free connection before `StorageError`.
        schema: where the tables stand; made if it is missing.
        payload: type of the column with the documents, "json" or "jsonb".
        statement_cache_size: prepared statements for each connection; 0 for a pooler such as
            PgBouncer in transaction mode.
        poll_interval: seconds between two looks of a subscription that was not woken.
        idle_timeout: seconds after which the server undoes a transaction whose program does
            nothing; not behind a pooler.
        create: whether to make or upgrade the tables; without, missing ones are a `StorageError`.
        serializer: takes the place of the default `JSONSerializer`.
    """

    connection_string: str
    pool_min_size: int = 10
    pool_max_size: int = 50
    pool_timeout: float = 30.0
    schema: str = field(default="public", kw_only=True)
    payload: Payload = field(default="json", kw_only=True)
    statement_cache_size: int = field(default=100, kw_only=True)
    poll_interval: float = field(default=1.0, kw_only=True)
    idle_timeout: float = field(default=300.0, kw_only=True)
    create: bool = field(default=True, kw_only=True)
    serializer: Serializer | None = field(default=None, kw_only=True, compare=False)
    _opening: _Opening = field(init=False, compare=False, default_factory=_Opening)

    def __post_init__(self) -> None:
        self._config()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({mask(self.connection_string)!r}, schema={self.schema!r})"

    def _config(self) -> PostgreSQLConfig:
        return PostgreSQLConfig(
            connection_string=self.connection_string,
            pool_min_size=self.pool_min_size,
            pool_max_size=self.pool_max_size,
            pool_timeout=self.pool_timeout,
            schema=self.schema,
            payload=self.payload,
            statement_cache_size=self.statement_cache_size,
            poll_interval=self.poll_interval,
            idle_timeout=self.idle_timeout,
            create=self.create,
        )

    async def initialize(self) -> None:
        """Open the pool and create or upgrade the tables; a second call does nothing."""
        opening = self._opening
        async with opening.lock:
            if opening.session is None:
                session = Session(self._config(), repr(self), self.serializer)
                await session.open()
                opening.session = session

    async def close(self) -> None:
        """
        Finish what runs and let go of every connection; a second call does nothing.

        A transaction that is open is undone.
        """
        opening = self._opening
        session, opening.session = opening.session, None  # from here on, nothing new gets in
        async with opening.lock:
            if session is not None:
                await session.close()

    def _opened(self) -> Session:
        session = self._opening.session
        if session is None:
            raise StoreClosedError(repr(self))
        if session.process != os.getpid():
            msg = (
                f"{self!r} was opened before this process was forked, and connections must not "
                "cross a fork: open a store in each process"
            )
            raise StorageError(msg)
        if session.loop is not asyncio.get_running_loop():
            msg = f"{self!r} was opened in another event loop: open a store in each"
            raise StorageError(msg)
        return session

    def _writable(self) -> Session:
        session = self._opened()
        session.transactions.require_none()
        return session

    async def ping(self) -> bool:
        """Ask the server; `StorageError` says why that failed."""
        await self._opened().operations.head()
        return True

    async def about(self) -> dict[str, str]:
        """Return the version of the server, for reports."""
        return {"PostgreSQL": await self._opened().operations.server()}

    async def save(
        self, aggregate_id: str, events: Sequence[Event], expected_version: int | None = None
    ) -> None:
        """
        Append all of `events` or none; durable when this returns.

        Cancelled, it has stored all or none as well: repeat the very same call to be sure.
        """
        session = self._writable()
        append = session.operations.append(aggregate_id, events, expected_version)
        await session.writer.write(append)

    async def save_all(self, writes: Sequence[StreamWrite]) -> None:
        """Append to several streams, all or none."""
        session = self._writable()
        await session.writer.write(session.operations.append_all(writes))

    async def load(self, aggregate_id: str, from_version: int | None = None) -> list[Event]:
        """Return the events after the first `from_version`, in order; unknown: `[]`."""
        pages = self._opened().operations.stream(aggregate_id, from_version)
        return [event async for page in pages for event in page]

    async def stream(
        self, aggregate_id: str, from_version: int | None = None
    ) -> AsyncGenerator[Event, None]:
        """Yield what `load` returns, a page in memory at a time, for streams of any length."""
        async for page in self._opened().operations.stream(aggregate_id, from_version):
            for event in page:
                yield event

    async def load_by_trace(self, trace_id: str) -> list[Event]:
        """Return the events with this `trace_id` over all streams, in log order."""
        pages = self._opened().operations.trace(trace_id)
        return [event async for page in pages for event in page]

    async def save_snapshot_async(self, snapshot: Snapshot) -> None:
        """Keep `snapshot` unless a newer one of the same aggregate is kept already."""
        await self._writable().operations.save_snapshot(snapshot)

    async def load_snapshot_async(self, aggregate_id: str) -> Snapshot | None:
        """Return the newest snapshot of the aggregate, or None."""
        return await self._opened().operations.load_snapshot(aggregate_id)

    def save_snapshot(self, snapshot: Snapshot) -> NoReturn:
        """Refuse: this store is async."""
        msg = "save_snapshot would block the event loop: await save_snapshot_async(snapshot)"
        raise NotImplementedError(msg)

    def load_snapshot(self, aggregate_id: str) -> NoReturn:
        """Refuse: this store is async."""
        msg = "load_snapshot would block the event loop: await load_snapshot_async(aggregate_id)"
        raise NotImplementedError(msg)

    async def read_log(
        self, after: int = 0, limit: int = 1000, types: Collection[str] | None = None
    ) -> list[RecordedEvent]:
        """Return up to `limit` events above position `after`; `types` keeps only these names."""
        return await self._opened().operations.read_log(after, limit, types)

    async def head(self) -> int:
        """Return the highest committed position, 0 when the log is empty."""
        return await self._opened().operations.head()

    async def streams(self, after: str = "", limit: int = 1000) -> list[StreamInfo]:
        """Return up to `limit` streams with an id above `after`, in id order."""
        return await self._opened().operations.streams(after, limit)

    async def get_document(self, collection: str, key: str) -> Document | None:
        """Return a committed document, or None."""
        return await self._opened().ask(_collections.get(collection, key))

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
        question = _collections.find(collection, prefix=prefix, after=after, due=due, limit=limit)
        return await self._opened().ask(question)

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """
        Return a transaction for one `async with`; an exception inside undoes it.

        It holds a connection, and a lock on each document it has touched, until its end.
        """
        return self._opened().transactions.begin()

    async def subscribe(self, after: int = 0) -> AsyncGenerator[RecordedEvent, None]:
        """
        Yield what is there after `after`, then each new event as it commits, for ever.

        A commit of this process is seen at once, one of another when its notification comes, or
        within `poll_interval` when that is lost. While the server cannot be reached, this waits.

        Raises:
            StoreClosedError: the store was closed, also while this waited.
        """
        session = self._opened()
        session.listener.start()
        while True:
            seen = session.signal.count
            try:
                page = await session.operations.read_log(after, _PAGE, None)
            except ConnectionLostError as error:
                _log.warning("a subscription waits for the server: %s", error)
                page = []
            for record in page:
                yield record
                after = record.position
            if not page and not session.ended:
                await session.signal.wait_beyond(seen, self.poll_interval)
            if session.ended:
                raise StoreClosedError(repr(self))
