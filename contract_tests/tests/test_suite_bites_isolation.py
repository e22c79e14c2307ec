"""
Each of these stores breaks one promise about traces, isolation, bad input, snapshots or closing.

A row of `BROKEN` has the store, its contract, and exactly the tests that fail: first the one that
is named for the breach, then those that see the same breach from another side.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

import attrs
import pytest

from orchestrix.infrastructure.memory import InMemoryAsyncEventStore
from orchestrix_contract_tests.contracts.bad_input import BadInputContract
from orchestrix_contract_tests.contracts.isolation import IsolationContract
from orchestrix_contract_tests.contracts.lifecycle import LifecycleContract
from orchestrix_contract_tests.contracts.snapshots import SnapshotContract
from orchestrix_contract_tests.contracts.traces import TraceContract
from orchestrix_contract_tests.domain import Deposited
from orchestrix_core import (
    Event,
    MessageRegistry,
    SerializationError,
    Snapshot,
)

Store = InMemoryAsyncEventStore


@attrs.frozen
class Broken:
    store: type
    contract: type
    failing: list[str]
    hangs: bool = False


class TracesOneAggregate(Store):
    async def load_by_trace(self, trace_id):
        events = await super().load_by_trace(trace_id)
        streams = {r.event.id: r.aggregate_id for r in await self.read_log(limit=10_000)}
        return [e for e in events if streams[e.id] == streams[events[0].id]]


class TracesInOrderOfTime(Store):
    async def load_by_trace(self, trace_id):
        return sorted(await super().load_by_trace(trace_id), key=lambda event: event.timestamp)


class SharesItsList(Store):
    def __init__(self) -> None:
        super().__init__()
        self.lists: dict[Any, list[Event]] = {}

    async def load(self, aggregate_id, from_version=0):
        fresh = await super().load(aggregate_id, from_version)
        known = self.lists.setdefault((aggregate_id, from_version), fresh)
        known.extend(fresh[len(known) :] if known is not fresh and known else [])
        return known


class KeepsTheGivenList(Store):
    def __init__(self) -> None:
        super().__init__()
        self.late: list[tuple[str, Sequence[Event], int | None]] = []

    async def save(self, aggregate_id, events, expected_version=None):
        self.late.append((aggregate_id, events, expected_version))

    async def load(self, aggregate_id, from_version=0):
        while self.late:
            await super().save(*self.late.pop(0))
        return await super().load(aggregate_id, from_version)

    async def load_by_trace(self, trace_id):
        await self.load("any")
        return await super().load_by_trace(trace_id)

    async def read_log(self, after=0, limit=1000, types=None):
        await self.load("any")
        return await super().read_log(after, limit, types)


class SharesWhatEventsHold(Store):
    def __init__(self) -> None:
        super().__init__()
        self.originals: dict[str, Event] = {}

    async def save(self, aggregate_id, events, expected_version=None):
        await super().save(aggregate_id, events, expected_version)
        self.originals |= {event.id: event for event in events}

    async def load(self, aggregate_id, from_version=0):
        return [self.originals[e.id] for e in await super().load(aggregate_id, from_version)]


class AcceptsTheUnstorable(Store):
    async def save(self, aggregate_id, events, expected_version=None):
        try:
            await super().save(aggregate_id, events, expected_version)
        except SerializationError:
            kept = [e for e in events if isinstance(e, Deposited) and e.id]
            await super().save(aggregate_id, kept, expected_version)


class KeepsWhatTwoClassesClaim(Store):
    """It looks into no registry when it saves: what it keeps, another process cannot read."""

    def __init__(self) -> None:
        super().__init__()
        self._kept._registry = MessageRegistry()


class BlamesNoArgument(Store):
    async def save(self, aggregate_id, events, expected_version=None):
        try:
            await super().save(aggregate_id, events, expected_version)
        except (TypeError, ValueError) as error:
            raise type(error)("bad input") from error


class GoesBackToAnOlderSnapshot(Store):
    def __init__(self) -> None:
        super().__init__()
        self.latest: dict[str, InMemoryAsyncEventStore] = {}

    async def save_snapshot_async(self, snapshot):
        await super().save_snapshot_async(snapshot)
        self.latest[snapshot.aggregate_id] = InMemoryAsyncEventStore()
        await self.latest[snapshot.aggregate_id].save_snapshot_async(snapshot)

    async def load_snapshot_async(self, aggregate_id):
        await super().load_snapshot_async(aggregate_id)
        store = self.latest.get(aggregate_id)
        return store and await store.load_snapshot_async(aggregate_id)

    save_snapshot = save_snapshot_async
    load_snapshot = load_snapshot_async


class SharesItsState(Store):
    def __init__(self) -> None:
        super().__init__()
        self.given: dict[str, Snapshot] = {}

    async def load_snapshot_async(self, aggregate_id):
        snapshot = await super().load_snapshot_async(aggregate_id)
        known = self.given.get(aggregate_id)
        if known is None or snapshot is None or known.version != snapshot.version:
            self.given[aggregate_id] = known = snapshot
        return known

    load_snapshot = load_snapshot_async


class ForgetsTheSchemaVersion(Store):
    async def load_snapshot_async(self, aggregate_id):
        snapshot = await super().load_snapshot_async(aggregate_id)
        return snapshot and attrs.evolve(snapshot, schema_version=1)

    load_snapshot = load_snapshot_async


class AnswersAfterClose(Store):
    async def close(self):
        pass


class SwallowsTheBlocksException(Store):
    async def __aexit__(self, *error):
        await self.close()
        return True


class ClosesOnlyOnce(Store):
    async def close(self):
        await self.ping()
        await super().close()


class SharesOneLedger(Store):
    shared = InMemoryAsyncEventStore()

    async def save(self, aggregate_id, events, expected_version=None):
        await super().save(aggregate_id, events, expected_version)
        await self.shared.save(aggregate_id, events)

    async def load(self, aggregate_id, from_version=0):
        await super().load(aggregate_id, from_version)
        return await self.shared.load(aggregate_id, from_version)


class LeavesAThread(Store):
    """What it started when it was opened goes on when it is closed."""

    async def initialize(self):
        await super().initialize()
        threading.Thread(target=threading.Event().wait, daemon=True).start()


class LeavesAThreadWhenCancelled(Store):
    """What it started when it was opened goes on when that is cancelled."""

    async def initialize(self):
        end = threading.Event()
        threading.Thread(target=end.wait, daemon=True).start()
        await asyncio.sleep(0)
        await super().initialize()
        end.set()


BROKEN: Final = [
    Broken(
        TracesOneAggregate,
        TraceContract,
        [
            "test_trace_over_all_aggregates_in_log_order",
            "test_trace_agrees_with_the_log",
            "test_trace_follows_later_saves",
            "test_trace_longer_than_a_page",
        ],
    ),
    Broken(TracesInOrderOfTime, TraceContract, ["test_trace_over_all_aggregates_in_log_order"]),
    Broken(
        SharesItsList,
        IsolationContract,
        [
            "test_returned_list_may_be_changed",
            "test_list_returned_for_an_unknown_stream_may_be_changed",
            "test_value_inside_a_loaded_event_may_be_changed",
        ],
    ),
    Broken(
        KeepsTheGivenList,
        IsolationContract,
        [
            "test_given_list_may_be_changed_afterwards",
            "test_list_inside_a_rich_event_may_be_changed",
            "test_value_inside_a_given_event_may_be_changed",
        ],
    ),
    Broken(
        SharesWhatEventsHold,
        IsolationContract,
        [
            "test_value_inside_a_given_event_may_be_changed",
            "test_list_inside_a_rich_event_may_be_changed",
            "test_value_inside_a_loaded_event_may_be_changed",
        ],
    ),
    Broken(
        AcceptsTheUnstorable,
        BadInputContract,
        [
            "test_unstorable_value_names_its_place",
            "test_store_works_on_after_refusals",
            "test_value_that_json_would_change_is_refused",
            "test_wrongly_typed_field_is_refused",
        ],
    ),
    Broken(KeepsWhatTwoClassesClaim, BadInputContract, ["test_name_of_two_classes_is_refused"]),
    Broken(
        BlamesNoArgument,
        BadInputContract,
        [
            "test_every_event_must_be_an_event",
            "test_a_single_event_is_not_a_sequence",
            "test_events_must_be_a_sequence",
            "test_store_works_on_after_refusals",
            "test_stream_id_must_be_text",
        ],
    ),
    Broken(
        GoesBackToAnOlderSnapshot,
        SnapshotContract,
        ["test_older_never_replaces_newer", "test_racing_snapshots_keep_the_newest"],
    ),
    Broken(SharesItsState, SnapshotContract, ["test_returned_state_may_be_changed"]),
    Broken(
        ForgetsTheSchemaVersion,
        SnapshotContract,
        [
            "test_schema_version_is_given_back",
            "test_same_version_replaces",
            "test_snapshot_reads_back_exactly",
        ],
    ),
    Broken(
        AnswersAfterClose,
        LifecycleContract,
        [
            "test_use_after_close_is_refused",
            "test_context_manager_passes_exceptions_on",
            "test_store_is_a_context_manager",
        ],
    ),
    Broken(
        SwallowsTheBlocksException,
        LifecycleContract,
        ["test_context_manager_passes_exceptions_on", "test_store_is_a_context_manager"],
    ),
    Broken(
        ClosesOnlyOnce,
        LifecycleContract,
        [
            "test_cancelled_initialize_leaves_no_thread",
            "test_close_again_does_nothing",
            "test_close_before_initialize_does_nothing",
            "test_close_ends_the_threads",
            "test_close_ends_what_is_under_way",
            "test_context_manager_passes_exceptions_on",
            "test_store_is_a_context_manager",
            "test_use_after_close_is_refused",
        ],
    ),
    Broken(
        SharesOneLedger,
        LifecycleContract,
        ["test_stores_of_one_kind_share_nothing", "test_store_is_a_context_manager"],
    ),
    Broken(LeavesAThread, LifecycleContract, ["test_close_ends_the_threads"], hangs=True),
    Broken(
        LeavesAThreadWhenCancelled,
        LifecycleContract,
        ["test_cancelled_initialize_leaves_no_thread"],
        hangs=True,
    ),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.store.__name__)
def test_broken_store_is_caught(broken: Broken, catch: Callable[..., None]) -> None:
    catch(broken.store, broken.contract, broken.failing, hangs=broken.hangs)
