"""Connections: lent without a reset, given back clean, replaced when they die."""

from __future__ import annotations

import asyncio
import tracemalloc
from time import monotonic

import asyncpg
import pytest

from orchestrix.infrastructure.postgres import (
    PostgreSQLEventStore,
    _database,
    _operations,
    _wake,
)
from orchestrix_core import Snapshot, StorageError, StoreClosedError

from ._conditions import PATIENCE, be_impatient, observe, until


def open_store(dsn, size=3, **settings):
    return PostgreSQLEventStore(dsn, 1, size, **settings)


async def test_the_pool_is_as_large_as_it_says(dsn):
    async with PostgreSQLEventStore(dsn, 3, 5), observe(dsn) as observer:
        assert len(await observer.others()) == 3
    async with observe(dsn) as observer:

        async def gone():
            return not await observer.others()

        await until(gone)


async def test_a_full_pool_is_an_error_that_names_the_setting(dsn, notes):
    async with PostgreSQLEventStore(dsn, 2, 2) as store, observe(dsn) as observer:
        be_impatient(store, 0.25)
        async with observer.no_access():
            reads = [asyncio.create_task(store.load("a")) for _ in range(2)]
            await observer.waiting(2)
            with pytest.raises(StorageError, match=r"pool_timeout \(0.25 s\): raise pool_max_size"):
                await store.load("b")
        assert await asyncio.gather(*reads) == [[], []]
        await store.save("a", notes("1"), 0)


async def test_connections_go_back_without_a_round_trip(dsn, notes):
    async with open_store(dsn, 3) as store, observe(dsn) as observer:
        await asyncio.gather(*(store.load("a") for _ in range(20)))
        query = "SELECT query FROM pg_stat_activity WHERE pid = ANY ($1::integer[])"
        rows = await observer.connection.fetch(query, await observer.others())
    assert len(rows) == 3
    assert all("aggregate_id" in row["query"] for row in rows)  # and not "RESET ALL"


async def test_who_waits_for_a_connection_gets_the_next(dsn, notes):
    async with open_store(dsn, 1) as store:
        await store.save("a", notes("1"), 0)
        async with asyncio.timeout(PATIENCE):
            found = await asyncio.gather(*(store.load("a") for _ in range(20)))
        assert [len(events) for events in found] == [1] * 20


STATE = {
    "settings": "SELECT name, setting FROM pg_settings WHERE setting <> reset_val",
    "locks": "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'",
    "listening": "SELECT count(*) FROM pg_listening_channels()",
    "cursors": "SELECT count(*) FROM pg_cursors WHERE name <> ''",
    "temporary": "SELECT count(*) FROM pg_class WHERE relpersistence = 't'",
}


async def state_of(store):
    """Return what the store's only connection carries with it."""
    async with store._opening.session._database.connection() as connection:
        assert not connection.is_in_transaction()
        return {name: await connection.fetch(query) for name, query in STATE.items()}


@pytest.mark.parametrize("cache", [100, 0])
async def test_no_state_stays_in_a_session(dsn, notes, cache):
    async with open_store(dsn, 1, statement_cache_size=cache) as store:
        before = await state_of(store)
        await store.save("a", notes("1"), 0)
        with pytest.raises(StorageError):  # an error in the middle of a transaction
            await store._opening.session._database.fetch("load_stream", "a", 0, -1)
        for work in (store.load("a"), store.save("a", notes("2"), 1), store.read_log()):
            task = asyncio.create_task(work)
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        records = store.subscribe()
        await anext(records)
        stream = store.stream("a")
        await anext(stream)
        await stream.aclose()
        await records.aclose()
        await store.save_snapshot_async(Snapshot(aggregate_id="a", version=1, state={}))
        assert await state_of(store) == before


async def test_dead_connections_are_replaced(dsn, notes):
    async with PostgreSQLEventStore(dsn, 3, 3) as store, observe(dsn) as observer:
        await asyncio.gather(*(store.load("a") for _ in range(3)))
        for number in range(3):
            await observer.terminate(await observer.others())
            if number % 2:
                await asyncio.gather(*(store.load("a") for _ in range(3)))
            await store.save("a", notes(str(number)), number)
        assert len(await store.load("a")) == 3
        assert await store.ping()


async def test_statements_are_prepared_once(dsn, notes):
    async with open_store(dsn, 1) as store:
        for number in range(3):
            await store.save("a", notes(str(number)), number)
        async with store._opening.session._database.connection() as connection:
            query = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE $1"
            assert await connection.fetchval(query, "%orchestrix_append_one(%") == 1


async def test_without_a_cache_nothing_is_prepared_by_name(dsn, notes):
    async with open_store(dsn, 1, statement_cache_size=0) as store:
        await store.save("a", notes("1"), 0)
        assert len(await store.load("a")) == 1
        async with store._opening.session._database.connection() as connection:
            query = "SELECT count(*) FROM pg_prepared_statements WHERE name <> ''"
            assert await connection.fetchval(query) == 0


async def test_a_subscription_hears_again_after_it_was_cut_off(dsn, notes):
    settings = {"poll_interval": 3600.0}  # so that only the notification can be it
    async with open_store(dsn, **settings) as store, open_store(dsn) as other:
        records = store.subscribe()
        await other.save("a", notes("1"), 0)
        assert (await anext(records)).event.id == "1"
        async with observe(dsn) as observer:

            async def listening():
                return await observer.others("query LIKE 'LISTEN%'")

            first = await until(listening)
            await observer.terminate(first)

            async def back():
                return set(await listening()) - set(first)

            await until(back)
        await other.save("a", notes("2"), 1)
        async with asyncio.timeout(PATIENCE):
            assert (await anext(records)).event.id == "2"
        await records.aclose()


async def test_a_lost_notification_loses_no_event(dsn, notes, monkeypatch):
    monkeypatch.setattr(_wake.Notifier, "commit", lambda self: None)
    async with open_store(dsn, poll_interval=0.05) as store, open_store(dsn) as other:
        records = store.subscribe()
        for number in range(3):
            waiting = asyncio.ensure_future(anext(records))
            await other.save("a", notes(str(number)), number)
            async with asyncio.timeout(PATIENCE):
                assert (await waiting).event.id == str(number)
        await records.aclose()


async def test_commits_that_come_together_share_a_notification(dsn, notes):
    async with observe(dsn) as observer:
        heard = []
        channel = _wake.channel_of("public")

        def hear(connection, pid, channel, payload):
            heard.append(payload)

        await observer.connection.add_listener(channel, hear)
        began = monotonic()
        async with open_store(dsn) as store:
            for number in range(100):
                await store.save("a", notes(str(number)), number)
        took = monotonic() - began
        await observer.connection.execute("SELECT pg_notify($1, 'end')", channel)

        async def ended():
            return "end" in heard

        await until(ended)
        await observer.connection.remove_listener(channel, hear)
    assert 1 <= len(heard) - 1 <= took / _wake._PAUSE + 2


async def test_a_long_stream_is_streamed_page_by_page(dsn, notes, monkeypatch):
    monkeypatch.setattr(_operations, "_PAGE", 100)
    async with open_store(dsn) as store:
        await store.save("a", notes(*(f"{n}" for n in range(1050))), 0)
        assert [event.id for event in await store.load("a", 30)] == [
            str(n) for n in range(30, 1050)
        ]
        numbers = [int(event.id) async for event in store.stream("a")]
        assert numbers == list(range(1050))
        assert [event.id async for event in store.stream("a", 1049)] == ["1049"]
        assert [event async for event in store.stream("a", 1050)] == []


async def test_memory_does_not_grow_with_the_stream(dsn):
    async with open_store(dsn) as store:
        await fill_stream(dsn, 30_000)
        assert await store.head() == 30_000  # what a first statement costs is spent
        tracemalloc.start()
        try:
            count = 0
            async for _ in store.stream("a"):
                count += 1
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert count == 30_000
    assert peak < 12 * 2**20  # two pages; all of it would take four times as much


FILL = """
INSERT INTO events SELECT n, 'a', n, 'id-' || n, 'test.postgres.noted', 1, NULL, (
    '{"text":"' || repeat('x', 200) || '","id":"id-' || n
    || '","timestamp":"2026-01-01T00:00:00Z"}'
)::json FROM generate_series(1, $1) AS n
"""


async def fill_stream(dsn, count):
    """Write a long stream faster than one could save it."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(FILL.replace("$1", str(count)))
    await connection.close()


async def test_a_stream_holds_no_connection_between_pages(dsn, notes, monkeypatch):
    monkeypatch.setattr(_operations, "_PAGE", 2)
    async with open_store(dsn, 1) as store:
        await store.save("a", notes("1", "2", "3"), 0)
        seen = []
        async for event in store.stream("a"):
            seen.append(event.id)
            if event.id == "1":
                await store.save("a", notes("4"), 3)
        assert seen == ["1", "2", "3", "4"]


async def test_a_store_may_be_opened_again(dsn, notes):
    store = open_store(dsn)
    for number in range(3):
        await store.initialize()
        await store.initialize()
        await store.save("a", notes(str(number)), number)
        await store.close()
        await store.close()
        with pytest.raises(StoreClosedError):
            await store.load("a")


def test_a_store_of_another_event_loop_says_so(dsn):
    store = open_store(dsn)
    with asyncio.Runner() as first:
        first.run(store.initialize())
        with asyncio.Runner() as second, pytest.raises(StorageError, match="another event loop"):
            second.run(store.load("a"))
        asyncio.set_event_loop(first.get_loop())
        first.run(store.close())


async def test_closing_does_not_wait_for_ever(dsn, notes, monkeypatch):
    monkeypatch.setattr(_database, "_CLOSING", 0.5)
    async with observe(dsn) as observer:
        store = open_store(dsn, 1)
        await store.initialize()
        be_impatient(store, 0.25)
        async with observer.no_writes():
            saving = asyncio.create_task(store.save("a", notes("1"), 0))
            await observer.waiting()
            async with asyncio.timeout(PATIENCE):
                await store.close()
                with pytest.raises(StorageError, match="stored whole or not at all"):
                    await saving
