"""Sessions that end at the wrong moment, answers that are lost, a pool that is used up."""

from __future__ import annotations

import asyncio

import pytest

from orchestrix.infrastructure.postgres import PostgreSQLEventStore
from orchestrix_core import StorageError, StreamWrite

from ._conditions import PATIENCE, be_impatient, observe, until
from ._proxy import Proxy


def open_store(dsn, size=2, **settings):
    return PostgreSQLEventStore(dsn, pool_min_size=1, pool_max_size=size, **settings)


async def ids_of(store, stream):
    return [event.id for event in await store.load(stream)]


async def outcome_of(save):
    """Wait for a save; return whether it was acknowledged."""
    async with asyncio.timeout(PATIENCE):
        (outcome,) = await asyncio.gather(save, return_exceptions=True)
    if outcome is not None:
        assert isinstance(outcome, StorageError)
        assert outcome.__cause__ is not None
    return outcome is None


async def test_terminated_in_the_middle_of_a_save(dsn, notes):
    ids = ["2", "3", "4"]
    async with open_store(dsn) as store, observe(dsn) as observer:
        await store.save("a", notes("1"), 0)
        async with observer.no_writes():
            save = asyncio.create_task(store.save("a", notes(*ids), 1))
            await observer.terminate(await observer.waiting())
            assert not save.done() or await ids_of(store, "a") == ["1"]
        stored = await outcome_of(save)
        assert await ids_of(store, "a") == ["1", *(ids if stored else [])]
        for _ in range(2):
            await store.save("a", notes(*ids), 1)
            assert await ids_of(store, "a") == ["1", *ids]


async def test_termination_hits_each_append_of_a_group_as_a_whole(dsn, notes):
    async with open_store(dsn) as store, observe(dsn) as observer:
        async with observer.no_writes():
            saves = {f"s{i}": notes(f"{i}-1", f"{i}-2") for i in range(20)}
            tasks = {s: asyncio.create_task(store.save(s, e, 0)) for s, e in saves.items()}
            await observer.terminate(await observer.waiting())
        for stream, task in tasks.items():
            stored = await outcome_of(task)
            assert len(await store.load(stream)) == (2 if stored else 0)
        await asyncio.gather(*(store.save(s, e, 0) for s, e in saves.items()))
        log = [record.event.id for record in await store.read_log()]
        assert sorted(log) == sorted(event.id for events in saves.values() for event in events)


async def test_lost_answer(dsn, notes, tmp_path_factory):
    """The server has committed, the store does not know: the same save appends nothing more."""
    directory = tmp_path_factory.mktemp("p")
    async with (
        Proxy.run(dsn, directory) as (proxy, through),
        open_store(dsn) as direct,
        open_store(through, 1) as store,
    ):
        await store.save("a", notes("1"), 0)
        proxy.lose_answer = True
        first = await outcome_of(store.save("a", notes("2", "3"), 1))
        assert proxy.lost == 1
        assert await ids_of(direct, "a") == ["1", "2", "3"], "nothing was lost but the answer"
        await store.save("a", notes("2", "3"), 1)
        proxy.lose_answer = True
        both = [StreamWrite("a", notes("4"), 3), StreamWrite("b", notes("5"), 0)]
        second = await outcome_of(store.save_all(both))
        await store.save_all(both)
        assert proxy.lost == 2
        assert await ids_of(direct, "a") == ["1", "2", "3", "4"]
        assert await ids_of(direct, "b") == ["5"]
        assert await ids_of(store, "b") == ["5"]
        assert (first, second) in ((True, True), (False, False))


async def test_farewell_whose_end_is_late(dsn, notes, tmp_path_factory):
    """The server has said that it shuts down, and the connection looks alive for a moment yet."""
    directory = tmp_path_factory.mktemp("p")
    async with Proxy.run(dsn, directory) as (proxy, through), open_store(through, 1) as store:
        await store.save("a", notes("0"), 0)
        for turns in range(1, 10):
            proxy.farewell()
            for _ in range(turns):  # the message is on its way, or has been read
                await asyncio.sleep(0)
            assert len(await store.load("a")) == turns
            proxy.farewell()
            for _ in range(turns):
                await asyncio.sleep(0)
            await store.save("a", notes(f"{turns}"), turns)


async def test_exhausted_pool_names_the_setting(dsn, notes):
    async with open_store(dsn, 2, pool_timeout=PATIENCE) as store, observe(dsn) as observer:
        await store.save("a", notes("1"), 0)
        async with observer.no_access():
            loads = {asyncio.create_task(store.load("a")) for _ in range(2)}
            await observer.waiting(2)
            be_impatient(store, 0.3)
            for call in (store.load("a"), store.read_log(), store.save("a", notes("2"), 1)):
                with pytest.raises(StorageError, match="pool_timeout") as caught:
                    async with asyncio.timeout(PATIENCE):
                        await call
                assert "pool_timeout (0.3 s)" in str(caught.value)
                assert "pool_max_size" in str(caught.value)
            be_impatient(store, PATIENCE)
            assert not any(load.done() for load in loads)
        assert [len(events) for events in await asyncio.gather(*loads)] == [1, 1]
        await store.save("a", notes("2"), 1)
        assert await ids_of(store, "a") == ["1", "2"]


async def next_id(records):
    async with asyncio.timeout(PATIENCE):
        return (await anext(records)).event.id


async def test_lost_notifications_lose_no_event(dsn, notes):
    """Everything that a subscription listens with is cut, again and again."""
    async with open_store(dsn) as reader, observe(dsn) as observer:
        records = reader.subscribe()
        async with open_store(dsn) as writer:
            await writer.save("a", notes("0"), 0)
            assert await next_id(records) == "0"
        for number in range(1, 6):
            waiting = asyncio.create_task(next_id(records))
            await observer.terminate(await observer.others())
            async with open_store(dsn) as writer:
                await writer.save("a", notes(f"{number}"), number)
            assert await waiting == f"{number}"
        await records.aclose()


async def test_events_that_nobody_notifies_of(dsn, notes):
    """Written past the store, by the administrator: a look now and then finds them."""
    async with open_store(dsn) as store, observe(dsn) as observer:
        await store.save("a", notes("1"), 0)
        records = store.subscribe()
        assert await next_id(records) == "1"
        waiting = asyncio.create_task(next_id(records))

        async def listening():
            return await observer.others("query ILIKE 'LISTEN%'")

        await until(listening)
        await observer.connection.execute(
            "INSERT INTO events (position, aggregate_id, version, event_id, type, schema_version,"
            " document) SELECT position + 1, 'b', 1, '2', type, schema_version, document"
            " FROM events"
        )
        assert await waiting in ("1", "2")  # the id is in the document, too
        await records.aclose()


async def test_server_restarts_under_a_subscription(own_server, notes):
    dsn = own_server.dsn()
    async with open_store(dsn, poll_interval=0.02) as store:
        await store.save("a", notes("0"), 0)
        records = store.subscribe()
        assert await next_id(records) == "0"
        for number, mode in enumerate(("fast", "immediate"), 1):
            waiting = asyncio.create_task(next_id(records))
            await asyncio.to_thread(own_server.stop, mode)
            assert not await ping(store)
            assert not await outcome_of(store.save("a", notes("lost"), number))
            done, _ = await asyncio.wait([waiting], timeout=0.3)  # it looks many times, and waits
            assert not done
            await asyncio.to_thread(own_server.start)
            await store.save("a", notes(f"{number}"), number)
            assert await waiting == f"{number}"
        await records.aclose()


def save_many(store, notes, version):
    return asyncio.gather(*(store.save(f"{n}", notes(f"{n}-{version}"), version) for n in range(9)))


async def change(store, notes, version):
    async with store.transaction() as transaction:
        await transaction.put("c", "k", {}, expect=version)
        await transaction.append([StreamWrite("a", notes(f"{version}"), version)])


FIRST = {
    "load": lambda store, notes, version: store.load("a"),
    "save": lambda store, notes, version: store.save("a", notes(f"{version}"), version),
    "saves": save_many,
    "transaction": change,
}


EVENTS = {"load": 0, "save": 1, "saves": 9, "transaction": 1}


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_the_first_call_after_a_restart(own_server, notes, mode):
    """Every connection of the pool is dead, and the store has heard of none."""
    dsn, size = own_server.dsn(), 4
    for name, call in FIRST.items():
        async with PostgreSQLEventStore(dsn, size, size, schema=name) as store:
            for version in range(2):
                await asyncio.gather(
                    *(store.load("a") for _ in range(2 * size))
                )  # over all of them
                own_server.stop(mode)  # here, so that the event loop stands still meanwhile
                own_server.start()
                await call(store, notes, version)
            await asyncio.gather(*(store.load("a") for _ in range(2 * size)))
            async with observe(dsn) as observer:
                assert len(await observer.others()) == size
            stored = [record.event.id for record in await store.read_log()]
        assert len(stored) == len(set(stored)) == 2 * EVENTS[name]


async def ping(store):
    """Return whether the store answers; a store may say no, or why not."""
    try:
        return await store.ping()
    except StorageError:
        return False
