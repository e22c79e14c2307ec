"""The transactions that are open, at most one in each task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from orchestrix.infrastructure.postgres._database import Database
from orchestrix.infrastructure.postgres._operations import Operations
from orchestrix.infrastructure.postgres._transaction import Transaction

__all__ = ["Transactions"]


class Transactions:
    """`committed` is called after each commit that stored events."""

    def __init__(
        self,
        database: Database,
        operations: Operations,
        store: str,
        committed: Callable[[], None],
    ) -> None:
        self._database = database
        self._operations = operations
        self._store = store
        self._committed = committed
        self._open: dict[asyncio.Task[Any] | None, Transaction] = {}
        self._endings: set[asyncio.Task[None]] = set()

    def require_none(self) -> None:
        """Refuse what would not belong to the transaction it is in, or would wait for it."""
        if self._open and asyncio.current_task() in self._open:
            msg = (
                "this task is inside a transaction: append with the transaction's own append(), "
                "and leave its block before anything else is written or begun"
            )
            raise RuntimeError(msg)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        """Run the block in a transaction."""
        self.require_none()
        task = asyncio.current_task()
        transaction = Transaction(self._database, self._operations, self._store)
        self._open[task] = transaction
        try:
            await transaction.begin()
            yield transaction
        except GeneratorExit:  # the task was thrown away in the middle of the block
            self._start(transaction.undo())
            raise
        except BaseException:
            transaction.end()
            await asyncio.shield(self._start(transaction.undo()))
            raise
        else:
            await asyncio.shield(self._start(self._commit(transaction)))
        finally:
            transaction.end()
            del self._open[task]

    async def _commit(self, transaction: Transaction) -> None:
        try:
            await transaction.commit()
        except BaseException:
            await transaction.undo()
            raise
        if transaction.appended:
            self._committed()

    def _start(self, ending: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """End a transaction in a task of its own, which no cancellation interrupts."""
        task = asyncio.create_task(ending, name="orchestrix-postgres-transaction-end")
        self._endings.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._endings.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited was told; a cancelled one waits no more

    async def close(self) -> None:
        """Undo those that are open, and wait for those that end."""
        for transaction in list(self._open.values()):
            self._start(transaction.undo())
        if self._endings:
            await asyncio.wait(set(self._endings))
