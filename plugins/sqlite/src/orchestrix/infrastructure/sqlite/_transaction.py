"""Transactions, as an application sees them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any, TypeVar

from orchestrix.infrastructure.sqlite import _collections, _statements
from orchestrix.infrastructure.sqlite._operations import Operations, Read
from orchestrix.infrastructure.sqlite._threads import Writer
from orchestrix.infrastructure.sqlite._turn import End, Turn
from orchestrix_core import Document, StorageError, StoreClosedError, StreamWrite
from orchestrix_core.documents import SQLTransaction

__all__ = ["Transaction", "Transactions"]

T = TypeVar("T")


class Transaction(SQLTransaction):
    """One that is open: each call is a step on the thread that writes."""

    def __init__(self, turn: Turn, operations: Operations) -> None:
        self._turn = turn
        self._operations = operations
        self._ended = False
        self._interrupted = False

    async def get(self, collection: str, key: str) -> Document | None:
        """Return a document, or None; nobody else changes anything until the transaction ends."""
        return await self._run(_collections.get_document(collection, key))

    async def find(
        self,
        collection: str,
        *,
        prefix: str = "",
        after: str = "",
        due: datetime | None = None,
        limit: int = 1000,
    ) -> list[Document]:
        """Return documents as `find_documents` does, with the changes of this transaction."""
        return await self._run(
            _collections.find_documents(
                collection, prefix=prefix, after=after, due=due, limit=limit
            )
        )

    async def put(
        self,
        collection: str,
        key: str,
        body: Mapping[str, Any],
        *,
        expect: int | None = None,
        due: datetime | None = None,
    ) -> int:
        """Write a document whole, and return its new revision."""
        return await self._run(
            _collections.put_document(collection, key, body, expect=expect, due=due)
        )

    async def delete(self, collection: str, key: str, *, expect: int | None = None) -> bool:
        """Remove a document; return whether it was there."""
        return await self._run(_collections.delete_document(collection, key, expect=expect))

    async def append(self, writes: Sequence[StreamWrite]) -> None:
        """Append to several streams, all or none; stored when the transaction is."""
        await self._run(self._operations.save_all(writes))
        self._turn.wakes = True

    async def execute(self, statement: str, *arguments: Any) -> int:
        """Run one statement, its parameters written `$1`, `$2`; return how many rows it changed."""
        return await self._run(_statements.execute(statement, arguments))

    async def fetch(self, statement: str, *arguments: Any) -> list[sqlite3.Row]:
        """Run one query and return its rows, whose values are found by index and by name."""
        return await self._run(_statements.fetch(statement, arguments))

    async def _run(self, step: Read[T]) -> T:
        if self._ended:
            msg = "the block of this transaction has ended: begin a new transaction"
            raise RuntimeError(msg)
        future: asyncio.Future[T] = self._turn.submit(step)
        try:
            return await future
        except asyncio.CancelledError:
            self._interrupted = True
            raise

    async def begin(self) -> None:
        """Wait for the turn."""
        try:
            await self._turn.begun
        except BaseException:
            self.leave()
            raise

    async def commit(self) -> None:
        """End well, unless it is unknown what was done."""
        if not self._interrupted:
            await self._end(End.COMMIT)
            return
        await self._end(End.UNDO)
        msg = (
            "a call in this transaction was cancelled, and may have been done or not: nothing of "
            "the transaction was stored; repeat it"
        )
        raise StorageError(msg)

    async def undo(self) -> None:
        """End, and leave nothing."""
        with suppress(StoreClosedError):  # the error of the block says more
            await self._end(End.UNDO)

    def leave(self) -> None:
        """Have it undone soon; for where nothing can be awaited."""
        self._ended = True
        with suppress(StoreClosedError):
            self._turn.submit(End.UNDO)

    async def _end(self, end: End) -> None:
        self._ended = True
        await self._turn.submit(end)


class Transactions:
    """Those that are open, at most one in each task."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any] | None] = set()

    def require_none(self) -> None:
        """Refuse what would wait for a transaction that waits for it."""
        if self._tasks and asyncio.current_task() in self._tasks:
            msg = (
                "this task is inside a transaction: append with the transaction's own append(), "
                "and leave its block before anything else is written or begun"
            )
            raise RuntimeError(msg)

    @asynccontextmanager
    async def begin(
        self, writer: Writer, operations: Operations, store: str
    ) -> AsyncIterator[Transaction]:
        """Wait for the writer, and keep it for the block."""
        self.require_none()
        task, turn = asyncio.current_task(), Turn(store)
        transaction = Transaction(turn, operations)
        writer.take(turn)
        await transaction.begin()
        self._tasks.add(task)
        try:
            yield transaction
        except GeneratorExit:  # the task was thrown away in the middle of the block
            transaction.leave()
            raise
        except BaseException:
            await transaction.undo()
            raise
        else:
            await transaction.commit()
        finally:
            self._tasks.discard(task)
