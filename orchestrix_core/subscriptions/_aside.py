"""The worker's side of dead letters: which streams of a partition stand still, and their events."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime
from typing import Any, Final

from orchestrix_core.documents import Document, Transaction
from orchestrix_core.records import RecordedEvent
from orchestrix_core.subscriptions._checkpoints import documents_in, letters_of
from orchestrix_core.subscriptions._letter_keys import (
    DUE,
    first_letters,
    key_of,
    prefix_of,
    stream_of,
)
from orchestrix_core.subscriptions._subscription import Subscription, partition_of

__all__ = ["Aside"]

_LONGEST: Final = 20_000  # characters of a text or a traceback that are kept


class Aside:
    """
    What one partition has set aside.

    Attributes:
        blocked: the streams that stand still, and the key of the first letter of each.
        due: those of them that are to be handled again.
    """

    def __init__(self, store: Any, subscription: Subscription, partition: int) -> None:
        self.blocked: dict[str, str] = {}
        self.due: set[str] = set()
        self._store = store
        self._collection = letters_of(subscription.name)
        self._partitions = subscription.partitions
        self._group_of = subscription.group_of
        self._partition = partition

    async def load(self) -> None:
        """Learn what stands still: at the beginning, and when a commit was in doubt."""
        blocked: dict[str, str] = {}
        due = set()
        async for letter in first_letters(self._store, self._collection):
            stream = stream_of(letter.key)
            if self._is_ours(stream):
                blocked[stream] = letter.key
                if letter.body["state"] != "failed":
                    due.add(stream)
        self.blocked, self.due = blocked, due

    async def look(self) -> None:
        """Learn what somebody wants to be handled again."""
        async for letter in documents_in(self._store, self._collection, due=DUE):
            if self._is_ours(stream := stream_of(letter.key)):
                self.due.add(stream)

    def _is_ours(self, stream: str) -> bool:
        return partition_of(stream, self._partitions) == self._partition

    async def first(self, stream: str) -> Document | None:
        """Return the first letter of a stream; without one it is free from now on."""
        prefix = prefix_of(stream)
        found = await self._store.find_documents(self._collection, prefix=prefix, limit=1)
        if found:
            self.blocked[stream] = found[0].key
            return found[0]  # type: ignore[no-any-return]  # a document, says the port
        self.blocked.pop(stream, None)
        return None

    async def park(self, transaction: Transaction, record: RecordedEvent) -> bool:
        """
        Set an event aside behind the first one of its stream; False if that one has gone.

        The first letter cannot be dropped until the transaction ends: `get` sees to that.
        """
        stream = self._group_of(record)
        if await transaction.get(self._collection, self.blocked[stream]) is None:
            self.due.add(stream)
            return False
        await self._put(transaction, record, "parked", None, 0)
        return True

    async def fail(
        self, transaction: Transaction, record: RecordedEvent, error: Exception, attempts: int
    ) -> None:
        """Set an event aside that could not be handled: its stream stands still."""
        await self._put(transaction, record, "failed", error, attempts)

    async def fail_again(
        self, transaction: Transaction, letter: Document, error: Exception, attempts: int
    ) -> None:
        """Keep a letter that failed once more."""
        told = _told(error) | {"attempts": letter.body["attempts"] + attempts, "state": "failed"}
        body = letter.body | told
        await transaction.put(self._collection, letter.key, body, expect=letter.revision)

    async def done(self, transaction: Transaction, letter: Document) -> bool:
        """Remove a letter that was handled after all; False if somebody else has."""
        return await transaction.delete(self._collection, letter.key)

    def block(self, record: RecordedEvent) -> None:
        """Take note that `fail` took effect."""
        stream = self._group_of(record)
        self.blocked[stream] = key_of(stream, record.position)

    async def _put(
        self,
        transaction: Transaction,
        record: RecordedEvent,
        state: str,
        error: Exception | None,
        attempts: int,
    ) -> None:
        stream = self._group_of(record)
        body = {
            "aggregate_id": stream,
            "position": record.position,
            "version": record.version,
            "event_id": record.event.id,
            "event_type": record.event.type,
            "state": state,
            "attempts": attempts,
            **_told(error),
        }
        key = key_of(stream, record.position)
        await transaction.put(self._collection, key, body, expect=0)


def _told(error: Exception | None) -> dict[str, str | None]:
    time = datetime.now(UTC).isoformat()
    if error is None:
        return {"error": None, "traceback": None, "time": time}
    return {
        "error": _storable("".join(traceback.format_exception_only(error)).strip())[:_LONGEST],
        "traceback": _storable("".join(traceback.format_exception(error)))[-_LONGEST:],
        "time": time,
    }


def _storable(text: str) -> str:
    """Return the text without what not every store takes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\0")
