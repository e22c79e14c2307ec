"""
Each of these stores breaks one promise about the log: order, save_all, subscriptions.

A row of `BROKEN` has the store, its contract, and exactly the tests that fail: first the one that
is named for the breach, then those that see the same breach from another side.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

import attrs
import pytest
from msgspec.structs import replace

from orchestrix.infrastructure.memory import InMemoryAsyncEventStore
from orchestrix_contract_tests.contracts.log import LogContract
from orchestrix_contract_tests.contracts.multi_stream import MultiStreamContract
from orchestrix_contract_tests.contracts.subscriptions import SubscriptionContract
from orchestrix_core import (
    ConcurrencyError,
    DuplicateEventError,
    RecordedEvent,
    StreamWrite,
)

Store = InMemoryAsyncEventStore


@attrs.frozen
class Broken:
    store: type
    contract: type
    failing: list[str]
    hangs: bool = False


class CountsVersionsFromZero(Store):
    async def read_log(self, after=0, limit=1000, types=None):
        records = await super().read_log(after, limit, types)
        return [replace(record, version=record.version - 1) for record in records]


class NumbersBeforeItCommits(Store):
    """The classic: a position is drawn, another append commits first, and readers are past it."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn = 0
        self.positions: dict[str, int] = {}

    async def save(self, aggregate_id, events, expected_version=None):
        numbers = range(self.drawn + 1, self.drawn + 1 + len(events))
        self.drawn += len(events)
        for _ in range(3 if self.drawn % 3 == 0 else 0):
            await asyncio.sleep(0)
        await super().save(aggregate_id, events, expected_version)
        self.positions |= {event.id: n for event, n in zip(events, numbers, strict=True)}

    async def read_log(self, after=0, limit=1000, types=None):
        await super().read_log(after, limit, types)
        records = await super().read_log(0, 10**6, types)
        own = [replace(r, position=self.positions[r.event.id]) for r in records]
        return sorted((r for r in own if r.position > after), key=lambda r: r.position)[:limit]

    async def head(self):
        return max(self.positions.values(), default=0)


class StallsBehindARollback(Store):
    """A refused append leaves a gap, and readers wait for it for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.gap: int | None = None

    async def save(self, aggregate_id, events, expected_version=None):
        try:
            await super().save(aggregate_id, events, expected_version)
        except Exception:
            self.gap = self.gap or await self.head()
            raise

    async def read_log(self, after=0, limit=1000, types=None):
        records = await super().read_log(after, limit, types)
        return [r for r in records if self.gap is None or r.position <= self.gap]


class ReadsFromThePositionItself(Store):
    async def read_log(self, after=0, limit=1000, types=None):
        await super().read_log(after, limit, types)
        return await super().read_log(max(0, after - 1), limit, types)


class FiltersAfterTheLimit(Store):
    async def read_log(self, after=0, limit=1000, types=None):
        await super().read_log(after, limit, types)
        records = await super().read_log(after, limit)
        return [r for r in records if types is None or r.event.type in types]


class ReadsFiveHundredAtATime(Store):
    async def read_log(self, after=0, limit=500, types=None):
        return await super().read_log(after, limit, types)


class FollowsFromTheSecond(Store):
    def subscribe(self, after=1):
        return super().subscribe(after)


class ReadsNothingForNothing(Store):
    async def read_log(self, after=0, limit=1000, types=None):
        nothing = type(limit) is int and limit == 0
        return [] if nothing else await super().read_log(after, limit, types)


class ListsStreamsWithoutEvents(Store):
    async def save(self, aggregate_id, events, expected_version=None):
        await super().save(aggregate_id, events, expected_version)
        self._ledger._streams.setdefault(aggregate_id, [])


class ListsNoStreamsForNothing(Store):
    async def streams(self, after="", limit=1000):
        return await super().streams(after, limit) if limit else []


class SavesStreamByStream(Store):
    async def save_all(self, writes):
        for write in writes:
            await self.save(write.aggregate_id, write.events, write.expected_version)


class BlamesTheFirstStream(Store):
    async def save_all(self, writes):
        try:
            await super().save_all(writes)
        except ConcurrencyError as error:
            first: StreamWrite = writes[0]
            raise ConcurrencyError(first.aggregate_id, error.expected_version, 0) from None


class CountsEmptyWritesAsNew(Store):
    """To it, a write without events is one that was not stored before."""

    async def save_all(self, writes):
        before = self._ledger.head
        await super().save_all(writes)
        full = [write.events[0] for write in writes if write.events]
        if full and self._ledger.head == before and len(full) < len(writes):
            raise DuplicateEventError(full[0].id, "a")


class EndsAfterCatchingUp(Store):
    def subscribe(self, after=0):
        super().subscribe(after)
        return self._there(after)

    async def _there(self, after: int) -> AsyncIterator[RecordedEvent]:
        for record in await self.read_log(after, 10**6):
            yield record


class StartsAtTheHead(Store):
    def subscribe(self, after=0):
        return super().subscribe(max(after, self._ledger.head) if type(after) is int else after)


class LosesWhatComesInBetween(Store):
    """Between the end of catching up and the first live event lies a hole."""

    def subscribe(self, after=0):
        super().subscribe(after)
        return self._both(after)

    async def _both(self, after: int) -> AsyncIterator[RecordedEvent]:
        for record in await self.read_log(after, 10**6):
            yield record
        for _ in range(5):
            await asyncio.sleep(0)
        async for record in super().subscribe(max(after, await self.head())):
            yield record


class LeavesSubscribersWaiting(Store):
    def _wake(self) -> None:
        if not self._closed:
            super()._wake()


BROKEN: Final = [
    Broken(
        CountsVersionsFromZero,
        LogContract,
        [
            "test_versions_count_from_one",
            "test_log_holds_every_event_in_commit_order",
            "test_reader_misses_no_late_commit",
        ],
    ),
    Broken(
        NumbersBeforeItCommits,
        LogContract,
        ["test_reader_misses_no_late_commit", "test_racing_streams_agree_with_the_log"],
    ),
    Broken(
        StallsBehindARollback,
        LogContract,
        [
            "test_rolled_back_appends_never_stall_readers",
            "test_racing_streams_agree_with_the_log",
            "test_reader_misses_no_late_commit",
        ],
    ),
    Broken(
        ReadsFromThePositionItself,
        LogContract,
        [
            "test_limit_and_after",
            "test_reader_misses_no_late_commit",
            "test_reading_in_pages_gives_the_whole_log",
            "test_rolled_back_appends_never_stall_readers",
            "test_types_keeps_only_these_stored_names",
        ],
    ),
    Broken(FiltersAfterTheLimit, LogContract, ["test_types_keeps_only_these_stored_names"]),
    Broken(ListsNoStreamsForNothing, LogContract, ["test_streams_are_asked_for_by_a_whole_number"]),
    Broken(
        SavesStreamByStream,
        MultiStreamContract,
        [
            "test_one_wrong_expectation_stores_nothing_anywhere",
            "test_empty_writes",
            "test_id_in_two_streams_is_refused",
            "test_partly_stored_save_all_is_refused",
            "test_reused_id_stores_nothing_anywhere",
            "test_same_stream_twice_is_refused",
            "test_unstorable_last_event_stores_nothing_anywhere",
            "test_writes_must_be_stream_writes",
        ],
    ),
    Broken(
        BlamesTheFirstStream,
        MultiStreamContract,
        ["test_one_wrong_expectation_stores_nothing_anywhere"],
    ),
    Broken(CountsEmptyWritesAsNew, MultiStreamContract, ["test_retry_may_hold_an_empty_write"]),
    Broken(
        FollowsFromTheSecond,
        SubscriptionContract,
        ["test_subscription_begins_at_the_start"],
        hangs=True,
    ),
    Broken(
        EndsAfterCatchingUp,
        SubscriptionContract,
        [
            "test_waiting_subscriber_gets_new_events",
            "test_cancelled_subscriber_lets_go",
            "test_closing_the_store_wakes_subscribers",
            "test_every_subscriber_gets_everything",
            "test_refused_append_reaches_no_subscriber",
            "test_subscriber_gets_save_all_in_log_order",
            "test_subscriber_misses_nothing_while_others_write",
            "test_subscriber_on_an_empty_log_waits",
        ],
    ),
    Broken(
        StartsAtTheHead,
        SubscriptionContract,
        ["test_subscription_catches_up", "test_subscription_catches_up_over_many_pages"],
        hangs=True,
    ),
    Broken(
        LosesWhatComesInBetween,
        SubscriptionContract,
        ["test_subscriber_misses_nothing_while_others_write"],
        hangs=True,
    ),
    Broken(
        LeavesSubscribersWaiting,
        SubscriptionContract,
        ["test_closing_the_store_wakes_subscribers"],
        hangs=True,
    ),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.store.__name__)
def test_broken_store_is_caught(broken: Broken, catch: Callable[..., None]) -> None:
    catch(broken.store, broken.contract, broken.failing, hangs=broken.hangs)
