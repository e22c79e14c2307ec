"""Stores in memory that break a rule only for those who use them at once, or now and then."""

from __future__ import annotations

import asyncio
from itertools import count

from orchestrix.infrastructure.memory import InMemoryAsyncEventStore
from orchestrix_core import ConcurrencyError


class Forgetful(InMemoryAsyncEventStore):
    """Acknowledges every tenth append, and stores nothing."""

    every = 10

    def __init__(self):
        super().__init__()
        self._calls = count(1)

    async def save(self, aggregate_id, events, expected_version=None):
        if next(self._calls) % self.every:
            await super().save(aggregate_id, events, expected_version)


class LooksOnlyBefore(InMemoryAsyncEventStore):
    """Compares the version, waits, and then appends at whatever version the stream has."""

    async def save(self, aggregate_id, events, expected_version=None):
        there = await self.load(aggregate_id)
        known = {event.id for event in there}
        if events[0].id in known:
            return
        if expected_version not in (None, len(there)):
            raise ConcurrencyError(aggregate_id, expected_version, len(there))
        await asyncio.sleep(0)
        await super().save(aggregate_id, events)


class OneByOne(InMemoryAsyncEventStore):
    """Stores the events of an append one after another."""

    async def save(self, aggregate_id, events, expected_version=None):
        version = expected_version
        for event in events:
            await super().save(aggregate_id, [event], version)
            version = None if version is None else version + 1
            await asyncio.sleep(0)


class Suspicious(InMemoryAsyncEventStore):
    """Takes every tenth append for a conflict."""

    def __init__(self):
        super().__init__()
        self._calls = count(1)

    async def save(self, aggregate_id, events, expected_version=None):
        if next(self._calls) % 10 == 0 and expected_version is not None:
            raise ConcurrencyError(aggregate_id, expected_version, expected_version)
        await super().save(aggregate_id, events, expected_version)


class ReadsALittleLate(InMemoryAsyncEventStore):
    """Shows the log without its last event, as long as there is no other."""

    async def read_log(self, after=0, limit=1000, types=None):
        head = await self.head()
        records = await super().read_log(after, limit, types)
        return [record for record in records if record.position < head]


class LoadsFromACache(InMemoryAsyncEventStore):
    """Keeps what was loaded of a stream, and forgets it only at every fifth load."""

    def __init__(self):
        super().__init__()
        self._cache = {}
        self._loads = count(1)

    async def load(self, aggregate_id, from_version=0):
        if next(self._loads) % 5 == 0:
            self._cache.clear()
        if aggregate_id not in self._cache:
            self._cache[aggregate_id] = await super().load(aggregate_id)
        return self._cache[aggregate_id][from_version:]


class SkipsInTheLog(InMemoryAsyncEventStore):
    """Leaves an event out of a page when there are others."""

    async def read_log(self, after=0, limit=1000, types=None):
        records = await super().read_log(after, limit, types)
        return records[1:] if len(records) > 1 else records


class RepeatsItself(InMemoryAsyncEventStore):
    """Gives the last event of the page before once more."""

    async def read_log(self, after=0, limit=1000, types=None):
        return await super().read_log(max(after - 1, 0), limit)


class SilentSubscription(InMemoryAsyncEventStore):
    """Subscribers hear no more after the fiftieth event."""

    async def subscribe(self, after=0):
        async for record in super().subscribe(after):
            if record.position > 50:
                await asyncio.Event().wait()
            yield record


class StoresWhatItRefuses(InMemoryAsyncEventStore):
    """Appends every tenth time what it says is a conflict."""

    def __init__(self):
        super().__init__()
        self._refusals = count(1)

    async def save(self, aggregate_id, events, expected_version=None):
        try:
            await super().save(aggregate_id, events, expected_version)
        except ConcurrencyError:
            if next(self._refusals) % 10 == 0:
                await super().save(aggregate_id, events)
            raise
