"""
Each of these stores breaks one promise about saving: append, locking and retry.

A row of `BROKEN` has the store, its contract, and exactly the tests that fail: first the one that
is named for the breach, then those that see the same breach from another side.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

import attrs
import pytest

from orchestrix.infrastructure.memory import InMemoryAsyncEventStore, InMemoryEventStore
from orchestrix_contract_tests.contracts.append import AppendContract
from orchestrix_contract_tests.contracts.locking import LockingContract
from orchestrix_contract_tests.contracts.retry import RetryContract
from orchestrix_contract_tests.domain import OrderPlaced
from orchestrix_core import (
    ConcurrencyError,
    DuplicateEventError,
    Event,
)
from orchestrix_core.messages import new_id

Store = InMemoryAsyncEventStore


@attrs.frozen
class Broken:
    store: type
    contract: type
    failing: list[str]
    hangs: bool = False


def renamed(events: Sequence[Event]) -> list[Event]:
    return [attrs.evolve(event, id=new_id()) for event in events]


class LosesTheConflictCheck(Store):
    async def save(self, aggregate_id, events, expected_version=None):
        try:
            await super().save(aggregate_id, events, expected_version)
        except ConcurrencyError:
            await super().save(aggregate_id, events, None)


class SyncLosesTheConflictCheck(InMemoryEventStore):
    def save(self, aggregate_id, events, expected_version=None):
        try:
            super().save(aggregate_id, events, expected_version)
        except ConcurrencyError:
            super().save(aggregate_id, events, None)


class ChecksBeforeItLocks(Store):
    async def save(self, aggregate_id, events, expected_version=None):
        if expected_version is not None:
            await super().save(aggregate_id, [], expected_version)
            await asyncio.sleep(0)
        await super().save(aggregate_id, events, None)


class NoneConflicts(Store):
    async def save(self, aggregate_id, events, expected_version=None):
        if expected_version is None and events:
            expected_version = len(await self.load(aggregate_id))
            await asyncio.sleep(0)
        await super().save(aggregate_id, events, expected_version)


class ReportsAWrongVersion(Store):
    async def save(self, aggregate_id, events, expected_version=None):
        try:
            await super().save(aggregate_id, events, expected_version)
        except ConcurrencyError as error:
            raise ConcurrencyError(aggregate_id, error.expected_version, 0) from None


class LetsEmptySavesPass(Store):
    async def save(self, aggregate_id, events, expected_version=None):
        if len(events):
            await super().save(aggregate_id, events, expected_version)


class TakesTrueForOne(Store):
    async def save(self, aggregate_id, events, expected_version=None):
        if isinstance(expected_version, bool):
            expected_version = None
        await super().save(aggregate_id, events, expected_version)


class SavesOneByOne(Store):
    async def save(self, aggregate_id, events, expected_version=None):
        await super().save(aggregate_id, [], expected_version)
        for event in events:
            await super().save(aggregate_id, [event])


class SyncSavesOneByOne(InMemoryEventStore):
    def save(self, aggregate_id, events, expected_version=None):
        super().save(aggregate_id, [], expected_version)
        for event in events:
            super().save(aggregate_id, [event])


class IsTornByCancellation(Store):
    async def save(self, aggregate_id, events, expected_version=None):
        try:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            await super().save(aggregate_id, events[:1], expected_version)
            raise
        await super().save(aggregate_id, events, expected_version)


class LoadsInOrderOfIds(Store):
    async def load(self, aggregate_id, from_version=0):
        await super().load(aggregate_id, from_version)
        return sorted(await super().load(aggregate_id), key=lambda e: e.id)[from_version or 0 :]


class BeginsAtTheSecond(Store):
    async def load(self, aggregate_id, from_version=1):
        return await super().load(aggregate_id, from_version)


class SkipsOneTooFew(Store):
    async def load(self, aggregate_id, from_version=0):
        return await super().load(aggregate_id, max(0, (from_version or 0) - 1))


class FoldsCase(Store):
    async def save(self, aggregate_id, events, expected_version=None):
        await super().save(aggregate_id.lower(), events, expected_version)

    async def load(self, aggregate_id, from_version=0):
        return await super().load(aggregate_id.lower(), from_version)


class LosesTheScale(Store):
    async def load(self, aggregate_id, from_version=0):
        return [_rounded(event) for event in await super().load(aggregate_id, from_version)]


def _rounded(event: Event) -> Event:
    if isinstance(event, OrderPlaced):
        return attrs.evolve(event, total=event.total.normalize())
    return event


class AcceptsADuplicateId(Store):
    async def save(self, aggregate_id, events, expected_version=None):
        try:
            await super().save(aggregate_id, events, expected_version)
        except DuplicateEventError:
            await super().save(aggregate_id, renamed(events), None)


class AppendsARetryTwice(Store):
    async def save(self, aggregate_id, events, expected_version=None):
        before = await self.load(aggregate_id)
        await super().save(aggregate_id, events, expected_version)
        if await self.load(aggregate_id) == before:
            await super().save(aggregate_id, renamed(events))


class TakesALateRetryForAConflict(Store):
    async def save(self, aggregate_id, events, expected_version=None):
        before = await self.load(aggregate_id)
        await super().save(aggregate_id, events, expected_version)
        if before[len(before) - len(events) :] != list(events) and events:
            now = len(await self.load(aggregate_id))
            if now == len(before):
                raise ConcurrencyError(aggregate_id, expected_version, now)


class DropsDuplicatesInSilence(Store):
    async def save(self, aggregate_id, events, expected_version=None):
        try:
            await super().save(aggregate_id, events, expected_version)
        except DuplicateEventError:
            if expected_version is not None:
                raise


class PrefersTheConflict(Store):
    async def save(self, aggregate_id, events, expected_version=None):
        try:
            await super().save(aggregate_id, events, expected_version)
        except DuplicateEventError:
            await super().save(aggregate_id, [], expected_version)
            raise


class TidiesUUIDs(Store):
    """To it, two ways to write a UUID are one id."""

    async def save(self, aggregate_id, events, expected_version=None):
        tidied = [attrs.evolve(event, id=_tidied(event.id)) for event in events]
        await super().save(aggregate_id, tidied, expected_version)


def _tidied(event_id: str) -> str:
    try:
        return str(UUID(event_id))
    except ValueError:
        return event_id


class NamesTheFirstOfTheSave(Store):
    async def save(self, aggregate_id, events, expected_version=None):
        try:
            await super().save(aggregate_id, events, expected_version)
        except DuplicateEventError:
            raise DuplicateEventError(events[0].id, aggregate_id) from None


BROKEN: Final = [
    Broken(
        LosesTheConflictCheck,
        LockingContract,
        [
            "test_wrong_expectation_is_refused",
            "test_empty_save_still_checks",
            "test_expectation_on_an_unknown_stream",
            "test_one_of_many_racers_wins",
            "test_zero_means_new",
        ],
    ),
    Broken(
        SyncLosesTheConflictCheck,
        LockingContract,
        [
            "test_wrong_expectation_is_refused",
            "test_empty_save_still_checks",
            "test_expectation_on_an_unknown_stream",
            "test_one_of_many_racers_wins",
            "test_zero_means_new",
        ],
    ),
    Broken(ChecksBeforeItLocks, LockingContract, ["test_one_of_many_racers_wins"]),
    Broken(NoneConflicts, LockingContract, ["test_none_never_conflicts_among_racers"]),
    Broken(
        ReportsAWrongVersion,
        LockingContract,
        ["test_wrong_expectation_is_refused", "test_empty_save_still_checks"],
    ),
    Broken(LetsEmptySavesPass, LockingContract, ["test_empty_save_still_checks"]),
    Broken(TakesTrueForOne, LockingContract, ["test_expectation_must_be_a_whole_number"]),
    Broken(
        SavesOneByOne,
        AppendContract,
        [
            "test_unstorable_last_event_leaves_nothing",
            "test_cancelled_append_is_whole_or_absent",
            "test_duplicate_last_event_leaves_nothing",
        ],
    ),
    Broken(
        SyncSavesOneByOne,
        AppendContract,
        ["test_unstorable_last_event_leaves_nothing", "test_duplicate_last_event_leaves_nothing"],
    ),
    Broken(IsTornByCancellation, AppendContract, ["test_cancelled_append_is_whole_or_absent"]),
    Broken(
        LoadsInOrderOfIds,
        AppendContract,
        ["test_order_is_the_given_one_not_the_one_of_ids_or_times"],
    ),
    Broken(BeginsAtTheSecond, AppendContract, ["test_versions_need_not_be_said"]),
    Broken(
        SkipsOneTooFew, AppendContract, ["test_from_version_skips_the_first_n", "test_large_batch"]
    ),
    Broken(FoldsCase, AppendContract, ["test_similar_stream_ids_are_different_streams"]),
    Broken(LosesTheScale, AppendContract, ["test_rich_values_read_back_exactly"]),
    Broken(
        AcceptsADuplicateId,
        RetryContract,
        [
            "test_id_of_another_stream_is_refused",
            "test_id_twice_in_one_save_is_refused",
            "test_partial_overlap_is_refused",
            "test_refused_events_may_be_saved_later",
            "test_retry_with_another_expectation_is_refused",
            "test_same_events_in_another_order_are_refused",
            "test_stored_event_is_named_behind_new_ones",
            "test_any_text_is_an_event_id",
        ],
    ),
    Broken(
        AppendsARetryTwice,
        RetryContract,
        [
            "test_same_save_again_appends_nothing",
            "test_same_save_again_after_the_stream_moved_on",
            "test_same_save_again_in_the_middle_of_a_stream",
            "test_same_save_from_racing_retries",
            "test_any_text_is_an_event_id",
        ],
    ),
    Broken(
        TakesALateRetryForAConflict,
        RetryContract,
        ["test_same_save_again_after_the_stream_moved_on"],
    ),
    Broken(
        DropsDuplicatesInSilence,
        RetryContract,
        [
            "test_retry_with_another_expectation_is_refused",
            "test_id_of_another_stream_is_refused",
            "test_partial_overlap_is_refused",
            "test_stored_event_is_named_behind_new_ones",
        ],
    ),
    Broken(
        PrefersTheConflict,
        RetryContract,
        [
            "test_id_of_another_stream_is_refused",
            "test_partial_overlap_is_refused",
            "test_retry_with_another_expectation_is_refused",
            "test_same_events_in_another_order_are_refused",
            "test_stored_event_is_named_behind_new_ones",
        ],
    ),
    Broken(NamesTheFirstOfTheSave, RetryContract, ["test_stored_event_is_named_behind_new_ones"]),
    Broken(TidiesUUIDs, RetryContract, ["test_any_text_is_an_event_id"]),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.store.__name__)
def test_broken_store_is_caught(broken: Broken, catch: Callable[..., None]) -> None:
    catch(broken.store, broken.contract, broken.failing, hangs=broken.hangs)
