"""
The port for what an application keeps beside its events, and changes together with them.

Documents are JSON objects with a key in a named collection: the read models of projections, the
checkpoints and leases of subscriptions, timers, dead letters, the results of commands. A
transaction changes documents, and may append events, all or nothing. A store that offers this
declares the capability `documents`; one whose transactions also run SQL of the application's own
declares `sql` as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import attrs

from orchestrix_core.records import StreamWrite

__all__ = ["AsyncDocumentStore", "Document", "SQLTransaction", "Transaction"]


@attrs.frozen(kw_only=True)
class Document:
    """
    A document as it was read.

    Attributes:
        collection: what it is one of.
        key: its name there; keys sort by code point.
        body: its JSON object: str, int, float, bool, None, lists, and dicts with str keys.
        revision: how often it was written since it was made; from 1.
        due: when it wants to be looked at, aware; None: never.
    """

    collection: str
    key: str
    body: dict[str, Any]
    revision: int
    due: datetime | None = None


class Transaction(Protocol):
    """
    Reads and changes that become visible together, when the block ends without an exception.

    It sees its own changes. A change that is refused changes nothing; where the exception is
    caught inside the block, the rest still commits.
    """

    async def get(self, collection: str, key: str) -> Document | None:
        """Return a document, or None; nobody else changes it until the transaction ends."""
        ...

    async def find(
        self,
        collection: str,
        *,
        prefix: str = "",
        after: str = "",
        due: datetime | None = None,
        limit: int = 1000,
    ) -> list[Document]:
        """Return documents without keeping others from changing them; see the store's."""
        ...

    async def put(
        self,
        collection: str,
        key: str,
        body: Mapping[str, Any],
        *,
        expect: int | None = None,
        due: datetime | None = None,
    ) -> int:
        """
        Write a document whole, and return its new revision.

        `expect` is the revision that must be there, 0 for none; None: whatever is there.

        Raises:
            RevisionConflictError: another revision is there.
            SerializationError: the body would not read back the same.
            ValueError, TypeError: an argument is not what it should be.
        """
        ...

    async def delete(self, collection: str, key: str, *, expect: int | None = None) -> bool:
        """Remove a document; return whether it was there. `expect` as for `put`."""
        ...

    async def append(self, writes: Sequence[StreamWrite]) -> None:
        """
        Append events with the promises of `save_all`; the last thing to do in a transaction.

        From here to the end of the block other appends may have to wait.
        """


class SQLTransaction(Transaction, Protocol):
    """A transaction in which the application runs statements of its own (capability `sql`)."""

    async def execute(self, statement: str, *arguments: Any) -> int:
        """Run one statement, its parameters written `$1`, `$2`; return how many rows it changed."""
        ...

    async def fetch(self, statement: str, *arguments: Any) -> list[Any]:
        """Run one query and return its rows, whose values are found by index and by name."""
        ...


@runtime_checkable
class AsyncDocumentStore(Protocol):
    """Documents beside events (capability `documents`)."""

    async def get_document(self, collection: str, key: str) -> Document | None:
        """Return a committed document, or None."""
        ...

    async def find_documents(
        self,
        collection: str,
        *,
        prefix: str = "",
        after: str = "",
        due: datetime | None = None,
        limit: int = 1000,
    ) -> list[Document]:
        """
        Return up to `limit` committed documents whose key starts with `prefix`.

        They come in the order of their keys, from above `after`. With `due`, only those that are
        due at that moment or before come, in the order in which they are due, then of their keys.
        """
        ...

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """
        Return a transaction for one `async with`; an exception inside undoes it.

        One task has one transaction at a time. Inside it, events are appended by
        `Transaction.append`: a `save` of the store itself is refused, or waits for nothing but
        does not belong to the transaction.
        """
        ...
