"""Events of one partition, and what is done with them: handled in transactions, or set aside."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

from orchestrix_core.context import handling
from orchestrix_core.documents import Document, Transaction
from orchestrix_core.records import RecordedEvent
from orchestrix_core.subscriptions._aside import Aside
from orchestrix_core.subscriptions._lease import Lease
from orchestrix_core.subscriptions._patience import (
    PASSING,
    Failure,
    Freed,
    HandlerFailed,
    Patience,
)
from orchestrix_core.subscriptions._subscription import Subscription
from orchestrix_core.subscriptions._unreadable import UnreadableRecord, read_log

__all__ = ["Work"]

_log = logging.getLogger(__name__)


class Work:
    """Handles what it is given; the position, the effect and the dead letters go together."""

    def __init__(
        self,
        store: Any,
        subscription: Subscription,
        lease: Lease,
        aside: Aside,
        patience: Patience,
    ) -> None:
        self._store = store
        self._subscription = subscription
        self._lease = lease
        self._aside = aside
        self._patience = patience

    async def do(self, records: Sequence[RecordedEvent], end: int) -> None:
        """Handle a batch of events, after which everything up to position `end` is done."""
        if self._subscription.transactional:
            await self._together(records, end)
        else:
            await self._one_by_one(records, end)

    async def _together(self, records: Sequence[RecordedEvent], end: int) -> None:
        """Handle events in one transaction; when that is undone, each in one of its own."""
        try:
            return await self._commit(records, end)
        except PASSING:
            raise
        except Exception as error:
            _log.debug("subscription %s: a batch is undone: %r", self._subscription.name, error)
            guilty = error.record if isinstance(error, HandlerFailed) else None
            failure = await self._patience.blame(error)
        for number, record in enumerate(records, 1):
            if self._patience.stopping.is_set():
                return None
            upto = end if number == len(records) else record.position
            await self._alone(record, upto, failure if record is guilty else None)
        return None

    async def _alone(self, record: RecordedEvent, end: int, before: Failure | None) -> None:
        failure = await self._patience.persist(partial(self._commit, [record], end), before)
        if failure is not None:
            await self._set_aside(record, end, failure)

    async def _commit(self, records: Sequence[RecordedEvent], end: int) -> None:
        began = _now()
        async with self._store.transaction() as transaction:
            for number, record in enumerate(records):
                if number and self._patience.stopping.is_set():
                    end = records[number - 1].position  # keep what is done, leave the rest
                    break
                await self._handle_or_park(record, transaction)
            await self._lease.commit(transaction, end)
        self._lease.committed(end, began)
        self._patience.succeeded()

    async def _handle_or_park(self, record: RecordedEvent, transaction: Transaction) -> None:
        if self._subscription.group_of(record) not in self._aside.blocked:
            await self._handle(record, transaction)
        elif not await self._aside.park(transaction, record):
            raise Freed

    async def _handle(self, record: RecordedEvent, transaction: Transaction | None) -> None:
        if isinstance(record, UnreadableRecord):
            raise HandlerFailed(record, record.error) from record.error
        try:
            with handling(record.event):
                await self._subscription.handle(record, transaction)
        except Exception as error:
            raise HandlerFailed(record, error) from error

    async def _one_by_one(self, records: Sequence[RecordedEvent], end: int) -> None:
        """Handle events without a transaction, then store the position."""
        for record in records:
            if self._patience.stopping.is_set():
                return
            if self._subscription.group_of(record) in self._aside.blocked:
                await self._commit([record], record.position)
            elif failure := await self._patience.persist(partial(self._bare, record)):
                await self._set_aside(record, record.position, failure)
            else:
                self._lease.position = record.position
        if self._lease.stored < end:
            await self._commit([], end)

    async def _bare(self, record: RecordedEvent) -> None:
        """Handle an event while the lease lasts, and no longer."""
        async with self._lease.holding():
            await self._handle(record, None)

    async def _set_aside(self, record: RecordedEvent, end: int, failure: Failure) -> None:
        began = _now()
        async with self._store.transaction() as transaction:
            await self._aside.fail(transaction, record, failure.error, failure.attempts)
            await self._lease.commit(transaction, end)
        self._lease.committed(end, began)
        self._aside.block(record)
        _log.error(
            "subscription %s: event %s at position %d is a dead letter, stream %r waits for it",
            self._subscription.name,
            record.event.type,
            record.position,
            self._subscription.group_of(record),
            exc_info=failure.error,
        )

    async def replay(self, stream: str) -> None:
        """Handle the letters of a stream, in order, until one fails or none is left."""
        while not self._patience.stopping.is_set():
            letter = await self._aside.first(stream)
            if letter is None or letter.body["state"] == "failed":
                self._aside.due.discard(stream)
                return
            (record,) = await read_log(self._store, letter.body["position"] - 1, 1)
            failure = await self._patience.persist(partial(self._again, letter, record))
            if failure is not None:
                await self._fail_again(letter, failure)

    async def _again(self, letter: Document, record: RecordedEvent) -> None:
        if not self._subscription.transactional:
            await self._bare(record)
        began = _now()
        async with self._store.transaction() as transaction:
            if self._subscription.transactional:
                await self._handle(record, transaction)
            if not await self._aside.done(transaction, letter):
                raise Freed
            await self._lease.commit(transaction, self._lease.position)
        self._lease.committed(self._lease.position, began)

    async def _fail_again(self, letter: Document, failure: Failure) -> None:
        began = _now()
        async with self._store.transaction() as transaction:
            await self._aside.fail_again(transaction, letter, failure.error, failure.attempts)
            await self._lease.commit(transaction, self._lease.position)
        self._lease.committed(self._lease.position, began)


def _now() -> float:
    return asyncio.get_running_loop().time()
