"""Transactions over a ledger and documents, one after another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from orchestrix.infrastructure.memory._documents import DocumentDraft, Documents
from orchestrix.infrastructure.memory._ledger import Ledger, LedgerDraft
from orchestrix_core import Document, StreamWrite, Transaction

__all__ = ["Transactions"]


class Transactions:
    """
    Whose turn it is.

    Transactions have no others beside them: so nobody changes what one has read. A save of the
    store goes on beside them until one appends; then it waits, or the versions that the append was
    checked against would no longer hold when it commits.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._log = asyncio.Event()  # set while no transaction has appended
        self._log.set()
        self._holder: asyncio.Task[Any] | None = None

    @property
    def open(self) -> bool:
        """Whether a transaction is open: then a save has to `pass_by`."""
        return self._holder is not None

    async def pass_by(self) -> None:
        """Wait until a save may go ahead; in a transaction's own task it would wait for itself."""
        if asyncio.current_task() is self._holder:
            msg = "this task has an open transaction: append in it, or save after its end"
            raise RuntimeError(msg)
        while not self._log.is_set():
            await self._log.wait()

    @asynccontextmanager
    async def run(
        self, documents: Documents, ledger: Callable[[], Ledger]
    ) -> AsyncIterator[_Transaction]:
        """Run a transaction when its turn comes; `ledger` raises when the store is closed."""
        task = asyncio.current_task()
        if self._holder is not None and self._holder is task:
            msg = "this task has an open transaction already: use that one, or end it first"
            raise RuntimeError(msg)
        async with self._turn:
            transaction = _Transaction(documents.draft(), ledger, self._log)
            self._holder = task
            try:
                yield transaction
                transaction.commit()
            finally:
                self._holder = None
                transaction.end()


class _Transaction(Transaction):
    """Drafts that become real in one step, or never."""

    def __init__(
        self, documents: DocumentDraft, ledger: Callable[[], Ledger], log: asyncio.Event
    ) -> None:
        self._documents = documents
        self._ledger = ledger
        self._log = log
        self._appended: LedgerDraft | None = None
        self._ended = False

    async def get(self, collection: str, key: str) -> Document | None:
        """Return a document, or None; nobody else changes it until the transaction ends."""
        return self._draft().get(collection, key)

    async def find(
        self,
        collection: str,
        *,
        prefix: str = "",
        after: str = "",
        due: datetime | None = None,
        limit: int = 1000,
    ) -> list[Document]:
        """Return documents as this transaction would leave them."""
        return self._draft().find(collection, prefix, after, due, limit)

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
        return self._draft().put(collection, key, body, expect, due)

    async def delete(self, collection: str, key: str, *, expect: int | None = None) -> bool:
        """Remove a document; return whether it was there."""
        return self._draft().delete(collection, key, expect)

    async def append(self, writes: Sequence[StreamWrite]) -> None:
        """Append events; from here to the end of the block, other saves wait."""
        self._draft()
        if self._appended is None:
            self._appended = self._ledger().draft()
            self._log.clear()
        self._appended.append(writes)

    def _draft(self) -> DocumentDraft:
        if self._ended:
            msg = "the transaction has ended: its methods are for the inside of its block"
            raise RuntimeError(msg)
        self._ledger()  # closed: say so
        return self._documents

    @property
    def appends(self) -> bool:
        """Whether it appends events."""
        return self._appended is not None

    def commit(self) -> None:
        """Make it all real; nothing in here waits or fails, so nobody sees a part of it."""
        self._draft()
        if self._appended is not None:
            self._appended.commit()
        self._documents.commit()

    def end(self) -> None:
        """Refuse every later use, and let others append."""
        self._ended = True
        self._log.set()
