"""Workers: a partition has one at a time, shares are even, and nothing is done twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.contracts._workers import (
    LateClaim,
    Wrapped,
    all_done,
    counting,
    fill,
    held,
    mistakes,
    owners,
    running,
    until,
    versions,
)
from orchestrix_contract_tests.driver import Driver, Stores, bounded
from orchestrix_core import PartitionMismatchError, RecordedEvent, Transaction
from orchestrix_core.subscriptions import Subscription, Worker, lags

__all__ = ["WorkerLeaseContract"]

SHORT = 0.3


class WorkerLeaseContract(StoreContract, needs=("documents", "global_log", "async")):
    """Several workers beside each other, each with a store of its own where that can be."""

    async def test_partitions_are_shared_out_evenly(self, store: Driver, stores: Stores) -> None:
        """Workers: who comes gets a share, who leaves hands on; meanwhile nothing goes wrong."""
        subscription = counting(partitions=4)
        rivals = await stores.rivals(store, 3)
        one, two, three = (Worker(each.store, [subscription], lease=SHORT) for each in rivals)
        async with running(one):
            await until(lambda: held(store, one, 4))
            await fill(store, "abcdef")
            async with running(two):
                await until(lambda: held(store, two, 2))
                await fill(store, "abcdef")
                async with running(three):
                    await until(lambda: _shares(store, [1, 1, 2]))
                    await fill(store, "abcdef")
                await fill(store, "abcdef")
                await until(lambda: _shares(store, [2, 2]))
            await until(lambda: held(store, one, 4))
            await fill(store, "abcdef")
            await all_done(store, subscription)
        assert await mistakes(store) == []
        assert await owners(store, "counting") == [None] * 4

    async def test_small_subscriptions_are_spread_out_too(
        self, store: Driver, stores: Stores
    ) -> None:
        """Workers: many with one partition each do not all go to the first worker."""
        subscriptions = [counting(name=f"s{n}", types=[]) for n in range(12)]
        rivals = await stores.rivals(store, 2)
        workers = [Worker(each.store, subscriptions, lease=SHORT) for each in rivals]
        async with running(*workers):
            await until(lambda: _all_share(store, workers))

    async def test_frozen_worker_cannot_commit_after_its_lease(
        self, store: Driver, stores: Stores
    ) -> None:
        """Workers: another takes over; what the first one does then is refused, with its effect."""
        (other,) = await stores.rivals(store, 1)
        cut = Wrapped(store)
        frozen = Worker(cut, [counting(name="counting")], lease=SHORT, owner="frozen")
        async with running(frozen):
            await until(lambda: held(store, frozen, 1))
            cut.freeze()  # no heart-beat, and the next batch stands before its transaction
            begun = cut.begun
            await fill(store, "ab")
            await until(lambda: _true(cut.begun > begun))
            async with running(Worker(other.store, [counting()], lease=SHORT, owner="other")):
                await all_done(store, "counting")
                assert await mistakes(store) == []
                cut.partitions.set()  # before a heart-beat could find out
                await until(lambda: _true("LeaseLost" in cut.undone))
                cut.thaw()
                await fill(store, "ab")
                await all_done(store, "counting")
        assert await mistakes(store) == []

    async def test_without_transaction_the_lease_ends_the_handler(
        self, store: Driver, stores: Stores
    ) -> None:
        """Workers: unrenewed, the lease runs out; the handler is cancelled before others begin."""
        (other,) = await stores.rivals(store, 1)
        cut = Wrapped(store)
        happened: list[str] = []
        begun = asyncio.Event()

        async def stuck(*_: Any) -> None:
            begun.set()
            happened.append("begun")
            try:
                await asyncio.Event().wait()
            finally:
                happened.append("cancelled")

        async def quick(record: RecordedEvent, _: Transaction | None) -> None:
            happened.append(f"handled {record.version}")

        await fill(store, "a", rounds=1, size=1)
        one = counting(handle=stuck, transactional=False)
        two = counting(handle=quick, transactional=False)
        async with running(Worker(cut, [one], lease=SHORT)):
            await bounded(begun.wait(), "the handler")
            cut.freeze()
            async with running(Worker(other.store, [two], lease=SHORT)):
                await all_done(store, two)
            # More than one try, where the machine stood still for longer than the lease.
            assert happened == ["begun", "cancelled"] * (len(happened) // 2) + ["handled 1"]
            cut.thaw()

    async def test_claim_that_is_cancelled_in_its_commit_is_given_back(self, store: Driver) -> None:
        """Workers: a commit under way, while the worker is cancelled, leaves no lease behind."""
        late = LateClaim(store)
        run = asyncio.create_task(Worker(late, [counting()], lease=3600).run())
        await bounded(late.claimed.wait(), "the claim")
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await bounded(run, "the end of the worker")
        assert await owners(store, "counting") == [None]

    async def test_long_handler_keeps_its_lease(self, store: Driver) -> None:
        """Workers: while a handler works, the lease is renewed for longer than it lasts."""
        lasted: list[float] = []
        lease, clock = 4 * SHORT, asyncio.get_running_loop().time

        async def slow(record: RecordedEvent, _: Transaction | None) -> None:
            began, revision = clock(), await _revision(store)
            await until(lambda: _renewed(store, revision + 4))
            lasted.append(clock() - began)

        subscription = counting(handle=slow, transactional=False)
        await fill(store, "a", rounds=1, size=1)
        async with running(Worker(store.store, [subscription], lease=lease)):
            await all_done(store, subscription)
        # Cut off and tried again, if the machine stood still for longer than the lease.
        assert min(lasted) > lease * 0.9

    async def test_other_number_of_partitions_is_refused_while_it_would_hurt(
        self, store: Driver
    ) -> None:
        """Workers: the error has the facts, and nothing is changed."""
        await fill(store, "abcd")
        async with running(Worker(store.store, [counting(partitions=2)])):
            await all_done(store, "counting")
            with pytest.raises(PartitionMismatchError, match="held by") as caught:
                await Worker(store.store, [counting(partitions=3)]).run()
            error = caught.value
            facts = (error.subscription, error.stored, error.wanted)
            assert facts == ("counting", 2, 3)
        assert len(await lags(store.store)) == 2

    async def test_partitions_that_stand_apart_cannot_be_changed(self, store: Driver) -> None:
        """Workers: with positions that differ, events would be lost or done twice."""
        first = counting(partitions=2)
        await fill(store, "abcd")
        async with running(Worker(store.store, [first])):
            await all_done(store, first)
        async with store.transaction() as transaction:
            seen = await transaction.get("subscriptions", "counting/1")
            assert seen is not None
            await transaction.put("subscriptions", "counting/1", {**seen.body, "position": 1})
        with pytest.raises(PartitionMismatchError, match="different positions"):
            await Worker(store.store, [counting(partitions=3)]).run()

    async def test_number_of_partitions_changes_at_rest(self, store: Driver) -> None:
        """Workers: when nobody holds one and all stand at one position, it is changed."""
        for partitions in (2, 5, 1):
            await fill(store, "abcdefg", rounds=1)
            subscription: Subscription = counting(partitions=partitions)
            async with running(Worker(store.store, [subscription])):
                await all_done(store, subscription)
            assert len(await lags(store.store)) == partitions
        assert await mistakes(store) == []
        assert len(await versions(store)) == 7


async def _true(answer: bool) -> bool:
    return answer


async def _revision(store: Driver) -> int:
    seen = await store.get_document("subscriptions", "counting/0")
    return 0 if seen is None else seen.revision


async def _renewed(store: Driver, revision: int) -> bool:
    return await _revision(store) >= revision


async def _shares(store: Driver, expected: list[int]) -> bool:
    held = Counter(await owners(store, "counting"))
    return None not in held and sorted(held.values()) == expected


async def _all_share(store: Driver, workers: list[Worker]) -> bool:
    """Whether everything is held, and each holds something."""
    held = {lag.owner for lag in await lags(store.store)}
    return held == {worker.owner for worker in workers}
