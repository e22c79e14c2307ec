"""Stores that are sound until something fails."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress

import attrs
from msgspec.structs import replace
from served_store import ServedStore  # type: ignore[import-not-found]  # beside this module

from orchestrix.infrastructure.memory import InMemoryAsyncEventStore
from orchestrix_core import DuplicateEventError, StorageError
from orchestrix_core.messages import new_id


class LeavesHalfWhenCancelled(ServedStore):
    """It appends event by event, and looks around in between."""

    async def save(self, aggregate_id, events, expected_version=None):
        for event in events:
            await super().save(aggregate_id, [event], expected_version)
            expected_version = None if expected_version is None else expected_version + 1


class KeepsItsLockWhenCancelled(ServedStore):
    def __init__(self) -> None:
        super().__init__()
        self.lock = asyncio.Lock()

    async def request(self, *save):
        await self.lock.acquire()
        await super().request(*save)
        self.lock.release()


class ForgetsWhatItCommitted(ServedStore):
    """Cancelled after the commit, it takes the ids for unknown the next time."""

    async def commit(self, aggregate_id, events, expected_version):
        await super().commit(aggregate_id, events, expected_version)
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.meets = "before"
            raise


class LosesAReadersConnection(ServedStore):
    async def load(self, aggregate_id, from_version=0):
        await self.free.acquire()
        await asyncio.sleep(0)
        events = await InMemoryAsyncEventStore.load(self, aggregate_id, from_version)
        self.free.release()
        return events


class OrdersByTime(ServedStore):
    async def load(self, aggregate_id, from_version=0):
        events = await super().load(aggregate_id)
        return sorted(events, key=lambda event: event.timestamp)[from_version or 0 :]


class OrdersATraceById(ServedStore):
    async def load_by_trace(self, trace_id):
        return sorted(await super().load_by_trace(trace_id), key=lambda event: event.id)


class NumbersItsLogByTime(ServedStore):
    async def read_log(self, after=0, limit=1000, types=None):
        records = await super().read_log(0, 10**6)
        records = sorted(records, key=lambda record: record.event.timestamp)
        numbered = [replace(record, position=n) for n, record in enumerate(records, start=1)]
        return [record for record in numbered if record.position > after]


class KeepsTheSnapshotOfTheLatestTime(ServedStore):
    async def save_snapshot_async(self, snapshot):
        kept = await self.load_snapshot_async(snapshot.aggregate_id)
        if kept is None or kept.timestamp <= snapshot.timestamp:
            await super().save_snapshot_async(snapshot)


class NeverConnectsAgain(ServedStore):
    dead = False

    async def request(self, *save):
        if self.dead:
            raise ConnectionResetError("closed")
        try:
            await super().request(*save)
        except ConnectionError:
            self.dead = True
            raise


class KeepsHalfOfWhatIsCut(ServedStore):
    def fail(self, when):
        pass

    async def commit(self, aggregate_id, events, expected_version):
        if self.meets is None:
            return await super().commit(aggregate_id, events, expected_version)
        self.meets = None
        await super().commit(aggregate_id, events[:1], expected_version)
        raise ConnectionResetError("reset by peer")


class TakesALossForSuccess(ServedStore):
    async def request(self, *save):
        with suppress(ConnectionError):
            await super().request(*save)


class LetsTheDriversErrorOut(ServedStore):
    async def save(self, aggregate_id, events, expected_version=None):
        async with self.connection():
            await self.request(aggregate_id, events, expected_version)


class HidesTheCause(ServedStore):
    async def save(self, aggregate_id, events, expected_version=None):
        try:
            await super().save(aggregate_id, events, expected_version)
        except StorageError as error:
            raise StorageError(str(error)) from None


class RepeatsWhatCannotBeRepeated(ServedStore):
    """It meets its own first try, and blames the caller."""

    async def request(self, *save):
        try:
            await super().request(*save)
        except ConnectionError:
            await super().request(*save)


class StoresWhatItRepeatsTwice(ServedStore):
    async def request(self, aggregate_id, events, expected_version):
        try:
            await super().request(aggregate_id, events, expected_version)
        except ConnectionError:
            again = [attrs.evolve(event, id=new_id()) for event in events]
            await super().request(aggregate_id, again, None)


class KnowsNoRetryAfterALoss(ServedStore):
    """What was committed unheard is a duplicate, for ever."""

    async def commit(self, aggregate_id, events, expected_version):
        known = {record.event.id for record in await self.read_log(0, 10**6)}
        if known & {event.id for event in events}:
            raise DuplicateEventError(events[0].id, aggregate_id)
        await super().commit(aggregate_id, events, expected_version)


class AcknowledgesBeforeItCommits(ServedStore):
    def __init__(self) -> None:
        super().__init__()
        self.late: set[asyncio.Task[None]] = set()

    async def save(self, aggregate_id, events, expected_version=None):
        task = asyncio.create_task(super().save(aggregate_id, events, expected_version))
        self.late.add(task)
        if self.gate.is_set():
            await task

    async def close(self):
        await asyncio.gather(*self.late, return_exceptions=True)
        await super().close()


class WritesWhatWasRefused(ServedStore):
    """A save that found no connection is told to have failed, and is stored all the same."""

    async def save(self, aggregate_id, events, expected_version=None):
        try:
            await super().save(aggregate_id, events, expected_version)
        except StorageError as error:
            if isinstance(error.__cause__, TimeoutError):
                await self.commit(aggregate_id, events, expected_version)
            raise


class CommitsHalfOfWhatIsCancelled(ServedStore):
    """What has been written by then is not undone."""

    async def request(self, aggregate_id, events, expected_version):
        try:
            await super().request(aggregate_id, events, expected_version)
        except asyncio.CancelledError:
            await self.commit(aggregate_id, events[:1], expected_version)
            raise


class HangsOnAnEmptyPool(ServedStore):
    @asynccontextmanager
    async def connection(self):
        async with self.free:
            yield


class LosesWhatACancelledCallWaitedFor(ServedStore):
    """Whoever is cancelled while it waits takes a connection with it."""

    patience = 2.0  # nobody shall give up before

    def __init__(self) -> None:
        super().__init__()
        self.takers: list[asyncio.Task[bool]] = []

    @asynccontextmanager
    async def connection(self):
        try:
            async with super().connection():
                yield
        except asyncio.CancelledError:
            self.takers.append(asyncio.create_task(self.free.acquire()))
            raise

    async def close(self):
        for taker in self.takers:
            taker.cancel()
        await super().close()
