"""Workers: at least once, in order within each stream, effect and position together."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.contracts._workers import (
    QUICK,
    Wrapped,
    all_done,
    count,
    counting,
    fill,
    held,
    mistakes,
    notes,
    running,
    until,
    versions,
)
from orchestrix_contract_tests.domain import Opened
from orchestrix_contract_tests.driver import Driver, Stores, bounded
from orchestrix_core import NotCaughtUpError, RecordedEvent, StorageError, Transaction
from orchestrix_core.context import current_message
from orchestrix_core.subscriptions import RetryPolicy, Worker, caught_up, lags

__all__ = ["WorkerDeliveryContract"]


class WorkerDeliveryContract(StoreContract, needs=("documents", "global_log", "async")):
    """What one worker does with the events of the log."""

    @pytest.mark.parametrize("partitions", [1, 3])
    async def test_every_event_takes_effect_once_in_order(
        self, store: Driver, partitions: int
    ) -> None:
        """Workers: what was there before and what comes meanwhile, each stream in its order."""
        await fill(store, "abcdef")
        subscription = counting(partitions=partitions, batch=4)
        async with running(Worker(store.store, [subscription])):
            await fill(store, "abcdefgh")
            await all_done(store, subscription)
        assert await mistakes(store) == []

    async def test_groups_are_in_order_over_their_streams(
        self, store: Driver, stores: Stores
    ) -> None:
        """Workers: events of one group are in one partition, in the order of the log."""
        seen: dict[str, list[int]] = {}

        def group(record: RecordedEvent) -> str:
            return record.aggregate_id[0]

        async def handle(record: RecordedEvent, _: Transaction | None) -> None:
            await asyncio.sleep(0)
            seen.setdefault(group(record), []).append(record.position)

        await fill(store, [f"{letter}-{number}" for number in range(5) for letter in "abc"])
        subscription = counting(handle=handle, partitions=4, group=group, transactional=False)
        workers = [Worker(each.store, [subscription]) for each in await stores.rivals(store, 2)]
        async with running(*workers):
            await all_done(store, subscription)
        expected: dict[str, list[int]] = {}
        for record in await store.read_log():
            expected.setdefault(group(record), []).append(record.position)
        assert seen == expected

    @pytest.mark.parametrize("partitions", [1, 2])
    async def test_long_log_comes_in_batches_of_the_size_asked_for(
        self, store: Driver, partitions: int
    ) -> None:
        """Workers: over many pages of the log, never more events than `batch` at once."""
        batches: list[tuple[Transaction | None, list[int]]] = []

        async def handle(record: RecordedEvent, transaction: Transaction | None) -> None:
            if not batches or batches[-1][0] is not transaction:
                batches.append((transaction, []))
            batches[-1][1].append(record.position)

        for name in "abcdefgh":
            await store.save(name, notes(160))
        subscription = counting(handle=handle, batch=60, partitions=partitions)
        async with running(Worker(store.store, [subscription])):
            await all_done(store, subscription)
        assert max(len(positions) for _, positions in batches) == 60
        handled = [position for _, positions in batches for position in positions]
        log = [record.position for record in await store.read_log(limit=10_000)]
        assert sorted(handled) == log
        assert partitions > 1 or handled == log

    async def test_new_event_is_handled_without_being_asked_for(self, store: Driver) -> None:
        """Workers: one that waits is woken by the commit."""
        subscription = counting()
        async with running(Worker(store.store, [subscription])):
            await all_done(store, subscription)
            for n in range(1, 4):
                await store.save("a", notes(1))
                await until(lambda n=n: _has(store, "a", n))  # type: ignore[misc]  # mypy and defaults

    async def test_next_worker_goes_on_where_the_last_one_was(self, store: Driver) -> None:
        """Workers: a position is kept; nothing comes twice, and nothing is left out."""
        for _ in range(3):
            await fill(store, "abc")
            subscription = counting(partitions=2)
            async with running(Worker(store.store, [subscription])):
                await all_done(store, subscription)
        assert await mistakes(store) == []

    async def test_start_now_leaves_out_what_was_before(self, store: Driver) -> None:
        """Workers: `start="now"` counts for the first time alone."""
        await fill(store, "a")
        first = counting(start="now")
        async with running(Worker(store.store, [first])):
            await all_done(store, first)
        await fill(store, "b")  # while nothing runs
        async with running(Worker(store.store, [first])):
            await all_done(store, first)
        assert await versions(store) == {"b": [1, 2, 3, 4, 5, 6]}

    async def test_only_the_types_wanted_come_and_the_position_moves_on(
        self, store: Driver
    ) -> None:
        """Workers: what is left out counts as done."""
        await store.save("a", [*notes(3), Opened(owner="x"), *notes(3)])
        subscription = counting(types=["contract.account.opened"])
        async with running(Worker(store.store, [subscription])):
            await all_done(store, subscription)
            await store.save("a", notes(2))
            await all_done(store, subscription)
        assert await versions(store) == {"a": [4]}
        (lag,) = await lags(store.store, [subscription])
        assert (lag.position, lag.behind, lag.owner) == (await store.head(), 0, None)

    async def test_handler_that_fails_now_and_then_has_its_effect_once(self, store: Driver) -> None:
        """Workers: what was done in a transaction that is undone was not done."""
        tried: list[int] = []

        async def flaky(record: RecordedEvent, transaction: Transaction | None) -> None:
            await count(record, transaction)
            tried.append(record.position)
            if tried.count(record.position) == 1 and record.version % 3 == 0:
                msg = "after the effect"
                raise RuntimeError(msg)

        await fill(store, "abc")
        subscription = counting(handle=flaky)
        async with running(Worker(store.store, [subscription])):
            await all_done(store, subscription)
        assert await mistakes(store) == []

    async def test_commit_whose_answer_is_lost_is_not_done_again(self, store: Driver) -> None:
        """Workers: what failed for all the worker knows, and was stored, stays as it is."""
        cut = Wrapped(store)
        subscription = counting(batch=2)
        worker = Worker(cut, [subscription])
        async with running(worker):
            await until(lambda: held(store, worker))
            cut.forgets = 3
            await fill(store, "abc")
            await all_done(store, subscription)
            assert cut.forgets == 0
        assert await mistakes(store) == []

    async def test_store_that_is_away_is_no_fault_of_an_event(self, store: Driver) -> None:
        """Workers: while the store does not answer no attempt counts; then it goes on."""
        cut = Wrapped(store)

        async def handle(record: RecordedEvent, transaction: Transaction | None) -> None:
            await count(record, transaction)
            if record.version == 2 and not cut.pings:
                cut.away = True
                msg = "gone while it was used"
                raise StorageError(msg)

        subscription = counting(handle=handle, retry=RetryPolicy(attempts=1))
        async with running(Worker(cut, [subscription])):
            await fill(store, "a", rounds=1)
            await until(lambda: _pinged(cut, 2))
            cut.away = False
            await all_done(store, subscription)
            (lag,) = await lags(store.store, [subscription])
        assert lag.dead_letters == 0
        assert await mistakes(store) == []

    async def test_store_that_fails_at_one_event_for_good_is_its_fault(self, store: Driver) -> None:
        """Workers: the first failure is forgiven; what the store never takes is a dead letter."""
        tried: list[int] = []

        async def handle(record: RecordedEvent, transaction: Transaction | None) -> None:
            await count(record, transaction)
            if record.version in (2, 5):
                tried.append(record.version)
                if record.version == 5 or len(tried) == 1:
                    msg = "it does not take this"
                    raise StorageError(msg)

        await fill(store, "ab")
        subscription = counting(handle=handle, batch=2, retry=RetryPolicy(attempts=1))
        async with running(Worker(store.store, [subscription])):
            await all_done(store, subscription)
        assert tried.count(5) >= 2
        assert (await versions(store)) == {"a": [1, 2, 3, 4], "b": [1, 2, 3, 4]}
        (lag,) = await lags(store.store, [subscription])
        assert (lag.blocked, lag.dead_letters) == (2, 4)

    async def test_handler_without_transaction_hears_everything_in_order(
        self, store: Driver
    ) -> None:
        """Workers: at least once, where the effect is none of the store's."""
        heard: list[tuple[str, int]] = []

        async def hear(record: RecordedEvent, transaction: Transaction | None) -> None:
            assert transaction is None
            heard.append((record.aggregate_id, record.version))

        await fill(store, "ab", rounds=3)
        subscription = counting(handle=hear, transactional=False, batch=5)
        for _ in range(2):
            async with running(Worker(store.store, [subscription])):
                await all_done(store, subscription)
        assert heard == [(r.aggregate_id, r.version) for r in await store.read_log()]

    async def test_handler_runs_in_the_context_of_its_event(self, store: Driver) -> None:
        """Workers: messages made in a handler inherit from the event."""
        causes: list[Any] = []

        async def look(record: RecordedEvent, _: Transaction | None) -> None:
            causes.append((record.event, current_message.get()))

        await fill(store, "a", rounds=1)
        subscription = counting(handle=look)
        async with running(Worker(store.store, [subscription])):
            await all_done(store, subscription)
        assert len(causes) == 3
        assert all(event is cause for event, cause in causes)

    async def test_stop_lets_the_handler_finish_and_keeps_what_it_did(self, store: Driver) -> None:
        """Workers: of a batch, what is done is kept, and the rest left for another."""
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def slow(record: RecordedEvent, transaction: Transaction | None) -> None:
            await count(record, transaction)
            if record.version == 2:
                begun.set()
                await go_on.wait()

        await fill(store, "a")
        worker = Worker(store.store, [counting(handle=slow)])
        run = asyncio.create_task(worker.run())
        await bounded(begun.wait(), "the handler")
        worker.stop()
        await until(lambda: _is_stopping(worker))  # it may just be looking at the others
        go_on.set()
        await bounded(run, "the end of the worker")
        assert await versions(store) == {"a": [1, 2]}
        (lag,) = await lags(store.store, ["counting"])
        assert (lag.owner, lag.behind) == (None, 4)
        async with running(Worker(store.store, [counting()])):
            await all_done(store, "counting")
        assert await mistakes(store) == []

    async def test_handler_that_does_not_finish_is_cancelled(self, store: Driver) -> None:
        """Workers: after the grace period its effect is undone, and the lease given back."""
        begun, cancelled = asyncio.Event(), asyncio.Event()

        async def stuck(record: RecordedEvent, transaction: Transaction | None) -> None:
            await count(record, transaction)
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        await fill(store, "a", rounds=1)
        worker = Worker(store.store, [counting(handle=stuck)], grace=0.01)
        run = asyncio.create_task(worker.run())
        await bounded(begun.wait(), "the handler")
        worker.stop()
        await bounded(run, "the end of the worker")
        assert cancelled.is_set()
        assert await versions(store) == {}
        (lag,) = await lags(store.store, ["counting"])
        assert (lag.owner, lag.position) == (None, 0)

    async def test_stop_does_not_wait_for_the_next_try(self, store: Driver) -> None:
        """Workers: a pause between two tries ends at once."""
        tried = asyncio.Event()

        async def fail(*_: Any) -> None:
            tried.set()
            raise ValueError

        await fill(store, "a", rounds=1)
        patient = RetryPolicy(attempts=5, first=3600, longest=3600)
        worker = Worker(store.store, [counting(handle=fail, retry=patient)], grace=3600)
        run = asyncio.create_task(worker.run())
        await bounded(tried.wait(), "the handler")
        worker.stop()
        await bounded(run, "the end of the worker")

    async def test_cancelled_worker_gives_back_what_it_holds(self, store: Driver) -> None:
        """Workers: cancelling is as good an end as stopping."""
        subscription = counting(partitions=2)
        run = asyncio.create_task(Worker(store.store, [subscription]).run())
        await all_done(store, subscription)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await bounded(run, "the end of the worker")
        assert [lag.owner for lag in await lags(store.store)] == [None, None]

    async def test_subscriptions_come_and_go(self, store: Driver) -> None:
        """Workers: more may be run, and fewer, while the worker runs."""
        worker = Worker(store.store)
        await fill(store, "a")
        async with running(worker):
            worker.add(counting(name="one"))
            await all_done(store, "one")
            with pytest.raises(ValueError, match="one"):
                worker.add(counting(name="one"))
            worker.remove("one")
            await until(lambda: _is_free(store, "one"))
            worker.add(counting(name="two", retry=QUICK, types=[]))
            await all_done(store, "two")
        assert await mistakes(store) == []

    async def test_waiting_in_vain_tells_how_far_each_has_got(self, store: Driver) -> None:
        """Workers: the error of `caught_up` is a table."""
        subscription = counting(partitions=2)
        async with running(Worker(store.store, [subscription])):
            await all_done(store, subscription)
        await fill(store, "a")
        with pytest.raises(NotCaughtUpError) as caught:
            await caught_up(store.store, [subscription, "other"], timeout=0.01)
        table = caught.value.table.splitlines()
        assert [line.split()[:4] for line in table[1:]] == [
            ["counting/0", "0", "6", "nobody"],
            ["counting/1", "0", "6", "nobody"],
            ["other", "no", "worker", "has"],
        ]
        assert caught.value.position == await store.head()

    async def test_every_store_sees_the_same_positions(self, store: Driver, stores: Stores) -> None:
        """Workers: anybody can wait for what a worker elsewhere does."""
        (other,) = await stores.rivals(store, 1)
        subscription = counting(partitions=2)
        async with running(Worker(store.store, [subscription])):
            await fill(other, "ab")
            await all_done(other, subscription)
            assert await mistakes(other) == []


async def _has(store: Driver, stream: str, count: int) -> bool:
    return len((await versions(store)).get(stream, [])) == count


async def _pinged(cut: Wrapped, count: int) -> bool:
    return cut.pings >= count


async def _is_stopping(worker: Worker) -> bool:
    return all(runner.is_stopping for runner in worker._holdings.runners.values())


async def _is_free(store: Driver, name: str) -> bool:
    return [lag.owner for lag in await lags(store.store, [name])] == [None]
