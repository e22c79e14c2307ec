"""Promise 4, live: a subscription catches up, then follows, and misses nothing."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from orchestrix_contract_tests.contracts._base import requires
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.contracts.log import SAVES, WRITERS, assert_ordered, write_some
from orchestrix_contract_tests.domain import Noted, deposits
from orchestrix_contract_tests.driver import Driver, Follower, Stores, bounded
from orchestrix_core import ConcurrencyError, RecordedEvent, StoreClosedError, StreamWrite

__all__ = ["SubscriptionContract", "waiting_for"]


class SubscriptionContract(StoreContract, needs=("global_log", "async")):
    """Catch up, then live."""

    async def test_subscription_catches_up(self, store: Driver) -> None:
        """Promise 4: first comes what is there, as `read_log` gives it."""
        for stream in "aba":
            await store.save(stream, deposits(2))
        follower = store.subscribe()
        assert await follower.take(6) == await store.read_log()
        await follower.close()

    async def test_subscription_begins_at_the_start(self, store: Driver) -> None:
        """Promise 4: unless it is told to begin elsewhere."""
        events = deposits(2)
        await store.save("acc", events)
        follower = Follower(store.store.subscribe())
        assert [(await follower.next()).event for _ in events] == events
        await follower.close()

    async def test_subscription_starts_after_a_position(self, store: Driver) -> None:
        """Promise 4: `after` is the highest position seen already."""
        await store.save("acc", deposits(4))
        records = await store.read_log()
        follower = store.subscribe(records[1].position)
        assert await follower.take(2) == records[2:]
        await follower.close()

    async def test_subscription_catches_up_over_many_pages(self, store: Driver) -> None:
        """Promise 4: a long log comes whole, without gap or overlap."""
        for n in range(3):
            await store.save(f"acc-{n}", deposits(700))
        follower = store.subscribe()
        assert await follower.take(2100) == await store.read_log(limit=5000)
        await follower.close()

    async def test_waiting_subscriber_gets_new_events(self, store: Driver) -> None:
        """Promise 4: after the last stored event it waits, and each commit wakes it."""
        await store.save("acc", deposits(1))
        follower = store.subscribe()
        await follower.next()
        for n in range(3):
            waiting = await waiting_for(follower)
            events = deposits(2)
            await store.save(f"acc-{n}", events)
            assert [(await waiting).event, (await follower.next()).event] == events
        await follower.close()

    async def test_subscriber_on_an_empty_log_waits(self, store: Driver) -> None:
        """Promise 4: an empty log is not the end of it."""
        follower = store.subscribe()
        waiting = await waiting_for(follower)
        events = deposits(1)
        await store.save("acc", events)
        assert (await waiting).event == events[0]
        await follower.close()

    @requires("multi_stream")
    async def test_subscriber_gets_save_all_in_log_order(self, store: Driver) -> None:
        """Promise 4: a multi-stream append arrives as the log has it."""
        follower = store.subscribe()
        waiting = await waiting_for(follower)
        b, a = deposits(2), deposits(2)
        await store.save_all([StreamWrite("b", b), StreamWrite("a", a)])
        records = [await waiting, *await follower.take(3)]
        assert [record.event for record in records] == [*b, *a]
        await follower.close()

    async def test_every_subscriber_gets_everything(self, store: Driver) -> None:
        """Promise 4: subscribers do not take events away from each other."""
        followers = [store.subscribe() for _ in range(3)]
        waiting = [await waiting_for(follower) for follower in followers]
        await store.save("acc", deposits(3))
        seen = [[await w, *await f.take(2)] for w, f in zip(waiting, followers, strict=True)]
        assert seen == [await store.read_log()] * 3
        for follower in followers:
            await follower.close()

    async def test_subscriber_misses_nothing_while_others_write(
        self, store: Driver, stores: Stores
    ) -> None:
        """Promise 4: the change from catching up to live loses and doubles nothing."""
        await store.save("early", deposits(1))
        writing = asyncio.ensure_future(write_some(store, stores))
        follower = store.subscribe()
        seen = await follower.take(1 + WRITERS * SAVES * 2)
        await writing
        assert seen == await store.read_log(limit=10_000)
        assert_ordered(seen)
        await follower.close()

    async def test_refused_append_reaches_no_subscriber(self, store: Driver) -> None:
        """Promises 1 and 4: what was refused is not heard of, and stalls nobody."""
        follower = store.subscribe()
        waiting = await waiting_for(follower)
        with pytest.raises(ConcurrencyError):
            await store.save("acc", deposits(2), 7)
        events = deposits(1)
        await store.save("acc", events)
        assert (await waiting).event == events[0]
        await follower.close()

    @requires("multi_process")
    async def test_subscriber_hears_of_other_stores(self, store: Driver, stores: Stores) -> None:
        """Promise 4: a commit through another store on the same data arrives as well."""
        follower = store.subscribe()
        waiting = await waiting_for(follower)
        (rival,) = await stores.rivals(store, 1)
        events = deposits(2)
        await rival.save("acc", events)
        assert [(await waiting).event, (await follower.next()).event] == events
        await follower.close()

    async def test_closed_subscription_has_ended(self, store: Driver) -> None:
        """Promise 8: `aclose` ends a subscription; the store and others go on."""
        await store.save("acc", deposits(2))
        ended, other = store.subscribe(), store.subscribe()
        await ended.next()
        await ended.close()
        with pytest.raises(StopAsyncIteration):
            await ended.next()
        await ended.close()
        await store.save("acc", deposits(1))
        assert len(await other.take(3)) == 3
        await other.close()

    async def test_cancelled_subscriber_lets_go(self, store: Driver) -> None:
        """Promise 8: cancelling who waits is a clean end; the store works on."""
        follower = store.subscribe()
        waiting = await waiting_for(follower)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await follower.close()
        events = deposits(1)
        await store.save("acc", events)
        again = store.subscribe()
        assert (await again.next()).event == events[0]
        await again.close()

    async def test_closing_the_store_wakes_subscribers(self, store: Driver) -> None:
        """Promise 8: who waits on a store that is closed gets `StoreClosedError`, not silence."""
        await store.save("acc", deposits(1))
        followers = [store.subscribe(), store.subscribe(await store.head())]
        await followers[0].next()
        waiting = [await waiting_for(follower) for follower in followers]
        await store.close()
        for wait in waiting:
            with pytest.raises(StoreClosedError):
                await wait

    async def test_subscriber_owns_what_it_gets(self, store: Driver) -> None:
        """Promise 7: a dict inside a record of one subscriber is not that of another."""
        await store.save("acc", [Noted(notes={"k": ["v"]})])
        for _ in range(2):
            follower = store.subscribe()
            notes = cast("Noted", (await follower.next()).event).notes
            assert notes == {"k": ["v"]}
            notes["k"].append("scribble")
            await follower.close()

    @pytest.mark.parametrize("after", [-1, True, "1"])
    async def test_after_must_be_a_position(self, store: Driver, after: Any) -> None:
        """Promise 9: what is no position is a `ValueError`, at the call or at the first event."""
        with pytest.raises(ValueError, match="after"):
            await store.subscribe(after).next()


async def waiting_for(follower: Follower) -> asyncio.Task[RecordedEvent]:
    """Ask for the next record, and let the subscription get as far as it gets without one."""
    task = asyncio.create_task(_next(follower))
    for _ in range(20):
        await asyncio.sleep(0)  # one turn of the loop
    return task


async def _next(follower: Follower) -> RecordedEvent:
    record: RecordedEvent = await bounded(follower.next(), "a waiting subscription")
    return record
