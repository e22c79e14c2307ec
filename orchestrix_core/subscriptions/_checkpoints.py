"""The documents of a subscription: how many partitions it has, and where each stands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Final

from orchestrix_core.documents import Document, Transaction
from orchestrix_core.errors import PartitionMismatchError, RevisionConflictError
from orchestrix_core.subscriptions._subscription import Subscription

__all__ = ["CHECKPOINTS", "checkpoint_key", "documents_in", "forget", "letters_of", "prepare"]

CHECKPOINTS: Final = "subscriptions"
"""
The collection of all checkpoints.

NAME says how many partitions there are, NAME/NUMBER where that one stands and who holds it.
"""

_PAGE: Final = 1000


def checkpoint_key(name: str, partition: int) -> str:
    """Return the key of a partition's checkpoint."""
    return f"{name}/{partition}"


def letters_of(name: str) -> str:
    """Return the collection of a subscription's dead letters."""
    return f"dead-letters/{name}"


async def documents_in(
    store: Any, collection: str, prefix: str = "", due: datetime | None = None
) -> AsyncIterator[Document]:
    """Yield every document that `find_documents` would without a limit, read a page at a time."""
    after = ""
    while True:
        page = await store.find_documents(
            collection, prefix=prefix, after=after, due=due, limit=_PAGE
        )
        for document in page:
            yield document
        if len(page) < _PAGE:
            return
        after = page[-1].key


async def prepare(store: Any, subscription: Subscription) -> None:
    """
    See to it that the documents of the subscription are there, with its number of partitions.

    Raises:
        PartitionMismatchError: there is another number, and it cannot change now.
    """
    name, wanted = subscription.name, subscription.partitions
    while True:
        header = await store.get_document(CHECKPOINTS, name)
        if header is not None and header.body["partitions"] == wanted:
            return
        start = await store.head() if subscription.start == "now" else 0
        try:
            async with store.transaction() as transaction:
                await _lay_out(transaction, name, header, wanted, start)
        except RevisionConflictError:
            continue  # another worker was faster: look at what it made
        return


async def _lay_out(
    transaction: Transaction, name: str, header: Document | None, wanted: int, start: int
) -> None:
    """Write the header first: who claims a partition reads it first, and waits there."""
    revision = 0 if header is None else header.revision
    await transaction.put(CHECKPOINTS, name, {"partitions": wanted}, expect=revision)
    if header is not None:
        start = await _clear(transaction, name, header.body["partitions"], wanted)
    for number in range(wanted):
        body = {"position": start, "owner": None, "epoch": 0, "lease": 0.0}
        await transaction.put(CHECKPOINTS, checkpoint_key(name, number), body, expect=0)


async def _clear(transaction: Transaction, name: str, stored: int, wanted: int) -> int:
    """Remove the checkpoints of another number of partitions; return where they all stood."""
    positions = set()
    for number in range(stored):
        key = checkpoint_key(name, number)
        document = await transaction.get(CHECKPOINTS, key)
        if document is None:
            continue
        if (owner := document.body["owner"]) is not None:
            reason = f"partition {number} is held by {owner}"
            raise PartitionMismatchError(name, stored, wanted, reason)
        positions.add(int(document.body["position"]))
        await transaction.delete(CHECKPOINTS, key)
    if len(positions) != 1:
        reason = f"its partitions stand at different positions, {sorted(positions)}"
        raise PartitionMismatchError(name, stored, wanted, reason)
    return positions.pop()


async def forget(store: Any, name: str) -> None:
    """Remove every trace of a subscription that nobody runs any more, its dead letters too."""
    letters = [letter.key async for letter in documents_in(store, letters_of(name))]
    checkpoints = [found.key async for found in documents_in(store, CHECKPOINTS, f"{name}/")]
    async with store.transaction() as transaction:
        for key in letters:
            await transaction.delete(letters_of(name), key)
        for key in [*checkpoints, name]:
            await transaction.delete(CHECKPOINTS, key)
