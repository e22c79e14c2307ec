"""
Who may work on a partition: a lease, kept in the document that holds the partition's position.

Nobody compares clocks. The holder changes the document again and again, and who finds it unchanged
for as long as the lease lasts, by a clock of its own, takes it over with a new epoch. Whatever the
former holder wants to commit from then on is refused, since each commit of a partition asks, in its
own transaction, whether owner and epoch are still its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from orchestrix_core.documents import Document, Transaction
from orchestrix_core.errors import RevisionConflictError
from orchestrix_core.subscriptions._checkpoints import CHECKPOINTS
from orchestrix_core.subscriptions._subscription import Subscription

__all__ = ["Lease", "LeaseLost", "PositionMoved"]


class LeaseLost(Exception):
    """Another worker has the partition."""


class PositionMoved(Exception):
    """The stored position is ahead: a commit that seemed to fail did not."""

    def __init__(self, position: int) -> None:
        self.position = position
        super().__init__(position)


class Lease:
    """
    The right to work on one partition, once claimed, for as long as nobody took it over.

    Args:
        seen: the partition's checkpoint, as it was when it was found free.

    Attributes:
        key: of the partition's checkpoint.
        position: every event up to here was handled or set aside.
        stored: the position that is known to be stored.
        expires: when others may take over, by the event loop's clock.
    """

    def __init__(self, seen: Document, owner: str, seconds: float) -> None:
        self.key = seen.key
        self.position: int = seen.body["position"]
        self.stored = self.position
        self.expires = 0.0
        self._seen = seen
        self._owner = owner
        self._epoch: int = seen.body["epoch"] + 1
        self._seconds = seconds
        self._limit: asyncio.Timeout | None = None

    async def claim(self, store: Any, subscription: Subscription) -> bool:
        """Take the partition over; False when it has changed since it was seen: somebody lives."""
        began = asyncio.get_running_loop().time()
        try:
            async with store.transaction() as transaction:
                header = await transaction.get(CHECKPOINTS, subscription.name)
                if header is None or header.body["partitions"] != subscription.partitions:
                    return False  # laid out anew since it was seen
                await self._put(transaction, self._seen, self.position, self._owner)
        except RevisionConflictError:
            return False
        self._renewed(began)
        return True

    async def commit(self, transaction: Transaction, position: int) -> None:
        """
        Store a new position with what else the transaction does; its last step.

        Raises:
            LeaseLost: it is not ours any more.
            PositionMoved: it was stored already, so what the transaction does was done.
        """
        document = await self._mine(transaction)
        if document.body["position"] > self.position:
            raise PositionMoved(document.body["position"])
        await self._put(transaction, document, position, self._owner)

    def committed(self, position: int, began: float) -> None:
        """Take note that `commit` took effect, in a transaction begun at that time."""
        self.position = self.stored = position
        self._renewed(began)

    async def renew(self, transaction: Transaction) -> int | None:
        """Show that the holder is alive; return the position stored, None when it was lost."""
        try:
            document = await self._mine(transaction)
        except LeaseLost:
            return None
        # The stored position may be ahead: of a commit whose answer is still on its way.
        position: int = max(self.position, document.body["position"])
        await self._put(transaction, document, position, self._owner)
        return position

    def renewed(self, position: int, began: float) -> None:
        """Take note that `renew` took effect, with that position."""
        self.stored = max(self.stored, position)
        self._renewed(began)

    async def look(self, store: Any) -> None:
        """Raise `LeaseLost` or `PositionMoved` where a commit would, without one."""
        document = await store.get_document(CHECKPOINTS, self.key)
        if self._check(document).body["position"] > self.position:
            raise PositionMoved(document.body["position"])

    async def release(self, transaction: Transaction) -> None:
        """Give it back, with how far it has got; nothing happens when it is not ours any more."""
        try:
            document = await self._mine(transaction)
        except LeaseLost:
            return
        position = max(self.position, document.body["position"])
        await self._put(transaction, document, position, None)

    @asynccontextmanager
    async def holding(self) -> AsyncIterator[None]:
        """Cancel the block, and raise `LeaseLost`, when the lease runs out unrenewed meanwhile."""
        try:
            async with asyncio.timeout_at(self.expires) as limit:
                self._limit = limit
                yield
        except TimeoutError:
            if limit.expired():
                raise LeaseLost(self.key) from None
            raise
        finally:
            self._limit = None

    def _renewed(self, began: float) -> None:
        self.expires = max(self.expires, began + self._seconds)
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(self.expires)

    async def _mine(self, transaction: Transaction) -> Document:
        return self._check(await transaction.get(CHECKPOINTS, self.key))

    def _check(self, document: Document | None) -> Document:
        if document is None:
            raise LeaseLost(self.key)
        if (document.body["owner"], document.body["epoch"]) != (self._owner, self._epoch):
            raise LeaseLost(self.key)
        return document

    async def _put(
        self, transaction: Transaction, document: Document, position: int, owner: str | None
    ) -> None:
        body = {
            "position": position,
            "owner": owner,
            "epoch": self._epoch,
            "lease": self._seconds,
        }
        await transaction.put(CHECKPOINTS, self.key, body, expect=document.revision)
