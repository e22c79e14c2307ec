"""Stores whose transactions break one promise about the events that they append."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import Any

import attrs
from broken_documents import Changes, Store  # type: ignore[import-not-found]  # beside this module
from msgspec.structs import replace

from orchestrix_core import ConcurrencyError, DuplicateEventError, OrchestrixError
from orchestrix_core.messages import new_id


class AppendsAtOnce(Changes):
    """It appends beside the transaction."""

    async def append(self, writes):
        self.store._ledger.append_all(writes)
        self.store._wake()


class AppendsAtTheEnd(Store):
    """What is wrong with an append shows only when the block has ended."""

    @asynccontextmanager
    async def transaction(self):
        async with super().transaction() as tx:
            late = Late(self, tx)
            yield late
            for writes in late.writes:
                await tx.append(writes)


class Late(Changes):
    def __init__(self, store: Any, tx: Any) -> None:
        super().__init__(store, tx)
        self.writes: list[Any] = []

    async def append(self, writes):
        self.writes.append(writes)


class AppendsAfterTheCommit(Store):
    """First the documents, then, in another transaction, the events."""

    @asynccontextmanager
    async def transaction(self):
        async with super().transaction() as tx:
            late = Late(self, tx)
            yield late
        for writes in late.writes:
            await asyncio.sleep(0)
            await self.save_all(writes)


class AppendsStreamByStream(Changes):
    async def append(self, writes):
        for write in writes:
            await self.tx.append([write])


class LosesTheExpectation(Changes):
    async def append(self, writes):
        await self.tx.append([attrs.evolve(write, expected_version=None) for write in writes])


class TakesARetryForADuplicate(Changes):
    async def append(self, writes):
        for write in writes if isinstance(writes, list) else []:
            for event in getattr(write, "events", []):
                if getattr(event, "id", None) in self.store._ledger._ids:
                    raise DuplicateEventError(event.id, write.aggregate_id)
        await self.tx.append(writes)


class NamesEventsAnew(Changes):
    async def append(self, writes):
        await self.tx.append([
            attrs.evolve(write, events=[attrs.evolve(event, id=new_id()) for event in write.events])
            for write in writes
        ])  # fmt: skip


class DropsAConflict(Changes):
    """A refused append is forgotten, and the transaction goes on."""

    async def append(self, writes):
        with suppress(ConcurrencyError):
            await self.tx.append(writes)


class WakesNobody(Store):
    def _wake(self):
        if self._closed:
            super()._wake()

    async def save(self, *args, **how):
        await super().save(*args, **how)
        super()._wake()

    save_all = save


class WakesTooEarly(Changes):
    """Who follows the log hears of events that do not count yet."""

    async def append(self, writes):
        before = self.store._ledger.head
        await self.tx.append(writes)
        self.store._ledger.append_all(writes)
        self.store._wake()
        assert self.store._ledger.head >= before
        self.tx._appended = None
        self.tx._log.set()
        await asyncio.sleep(0)


class NumbersBeforeItCommits(Store):
    """Events get their positions at the append, though others commit before them."""

    def __init__(self) -> None:
        super().__init__()
        self.early: list[tuple[int, set[str]]] = []

    @asynccontextmanager
    async def transaction(self):
        async with super().transaction() as tx:
            numbered = Numbered(self, tx)
            yield numbered
        self.early += numbered.early

    async def read_log(self, after=0, limit=1000, types=None):
        records = await super().read_log(0, 10**6)
        for place, ids in self.early:
            moved = [record for record in records if record.event.id in ids]
            others = [record for record in records if record.event.id not in ids]
            records = [*others[:place], *moved, *others[place:]]
        return [replace(r, position=n) for n, r in enumerate(records, start=1) if n > after]


class Numbered(Changes):
    def __init__(self, store: Any, tx: Any) -> None:
        super().__init__(store, tx)
        self.early: list[tuple[int, set[str]]] = []

    async def append(self, writes):
        await self.tx.append(writes)
        self.tx._log.set()  # a save goes on
        ids = {event.id for write in writes for event in write.events}
        self.early.append((self.store._ledger.head, ids))


class IsRefusedForGood(Changes):
    """After a refused append every other one is refused."""

    refused: Any = None

    async def append(self, writes):
        if self.refused:
            raise self.refused
        try:
            await self.tx.append(writes)
        except OrchestrixError as error:
            self.refused = error
            raise


class LetsSavesIn(Store):
    """A save takes the version of a transaction that has appended, and half of that is stored."""

    async def save(self, aggregate_id, events, expected_version=None):
        self._ledger.append(aggregate_id, events, expected_version)
        self._wake()

    async def save_all(self, writes):
        self._ledger.append_all(writes)
        self._wake()


class WaitsForItsOwnEnd(Store):
    """A save waits for the transaction that has appended, though it is inside of it."""

    async def save(self, aggregate_id, events, expected_version=None):
        await self._transactions._log.wait()
        self._ledger.append(aggregate_id, events, expected_version)
        self._wake()


class KeepsHoldOfTheEvents(Store):
    """What is committed is what the events have become meanwhile."""

    @asynccontextmanager
    async def transaction(self):
        async with super().transaction() as tx:
            late = LateHolding(self, tx)
            yield late
            tx._appended = None
            for writes in late.writes:
                await tx.append(writes)


class LateHolding(Late):
    async def append(self, writes):
        await self.tx.append(writes)
        await super().append(writes)
