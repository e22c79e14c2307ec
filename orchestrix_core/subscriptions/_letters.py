"""Dead letters: events that a handler failed at, and the events of their streams behind them."""

from __future__ import annotations

import builtins
from datetime import UTC, datetime
from typing import Any, Literal

import attrs

from orchestrix_core.documents import Document, Transaction
from orchestrix_core.subscriptions._checkpoints import documents_in, letters_of
from orchestrix_core.subscriptions._letter_keys import DUE, first_letters, key_of, prefix_of

__all__ = ["DeadLetter", "DeadLetters"]


@attrs.frozen(kw_only=True)
class DeadLetter:
    """
    An event that was set aside.

    Attributes:
        subscription: name of the subscription whose handler failed.
        aggregate_id: the stream, or the group where the subscription has groups; none of its later
            events is handled before this one is.
        position: of the event in the log.
        version: of the event in its stream.
        event_id: of the event.
        event_type: its stored name.
        state: "failed": the handler failed at it; "parked": it waits behind one that failed;
            "due": it is to be handled again.
        error: class and text of the last exception; None where it was not tried.
        traceback: of the last exception.
        attempts: how often it was tried.
        time: when it was set aside, or failed last; aware.
    """

    subscription: str
    aggregate_id: str
    position: int
    version: int
    event_id: str
    event_type: str
    state: Literal["failed", "parked", "due"]
    error: str | None
    traceback: str | None
    attempts: int
    time: datetime


class DeadLetters:
    """The dead letters of one subscription, from any process; nothing need run for it."""

    def __init__(self, store: Any, subscription: str) -> None:
        self._store = store
        self._subscription = subscription
        self._collection = letters_of(subscription)

    async def list(self, aggregate_id: str | None = None) -> list[DeadLetter]:
        """Return all, or those of one stream, by stream and position."""
        prefix = "" if aggregate_id is None else prefix_of(aggregate_id)
        found = documents_in(self._store, self._collection, prefix)
        return [self._letter(document) async for document in found]

    async def replay(self, aggregate_id: str | None = None) -> int:
        """
        Have all streams that stand still handled again, or one; return how many.

        The worker that runs the subscription does it, or the next one to: in order, until the
        stream is free again or an event fails once more.
        """
        prefix = "" if aggregate_id is None else prefix_of(aggregate_id)
        first = [
            letter.key async for letter in first_letters(self._store, self._collection, prefix)
        ]
        return sum([await self._replay(key) for key in first])

    async def drop(self, aggregate_id: str, position: int) -> bool:
        """
        Give one event up: it will never be handled. Return whether it was there.

        The events behind it are handled, as by `replay`.
        """
        async with self._store.transaction() as transaction:
            found: bool = await transaction.delete(self._collection, key_of(aggregate_id, position))
            rest = await transaction.find(self._collection, prefix=prefix_of(aggregate_id), limit=1)
            if found and rest and rest[0].body["state"] == "parked":
                await self._make_due(transaction, rest[0].key, "parked")
        return found

    async def _replay(self, key: str) -> bool:
        async with self._store.transaction() as transaction:
            return await self._make_due(transaction, key, "failed")

    async def _make_due(self, transaction: Transaction, key: str, state: str) -> bool:
        letter = await transaction.get(self._collection, key)
        if letter is None or letter.body["state"] != state:
            return False  # somebody else saw to it
        body = {**letter.body, "state": "due"}
        await transaction.put(self._collection, key, body, expect=letter.revision, due=DUE)
        return True

    def _letter(self, document: Document) -> DeadLetter:
        body: builtins.dict[str, Any] = {**document.body}
        time = datetime.fromisoformat(body.pop("time")).astimezone(UTC)
        return DeadLetter(subscription=self._subscription, time=time, **body)
